"""From turns as they were read to a dialogue to learn from, or the reason why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from inference.training.prepare.config import Limits
from inference.training.prepare.dialogue import Turn
from inference.training.prepare.language import DialogueLanguage, language_of

__all__ = ["REASONS", "TURN_REASONS", "Reason", "TurnReason", "shape"]

Reason = Literal[
    "bad_row",
    "bad_reply",
    "empty",
    "no_customer",
    "no_reply",
    "too_short",
    "too_long",
    "broken_text",
    "language",
    "exact_duplicate",
    "near_duplicate",
]
REASONS: dict[Reason, str] = {
    "bad_row": "one of its rows is bad",
    "bad_reply": "labelled bad: a review found the reply wrong",
    "empty": "nothing but noise",
    "no_customer": "the customer says nothing",
    "no_reply": "the counter never replies to the customer",
    "too_short": "below limits.min_chars on one side",
    "too_long": "above limits.max_chars or limits.max_turns",
    "broken_text": "holds U+FFFD: an earlier program lost characters",
    "language": "in none of the languages asked for",
    "exact_duplicate": "the same words as an earlier one",
    "near_duplicate": "nearly the same words as an earlier one",
}
TurnReason = Literal["empty", "before_the_question", "unanswered"]
TURN_REASONS: dict[TurnReason, str] = {
    "empty": "nothing but noise",
    "before_the_question": "the counter speaks before the customer has",
    "unanswered": "the customer's last words, without a reply",
}

_RAW_FACTOR = 20
"""Raw text may be that many times `max_chars`: markup goes. What is longer isn't looked at at all."""
_REPLACEMENT = "\ufffd"


def shape(
    turns: Sequence[Turn], clean: Callable[[str], str], limits: Limits, dropped_turns: Counter[TurnReason]
) -> tuple[tuple[Turn, ...], DialogueLanguage] | Reason:
    """Clean, merge neighbouring turns of one role, and trim, so that roles alternate, the customer begins
    and the counter ends. `dropped_turns` counts what went, of those that are returned."""
    if sum(len(turn.text) for turn in turns) > _RAW_FACTOR * limits.max_chars:
        return "too_long"
    spoken = [Turn(turn.role, text) for turn in turns if (text := clean(turn.text))]
    if not spoken:
        return "empty"
    merged = merge(spoken)
    first = next((n for n, turn in enumerate(merged) if turn.role == "customer"), None)
    if first is None:
        return "no_customer"
    last = next((n for n in reversed(range(first, len(merged))) if merged[n].role == "counter"), None)
    if last is None:
        return "no_reply"
    kept = merged[first : last + 1]
    chars = Counter[str]()
    for turn in kept:
        chars[turn.role] += len(turn.text)
    if min(chars.values()) < limits.min_chars:
        return "too_short"
    if chars.total() > limits.max_chars or len(kept) > limits.max_turns:
        return "too_long"
    text = "\n".join(turn.text for turn in kept)
    if _REPLACEMENT in text:
        return "broken_text"
    dropped_turns["empty"] += len(turns) - len(spoken)
    dropped_turns["before_the_question"] += first
    dropped_turns["unanswered"] += len(merged) - 1 - last
    return tuple(kept), language_of(text)


def merge(turns: Iterable[Turn]) -> list[Turn]:
    """Neighbouring turns of one role become one, a line each."""
    merged: list[Turn] = []
    lines: list[str] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            lines.append(turn.text)
            merged[-1] = Turn(turn.role, "\n".join(lines))
        else:
            merged.append(turn)
            lines = [turn.text]
    return merged
