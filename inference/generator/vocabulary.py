"""Which tokens may be generated, and the output matrix cut down to them.

Gemma's output matrix has 262,144 rows and is 63 % of a decoding step's arithmetic. A bank that answers
in Chinese and English needs no other script, no code and no rare fragment: cutting the rows makes a
step cheaper and keeps an untuned model from wandering into a third language. Everything can still
be *read*: input embeddings are left whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.nn import functional

__all__ = ["Head", "Vocabulary", "full", "trimmed"]

_WRITABLE = re.compile(
    r"[ \nA-Za-z0-9!-/:-@\[-`{-~\u4e00-\u9fff\u3001-\u3011\uff01-\uff5e·×÷°€£¥–—‘’“”…①-⑩ⅠⅡⅢⅣ]+"
)
_MIXED_DIGITS = re.compile(r"(?=.*[0-9])(?=.*[^0-9 ])")
_ASCII_ROWS = 40_000
"""ASCII tokens kept, the most frequent first (BPE ids are in merge order, hence by frequency)."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens that may be generated. A *row* is an index into the cut output matrix."""

    ids: torch.Tensor
    """(rows,) int64: the token id of each row."""
    texts: tuple[str, ...]
    """The text of each row's token; empty for stop tokens."""
    stop_rows: frozenset[int]

    def __len__(self) -> int:
        return len(self.texts)


class Head:
    """The output projection of the kept rows: hidden states (…, hidden) to float32 logits (…, rows)."""

    def __init__(self, network: Any, vocabulary: Vocabulary) -> None:
        output = network.get_output_embeddings()
        whole = len(vocabulary) == output.weight.shape[0]
        self._weight = output.weight if whole else output.weight[vocabulary.ids].contiguous()
        bias = getattr(output, "bias", None)
        self._bias = bias if bias is None or whole else bias[vocabulary.ids]
        self._softcap = getattr(network.config.get_text_config(), "final_logit_softcapping", None)

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = functional.linear(hidden, self._weight, self._bias).float()
        return logits if self._softcap is None else torch.tanh(logits / self._softcap) * self._softcap


def full(tokenizer: Tokenizer, stop_ids: frozenset[int], size: int) -> Vocabulary:
    """Every one of `size` token ids, in order."""
    texts = _texts(tokenizer, range(size))
    return Vocabulary(torch.arange(size), tuple(texts), stop_ids)


def trimmed(tokenizer: Tokenizer, stop_ids: frozenset[int], size: int) -> Vocabulary:
    """Han, Chinese punctuation, and the more frequent half of what is written in ASCII.

    Tokens that mix digits and letters are left out, so that a figure is always made digit by digit.
    Byte-fallback tokens are left out too: a character outside the kept scripts is not written.
    """
    texts = _texts(tokenizer, range(size))
    keep: list[int] = []
    ascii_kept = 0
    for id, text in enumerate(texts):
        if id in stop_ids:
            keep.append(id)
        elif text and _WRITABLE.fullmatch(text) and not _MIXED_DIGITS.search(text):
            if text.isascii():
                if ascii_kept >= _ASCII_ROWS and len(text) > 1:
                    continue
                ascii_kept += 1
            keep.append(id)
    rows = {id: row for row, id in enumerate(keep)}
    return Vocabulary(
        ids=torch.tensor(keep),
        texts=tuple(texts[id] for id in keep),
        stop_rows=frozenset(rows[id] for id in stop_ids if id in rows),
    )


def _texts(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Each token's own text; empty for special tokens, for fragments of a character and unused ids."""
    special = {id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    # `decode` of one token drops a leading space in many tokenizers; of an anchor and it, it doesn't.
    anchor = tokenizer.encode("a", add_special_tokens=False).ids
    head = len(tokenizer.decode(anchor))
    decoded = tokenizer.decode_batch([[*anchor, id] for id in ids], skip_special_tokens=False)
    return [
        "" if id in special or "\ufffd" in text else text[head:] for id, text in zip(ids, decoded, strict=True)
    ]
