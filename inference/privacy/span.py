"""Where personal data stands in a text, and what kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["SECRETS", "Candidate", "Kind", "Span"]

Kind = Literal[
    "ACCOUNT",
    "ADDRESS",
    "BANK_CARD",
    "CVV",
    "EMAIL",
    "IBAN",
    "ID_CARD",
    "IP",
    "LICENSE_PLATE",
    "NAME",
    "OTP",
    "PASSPORT",
    "PASSWORD",
    "PERMIT",
    "PHONE",
    "PIN",
    "QQ",
    "SSN",
    "USCC",
    "WECHAT",
]

SECRETS: frozenset[Kind] = frozenset({"OTP", "PIN", "CVV", "PASSWORD"})
"""What is never kept at all, not even sealed (JR/T 0171-2020, category C3)."""


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]`, in code points of the raw text, is personal data of a kind."""

    start: int
    end: int
    type: Kind


class Candidate(NamedTuple):
    """A span a finder proposes; where two overlap, the lower `rank` wins, then the longer."""

    start: int
    end: int
    type: Kind
    rank: int
