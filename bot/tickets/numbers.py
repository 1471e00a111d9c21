"""Ticket numbers such as `T-20261123-0042K`: the bank's local day, a count, and a check letter.

The letter is a weighted sum modulo 23. The weights differ and 23 is prime, so any one mistyped digit and
any two exchanged ones are noticed.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from bot.errors import TellerError

__all__ = ["InvalidNumber", "make", "parse"]

LETTERS = "ABCDEFGHJKLMNPQRSTVWXYZ"
"""23 letters: without I, O and U, which are taken for 1, 0 and V."""
_SHAPE = re.compile(r"T?[-_ .]*(\d{8})[-_ .]*(\d{4,12})[-_ .]*([A-Z])")


class InvalidNumber(TellerError):
    """What was given isn't a ticket's number; says whether a slip of the finger is likely."""


def make(day: date, count: int) -> str:
    """The number of the `count`-th ticket (from 1) of a day."""
    digits = f"{day:%Y%m%d}{count:04d}"
    return f"T-{digits[:8]}-{digits[8:]}{_letter(digits)}"


def parse(text: str) -> str:
    """The number as `make` wrote it, from what a person typed: full-width, lower case, without dashes.

    Raises:
        InvalidNumber
    """
    typed = unicodedata.normalize("NFKC", text).strip().upper()
    match = _SHAPE.fullmatch(typed)
    if match is None:
        raise InvalidNumber(f"{text[:40]!r} is no ticket number; one looks like T-20261123-0042K")
    day, count, letter = match.groups()
    if _letter(day + count) != letter:
        raise InvalidNumber(f"{text[:40]!r} has a slip in it: its check letter doesn't fit; read it again")
    return f"T-{day}-{count}{letter}"


def _letter(digits: str) -> str:
    # Weighed from the right, so that leading places of the count could be added.
    return LETTERS[sum(weight * int(digit) for weight, digit in enumerate(reversed(digits), 1)) % 23]
