"""Which rows are held out: by hash, so that more data moves nothing, and siblings stay together."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from inference.evaluation.classify import LabelledText

__all__ = ["FEWEST", "held_out_by", "split"]

Row = TypeVar("Row")
FEWEST = 2
"""Rows that every label needs to be trained on."""


def held_out_by(
    rows: Iterable[Row], family: Callable[[Row], str], share: float, seed: int = 0
) -> tuple[list[Row], list[Row]]:
    """(to train on, held out); about `share` of the families are held out."""
    kept: list[Row] = []
    held: list[Row] = []
    for row in rows:
        away = zlib.crc32(f"{seed}|{family(row)}".encode()) % 10_000 < share * 10_000
        (held if away else kept).append(row)
    return kept, held


def split(
    rows: Sequence[LabelledText], share: float, seed: int = 0
) -> tuple[list[LabelledText], list[LabelledText]]:
    """(to train on, held out); siblings stay together, and every label keeps some rows to train on."""
    kept, held = held_out_by(rows, _family, share, seed)
    counts = Counter(row.label for row in kept)
    back = {_family(row) for row in held if counts[row.label] < FEWEST}
    kept += [row for row in held if _family(row) in back]
    return kept, [row for row in held if _family(row) not in back]


def _family(row: LabelledText) -> str:
    return row.family or row.text
