"""Which rows are held out: by hash, so that more data moves nothing, and siblings stay together."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["held_out_by"]

Row = TypeVar("Row")


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
