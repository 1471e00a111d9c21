"""Grounded dialogues that the generator learns from: passages, a conversation over them, the counter's
replies.

    python -m inference.training.dialogues FILE…      says what is wrong with each row, and counts

One JSON object a line:

    {"id": "da-001", "lang": "zh", "family": "card_fee",
     "passages": [{"title": "…", "text": "…"}],
     "turns": [{"kind": "answer", "question": "…", "reply": "…", "uses": 0}]}

`uses` is the number of the passage that the reply stands on (0 where it is left out, null for none).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from bot.errors import ConfigError, Problem
from bot.types import Exchange, Language, Passage
from inference.evaluation.jsonl import Fields, read_rows
from inference.generator.refusal import refuses
from inference.guard import ReplyGuard

__all__ = ["Dialogue", "Kind", "Turn", "problems", "read_dialogues"]

Kind = Literal["answer", "follow_up", "clarify", "refuse", "calm", "hand_over"]
"""What a reply does: answers; answers what only the earlier turns make clear; asks back; says that the
passages don't have it; calms and answers; leads to a person."""
GROUNDED: frozenset[Kind] = frozenset({"answer", "follow_up", "calm"})
MOST_PASSAGES = 2
"""That a prompt shows."""
MOST_TURNS = 8
LONGEST = {"zh": (240, 120), "en": (700, 360)}
"""Characters of a passage's text, and of a reply."""
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Quoted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: Text
    text: Text


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind
    question: Text
    reply: Text
    uses: int | None = 0


class Dialogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Text
    lang: Language
    family: Text
    passages: Annotated[tuple[Quoted, ...], msgspec.Meta(min_length=1, max_length=MOST_PASSAGES)]
    turns: Annotated[tuple[Turn, ...], msgspec.Meta(min_length=1, max_length=MOST_TURNS)]

    def passage(self, at: int) -> Passage:
        quoted = self.passages[at]
        return Passage(f"{self.id}#{at}", self.lang, quoted.title, quoted.text)

    def before(self, at: int) -> tuple[Exchange, ...]:
        """What was said before turn `at`."""
        return tuple(Exchange(turn.question, turn.reply) for turn in self.turns[:at])


def read_dialogues(path: Path) -> list[Dialogue]:
    """The dialogues of a JSONL file.

    Raises:
        ConfigError: the file can't be read, a line isn't a dialogue (names the lines), or ids repeat.
    """
    found = read_rows(path, _dialogue)
    if not found:
        raise ConfigError([Problem(str(path), 0, "has no dialogues")])
    if doubled := [id for id, count in Counter(dialogue.id for dialogue in found).items() if count > 1]:
        raise ConfigError([Problem(str(path), 0, f"dialogues have the same id: {', '.join(doubled[:10])}")])
    return found


def _dialogue(fields: Fields) -> Dialogue:
    dialogue = msgspec.convert(fields, Dialogue)
    for turn in dialogue.turns:
        if turn.uses is not None and not 0 <= turn.uses < len(dialogue.passages):
            raise ValueError(f"`uses` is {turn.uses}, but there is no such passage")
    return dialogue


def problems(dialogue: Dialogue, guard: ReplyGuard) -> Iterator[str]:
    """What a reader or the guard would object to."""
    longest, longest_reply = LONGEST[dialogue.lang]
    for quoted in dialogue.passages:
        if len(quoted.text) > longest:
            yield f"a passage has {len(quoted.text)} characters, at most {longest} are read"
    passages = [dialogue.passage(at) for at in range(len(dialogue.passages))]
    for at, turn in enumerate(dialogue.turns):
        where = f"turn {at + 1} ({turn.kind})"
        if len(turn.reply) > longest_reply:
            yield f"{where}: the reply has {len(turn.reply)} characters, at most {longest_reply}"
        if "\n" in turn.reply:
            yield f"{where}: the reply has a line break"
        if turn.kind in GROUNDED and turn.uses is None:
            yield f"{where}: stands on no passage"
        if (turn.kind == "refuse") != refuses(turn.reply, dialogue.lang):
            yield f"{where}: refusals, and only they, begin as inference/generator/refusal.py says"
        verdict = guard.check(turn.reply, passages, question=turn.question)
        if not verdict.ok:
            yield f"{where}: the guard: {verdict.reason}"


def main(paths: Sequence[str]) -> int:
    guard, kinds, languages, wrong = ReplyGuard(), Counter[str](), Counter[str](), 0
    seen: set[str] = set()
    replies: Counter[str] = Counter()
    for path in paths:
        for dialogue in read_dialogues(Path(path)):
            kinds.update(turn.kind for turn in dialogue.turns)
            languages[dialogue.lang] += len(dialogue.turns)
            replies.update(turn.reply for turn in dialogue.turns)
            found = list(problems(dialogue, guard))
            if dialogue.id in seen:
                found.append("its id was used before")
            seen.add(dialogue.id)
            wrong += len(found)
            for problem in found:
                print(f"{path}: {dialogue.id}: {problem}")  # noqa: T201
    often = {reply: count for reply, count in replies.most_common(5) if count > 2}
    counts = {
        "dialogues": len(seen),
        "turns": sum(kinds.values()),
        "kinds": {kind: kinds[kind] for kind in get_args(Kind)},
        "languages": dict(languages),
        "said_more_than_twice": often,
        "problems": wrong,
    }
    print(json.dumps(counts, ensure_ascii=False))  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
