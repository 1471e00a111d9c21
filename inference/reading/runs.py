"""How much of a sentence to show as the answer, where no single clause is sure enough."""

from __future__ import annotations

from collections.abc import Sequence

from inference.reading.features import Matrix

__all__ = ["shortest_run"]


def shortest_run(shares: Matrix, sentences: Sequence[int], least: float) -> tuple[int, int] | None:
    """First and last clause of the shortest run inside one sentence that holds the answer with probability
    `least`; of equally short ones the likeliest, then the earliest. None where no sentence is that sure.

    Args:
        shares: of each clause, probability that it is the answer; shape (clauses,).
        sentences: which sentence each clause stands in, in order.
    """
    best: tuple[int, float, int] | None = None
    for first in range(len(shares)):
        total = 0.0
        for last in range(first, len(shares)):
            if sentences[last] != sentences[first]:
                break
            total += float(shares[last])
            if total >= least:
                found = (last - first, -total, first)
                best = found if best is None else min(best, found)
                break
    return None if best is None else (best[2], best[2] + best[0])
