"""How a generator does on written dialogues: every turn asked with what was said before it, as it was
written."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.types import GenerateRequest
from inference.generator.model import LanguageModel
from inference.generator.offline import write_replies
from inference.generator.options import EngineOptions
from inference.generator.refusal import refuses
from inference.guard import ReplyGuard
from inference.guard.figures import find_figures
from inference.guard.grounding import content_units
from inference.training.dialogues import Dialogue, Turn

__all__ = ["Written", "evaluate_dialogues", "measure_replies", "write_dialogues"]

_LONGEST = 120
"""Tokens of a reply."""
_PATIENCE = 100_000.0
"""Seconds: offline nobody waits."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a generator said to a turn."""

    dialogue: Dialogue
    at: int
    reply: str

    @property
    def turn(self) -> Turn:
        return self.dialogue.turns[self.at]


def write_dialogues(
    model: LanguageModel,
    dialogues: Sequence[Dialogue],
    options: EngineOptions | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> list[Written]:
    """A reply to every turn."""
    places = [(dialogue, at) for dialogue in dialogues for at in range(len(dialogue.turns))]
    requests = [
        GenerateRequest(
            id=f"{dialogue.id}#{at}",
            question=dialogue.turns[at].question,
            language=dialogue.lang,
            passages=tuple(dialogue.passage(n) for n in range(len(dialogue.passages))),
            history=dialogue.before(at),
            max_tokens=_LONGEST,
            deadline=_PATIENCE,
        )
        for dialogue, at in places
    ]
    if options is None:
        options = EngineOptions(queue=max(1, len(requests)))
    replies = write_replies(model, requests, options, tell)
    return [Written(dialogue, at, reply) for (dialogue, at), reply in zip(places, replies, strict=True)]


def measure_replies(written: Sequence[Written]) -> dict[str, Any]:
    """Shares (0–1) over the turns.

    Returns:
        `likeness`: mean F1 of the reply's content (pairs of 汉字, stems of words) with that of the written
        one; 0 where the guard objects or the reply refuses wrongly; for a turn to refuse 1 for any refusal
        and 0 for anything else. `passed`: the guard leaves the reply as it is; `good`: it passes and refuses
        where, and only where, the written reply does; `figures`: of the turns whose written reply has
        figures, those with the same ones and no others; `refused` and `refused_rightly`: of the turns to
        refuse, and of the refusals; `by_kind`: `good`. A share of nothing is None.
    """
    guard = ReplyGuard()
    passed = good = figured = figures_right = 0
    likeness = 0.0
    kinds: dict[str, list[bool]] = defaultdict(list)
    to_refuse = refusals = right_refusals = 0
    for one in written:
        language, turn = one.dialogue.lang, one.turn
        passages = [one.dialogue.passage(n) for n in range(len(one.dialogue.passages))]
        ok = guard.check(one.reply, passages, question=turn.question).ok
        refused, due = refuses(one.reply, language), turn.kind == "refuse"
        passed += ok
        good += ok and refused == due
        if ok and refused == due:
            likeness += 1.0 if due else _likeness(one.reply, turn.reply)
        kinds[turn.kind].append(ok and refused == due)
        to_refuse += due
        refusals += refused
        right_refusals += refused and due
        if wanted := _figures(turn.reply):
            figured += 1
            figures_right += _figures(one.reply) == wanted
    return {
        "turns": len(written),
        "likeness": round(likeness / max(1, len(written)), 4),
        "passed": _share(passed, len(written)),
        "good": _share(good, len(written)),
        "figures": _share(figures_right, figured),
        "refused": _share(right_refusals, to_refuse),
        "refused_rightly": _share(right_refusals, refusals),
        "by_kind": {kind: _share(sum(found), len(found)) for kind, found in sorted(kinds.items())},
    }


def evaluate_dialogues(
    model: LanguageModel,
    dialogues: Sequence[Dialogue],
    options: EngineOptions | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """`measure_replies` of what the model writes, and `replies_per_s`."""
    started = time.perf_counter()
    written = write_dialogues(model, dialogues, options, tell)
    seconds = time.perf_counter() - started
    return measure_replies(written) | {"replies_per_s": round(len(written) / seconds, 2)}


def _figures(text: str) -> frozenset[str]:
    return frozenset(figure.text.strip() for figure in find_figures(text) if not figure.implicit)


def _likeness(reply: str, written: str) -> float:
    """F1 of what two replies say. A bare yes has no content, and is like another."""
    said, wanted = content_units(reply), content_units(written)
    if not said or not wanted:
        return float(said == wanted)
    return 2 * len(said & wanted) / (len(said) + len(wanted))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
