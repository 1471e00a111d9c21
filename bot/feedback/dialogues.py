"""Reviewed exchanges in the form that the generator learns from: passages, and turns over them.

The form is that of `inference.training.dialogues`: {"id", "lang", "family", "passages": [{"title", "text"}],
"turns": [{"kind", "question", "reply", "uses"}]}. What a reader of that form would object to is left out,
and said: a reply that isn't held up by its passages would teach to invent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.feedback.rows import Exchange
from bot.types import Language, Passage

__all__ = ["Ground", "Left", "as_dialogues"]

Left = Counter[str]
"""How many exchanges were left out, by reason."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the exchanges are held against."""

    passage: Callable[[str, Language], Passage | None]
    """The knowledge as it is now."""
    objection: Callable[[str, Sequence[Passage], str], str]
    """(reply, passages, question) → why the reply isn't held up by them; empty if it is."""
    refuses: Callable[[str, Language], bool]
    """Whether a reply says that the passages don't have it."""
    longest: Mapping[Language, tuple[int, int]]
    """Characters of a passage's text, and of a reply, that the generator reads and writes."""
    most_passages: int
    most_turns: int
    """Of one dialogue."""


@dataclass(slots=True)
class _Growing:
    """A dialogue that is being put together."""

    passages: list[Passage] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    first: Exchange | None = None

    def fits(self, passages: Sequence[Passage], ground: Ground) -> bool:
        together = {passage.id for passage in (*self.passages, *passages)}
        return len(together) <= ground.most_passages and len(self.turns) < ground.most_turns

    def add(self, one: Exchange, passages: Sequence[Passage], *, refuses: bool) -> None:
        self.first = self.first or one
        known = [passage.id for passage in self.passages]
        self.passages += [passage for passage in passages if passage.id not in known]
        at = [passage.id for passage in self.passages].index(passages[0].id)
        kind = "refuse" if refuses else "follow_up" if self.turns else "answer"
        turn: dict[str, Any] = {"kind": kind, "question": one.question, "reply": one.reply}
        self.turns.append({**turn, "uses": None if refuses else at})

    def row(self) -> dict[str, Any]:
        assert self.first is not None  # noqa: S101 (only what has turns is asked)
        return {
            "id": f"feedback-{self.first.id}",
            "lang": self.first.language,
            "family": self.passages[0].id,
            "passages": [{"title": passage.title, "text": passage.text} for passage in self.passages],
            "turns": self.turns,
        }


def as_dialogues(run: Iterable[Exchange], ground: Ground, left: Left) -> Iterator[dict[str, Any]]:
    """The dialogues of one run. It is cut where an exchange is left out or no more passages fit."""
    growing = _Growing()
    for said in run:
        one = replace(said, reply=" ".join(said.reply.split()))
        passages, reason = _passages(one, ground)
        reason = reason or _objection(one, passages, ground)
        if growing.turns and (reason or not growing.fits(passages, ground)):
            yield growing.row()
            growing = _Growing()
        if reason:
            left[reason] += 1
        else:
            growing.add(one, passages, refuses=ground.refuses(one.reply, one.language))
    if growing.turns:
        yield growing.row()


def _passages(one: Exchange, ground: Ground) -> tuple[list[Passage], str]:
    """(what it stands on, or why it can't be used)"""
    if one.label == "bad":
        return [], "a bad reply"
    if not one.passages:
        return [], "stands on no passage"
    shown, found = dict(one.cited), []
    for id in one.passages[: ground.most_passages]:
        passage = ground.passage(id, one.language)
        if passage is None:
            return [], "its passage is gone"
        if not _quotes(shown.get(id, ""), passage):
            return [], "its passage has changed since"
        if passage.language != one.language:
            return [], "its passage is in another language"
        found.append(passage)
    return found, ""


def _quotes(shown: str, passage: Passage) -> bool:
    """Whether a passage still says what was shown of it, wherever that was cut out (`rails.excerpt`)."""
    return shown.strip("…").strip() in " ".join(passage.text.split())


def _objection(one: Exchange, passages: Sequence[Passage], ground: Ground) -> str:
    longest, longest_reply = ground.longest[one.language]
    if any(len(passage.text) > longest for passage in passages):
        return "its passage is too long"
    if len(one.reply) > longest_reply:
        return "the reply is too long"
    return "the guard refuses the reply" if ground.objection(one.reply, passages, one.question) else ""
