"""Which tokens may be generated, and the output matrix cut down to them.

Gemma's output matrix has 262,144 rows and is 63 % of a decoding step's arithmetic. A bank that answers
in Chinese and English needs no other script, no code and no rare fragment: cutting the rows makes a
step cheaper and keeps an untuned model from wandering into a third language. Everything can still
be *read*: input embeddings are left whole. And what a request's passages say can always be copied:
their tokens are added to the matrix, for that request alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.nn import functional

__all__ = ["Head", "Vocabulary"]

_HAN = re.compile(r"[\u4e00-\u9fff]+")
_WORD = re.compile(r" ?([A-Za-z]?[a-z]+|[A-Z]{1,5})")
_PUNCTUATION = re.compile(
    r" ?[!-/:;=?@\[\]~\u3001-\u3011\uff01-\uff0f\uff1a-\uff20·×÷°€£¥–—‘’“”…①-⑩ⅠⅡⅢⅣ]{1,3}|\n| "
)
_DIGIT = re.compile(r" ?[0-9]")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_WORDS = 40_000
"""English word pieces kept, the most frequent first (BPE ids are in merge order, hence by frequency)."""
_SPARE = 8192
"""Rows kept free for tokens that occur in passages only."""


class Vocabulary:
    """The tokens that may be generated. A *row* is an index into the cut output matrix."""

    def __init__(
        self, tokenizer: Tokenizer, stop_ids: frozenset[int], size: int, *, trim: bool = True
    ) -> None:
        """Of a model with `size` output rows; with `trim` only Han, English, digits and punctuation."""
        every = _texts(tokenizer, range(size))
        keep = list(_kept(every, stop_ids)) if trim else list(range(size))
        self._every = every
        self._rows = {id: row for row, id in enumerate(keep)}
        self.ids = keep
        """The token id of each row."""
        self.texts = [every[id] for id in keep]
        """The text of each row's token; empty for special tokens and parts of a character."""
        self.core = len(keep)
        """Rows before this one are open to every request, those from it on only to some."""
        self.capacity = min(size, self.core + _SPARE)
        self.stop_rows = frozenset(self._rows[id] for id in stop_ids if id in self._rows)

    def __len__(self) -> int:
        return len(self.ids)

    def rows_beyond_core(self, ids: Iterable[int]) -> tuple[int, ...]:
        """The rows of those `ids` that only this request may use, added where there is room."""
        rows: set[int] = set()
        for id in ids:
            if id not in self._rows and len(self.ids) < self.capacity and self._every[id]:
                self._rows[id] = len(self.ids)
                self.ids.append(id)
                self.texts.append(self._every[id])
            row = self._rows.get(id, 0)
            if row >= self.core:
                rows.add(row)
        return tuple(sorted(rows))

    def rows_of(self, ids: Iterable[int]) -> list[int]:
        """The row of each of `ids`, -1 where it has none."""
        return [self._rows.get(id, -1) for id in ids]


class Head:
    """The output projection of the kept rows: hidden states (…, hidden) to float32 logits (…, rows)."""

    def __init__(self, network: Any, vocabulary: Vocabulary) -> None:
        output = network.get_output_embeddings()
        self._vocabulary = vocabulary
        self._source = output.weight
        self._source_bias = getattr(output, "bias", None)
        self._softcap = getattr(network.config.get_text_config(), "final_logit_softcapping", None)
        self._filled = vocabulary.core
        if vocabulary.core == self._source.shape[0]:
            self._weight, self._bias = self._source, self._source_bias
            return
        ids = torch.tensor(vocabulary.ids[: vocabulary.core])
        self._weight = self._source.new_empty((vocabulary.capacity, self._source.shape[1]))
        self._weight[: vocabulary.core] = self._source[ids]
        self._bias = None
        if self._source_bias is not None:
            self._bias = self._source_bias.new_empty(vocabulary.capacity)
            self._bias[: vocabulary.core] = self._source_bias[ids]

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        rows = len(self._vocabulary)
        if self._filled < rows:
            self._fill(rows)
        bias = None if self._bias is None else self._bias[:rows]
        logits = functional.linear(hidden.to(self._weight.dtype), self._weight[:rows], bias).float()
        return logits if self._softcap is None else torch.tanh(logits / self._softcap) * self._softcap

    def _fill(self, rows: int) -> None:
        new = torch.tensor(self._vocabulary.ids[self._filled : rows])
        self._weight[self._filled : rows] = self._source[new]
        if self._bias is not None and self._source_bias is not None:
            self._bias[self._filled : rows] = self._source_bias[new]
        self._filled = rows


def _kept(texts: Sequence[str], stop_ids: frozenset[int]) -> Iterable[int]:
    """Tokens mixing digits and letters are left out, so that a figure is always made digit by digit."""
    words = 0
    for id, text in enumerate(texts):
        if _WORD.fullmatch(text):
            words += 1
            if words <= _WORDS or len(text) == 1:
                yield id
        elif id in stop_ids or _HAN.fullmatch(text) or _DIGIT.fullmatch(text) or _PUNCTUATION.fullmatch(text):
            yield id


def _texts(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Each token's own text; empty for special tokens, bytes and parts of a character."""
    hidden = {id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    # `decode` of one token alone drops a leading space in many tokenizers; after an anchor it doesn't.
    anchor = tokenizer.encode("a", add_special_tokens=False).ids
    head = len(tokenizer.decode(anchor, skip_special_tokens=False))
    decoded = tokenizer.decode_batch([[*anchor, id] for id in ids], skip_special_tokens=False)
    texts = []
    for id, text in zip(ids, decoded, strict=True):
        unusable = id in hidden or "\ufffd" in text or _BYTE.fullmatch(tokenizer.id_to_token(id) or "")
        texts.append("" if unusable else text[head:])
    return texts
