"""What reading has come to: rows, bad rows, and conversations that a bad row has spoilt."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bot.errors import TellerError

__all__ = ["BadRow", "Intake"]

_LISTED = 20
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class BadRow:
    where: str
    """`file:line`."""
    reason: str
    """Never holds what the row says."""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(slots=True)
class Intake:
    """Counts what the readers find.

    `limit`: bad rows that may be skipped, a count if it is an int, else a share of all rows.
    """

    limit: int | float
    rows: int = 0
    bad: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)
    """The first thousand."""
    reasons: Counter[str] = field(default_factory=Counter)
    spoilt: list[str] = field(default_factory=list)
    """Where conversations begin that are left out because a row of theirs is bad."""
    disliked: list[str] = field(default_factory=list)
    """Where rows stand whose reply a review found to be bad: good rows, but nothing to learn from."""
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    """By a CSV file's name: the header taken for each purpose."""
    unsure: int = 0
    """Lines of plain text that begin with `word：` and were taken for words of the speaker before."""

    def row(self) -> None:
        self.rows += 1

    def refuse(self, where: str, reason: str, *, rows: int = 1) -> None:
        """Note a bad row, or `rows` of them that were lost together.

        Raises:
            TellerError: more than the count that may be skipped.
        """
        self.bad += rows
        self.reasons[reason] += rows
        if len(self.bad_rows) < _KEPT:
            self.bad_rows.append(BadRow(where, reason))
        if isinstance(self.limit, int) and self.bad > self.limit and len(self.bad_rows) >= _LISTED:
            raise self._too_many("so far")

    def settle(self) -> None:
        """Everything is read. Raises TellerError if too much of it was bad."""
        most = self.limit if isinstance(self.limit, int) else self.limit * self.rows
        if self.bad > most:
            raise self._too_many("in all")

    def _too_many(self, when: str) -> TellerError:
        allowed = str(self.limit) if isinstance(self.limit, int) else f"{self.limit:.2%} of them"
        lines = [
            f"{self.bad} bad rows of {self.rows} {when}; max_bad_rows lets {allowed} pass. "
            "Nothing was written. Mend the rows, or raise max_bad_rows:",
            *(f"  {row}" for row in self.bad_rows[:_LISTED]),
        ]
        if self.bad > _LISTED:
            lines.append("  …")
        return TellerError("\n".join(lines))
