"""Records and texts as token sequences, and batches of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch.utils.data import Dataset

from bot.errors import TellerError
from bot.types import Exchange, Language, Passage
from inference.generator.prompt import Said, script
from inference.training.dialogues import Dialogue
from inference.training.figures import with_other_figures

__all__ = ["IGNORED", "Batch", "Blocks", "Example", "Records", "collate", "encode"]

IGNORED = -100
"""The label of what isn't learnt."""
Batch = dict[str, torch.Tensor]
_OTHERS_FIGURES = 0.5
"""Share of the readings of a dialogue that get other figures."""
_COMPANY = 0.6
"""Share of those with one passage that get another dialogue's beside it,"""
_SECOND = 0.2
"""and of these, those that get it put first."""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids, and of each the id to be learnt there or `IGNORED`; equally long."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]


def encode(said: Iterable[Said], tokenizer: Tokenizer, bos_id: int | None, longest: int) -> Example | None:
    """A record piece by piece, as the engine reads it; what is over `longest` tokens is cut off at the end.
    None if no reply is left."""
    ids: list[int] = [] if bos_id is None else [bos_id]
    labels = [IGNORED] * len(ids)
    for piece in said:
        added = tokenizer.encode(piece.text, add_special_tokens=False).ids
        ids += added
        labels += added if piece.reply else [IGNORED] * len(added)
    labels = labels[:longest]
    if all(label == IGNORED for label in labels):
        return None
    return Example(tuple(ids[:longest]), tuple(labels))


class Records(Dataset[Example]):
    """Dialogues to learn from. With `varied`, each reading of one differs: other figures, another passage
    beside its own. The reading is a function of the seed and the `epoch`, so a resumed run reads the same."""

    def __init__(
        self,
        dialogues: Sequence[Dialogue],
        tokenizer: Tokenizer,
        bos_id: int | None,
        *,
        longest: int,
        varied: bool,
        seed: int = 0,
    ) -> None:
        self._dialogues = dialogues
        self._tokenizer, self._bos_id, self._longest = tokenizer, bos_id, longest
        self._varied, self._seed = varied, seed
        self.epoch = 0
        self._by_language: dict[Language, list[Dialogue]] = {"zh": [], "en": []}
        for dialogue in dialogues:
            self._by_language[dialogue.lang].append(dialogue)

    def __len__(self) -> int:
        return len(self._dialogues)

    def __getitem__(self, at: int) -> Example:
        dialogue = self._dialogues[at]
        chance = random.Random(f"{self._seed}|{self.epoch}|{dialogue.id}")
        if self._varied and chance.random() < _OTHERS_FIGURES:
            dialogue = with_other_figures(dialogue, chance)
        passages = [dialogue.passage(n) for n in range(len(dialogue.passages))]
        if self._varied and len(passages) == 1 and chance.random() < _COMPANY:
            company = self._company(dialogue, chance)
            if company is not None:
                passages = [company, *passages] if chance.random() < _SECOND else [*passages, company]
        turns = [Exchange(turn.question, turn.reply) for turn in dialogue.turns]
        example = self.example(dialogue.lang, passages, turns)
        if example is None:
            raise TellerError(f"{dialogue.id}: no reply within {self._longest} tokens: raise `pace.longest`")
        return example

    def _company(self, dialogue: Dialogue, chance: random.Random) -> Passage | None:
        """A passage that doesn't answer: of another family, where there is one."""
        others = self._by_language[dialogue.lang]
        other = next((d for d in chance.choices(others, k=20) if d.family != dialogue.family), None)
        if other is None:
            return None
        return chance.choice([other.passage(n) for n in range(len(other.passages))])

    def example(
        self, language: Language, passages: Sequence[Passage], turns: Sequence[Exchange]
    ) -> Example | None:
        return encode(script(language, passages, turns), self._tokenizer, self._bos_id, self._longest)


class Blocks(Dataset[Example]):
    """Texts one after another, in blocks of `length` tokens, all of them learnt."""

    def __init__(
        self, texts: Iterable[str], tokenizer: Tokenizer, bos_id: int | None, eos_id: int, length: int
    ) -> None:
        begin = [] if bos_id is None else [bos_id]
        ids: list[int] = []
        for text in texts:
            ids += [*begin, *tokenizer.encode(text, add_special_tokens=False).ids, eos_id]
        starts = range(0, len(ids), length)
        self._blocks = [tuple(ids[at : at + length]) for at in starts if len(ids) - at > 1]

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, at: int) -> Example:
        return Example(self._blocks[at], self._blocks[at])


def collate(examples: Sequence[Example]) -> Batch:
    """A batch, shorter sequences padded on the right: `input_ids`, `attention_mask`, `labels`, each
    (examples, tokens)."""
    width = max(len(example.ids) for example in examples)

    def padded(rows: Iterable[tuple[int, ...]], fill: int) -> torch.Tensor:
        return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])

    return {
        "input_ids": padded((example.ids for example in examples), 0),
        "attention_mask": padded(((1,) * len(example.ids) for example in examples), 0),
        "labels": padded((example.labels for example in examples), IGNORED),
    }
