"""Customer levels C1–C5, product ratings R1–R5, and which may meet.

Source: 金融机构产品适当性管理办法 (in force 2026-02-01): at least five product levels; where issuer and
seller rate a product differently the higher rating counts; a customer is sold only what is rated no
higher than the customer's own level, and the lowest class R1 alone.
"""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["LEVELS", "RISKS", "Level", "Risk", "allowed", "allows", "higher", "lower", "one_down", "rank"]

Level = Literal["C1", "C2", "C3", "C4", "C5"]
Risk = Literal["R1", "R2", "R3", "R4", "R5"]
LEVELS: tuple[Level, ...] = get_args(Level)
RISKS: tuple[Risk, ...] = get_args(Risk)


def rank(grade: Level | Risk) -> int:
    """1–5, for customers and products alike."""
    return int(grade[1])


def allows(level: Level, risk: Risk) -> bool:
    """Whether a customer of `level` may be sold a product rated `risk`."""
    return rank(risk) <= rank(level)


def allowed(level: Level) -> tuple[Risk, ...]:
    """The matching matrix, one row: Cn → R1..Rn."""
    return RISKS[: rank(level)]


def higher(one: Risk, other: Risk) -> Risk:
    """Of two ratings of one product, the one that counts."""
    return one if rank(one) >= rank(other) else other


def lower(one: Level, other: Level) -> Level:
    return one if rank(one) <= rank(other) else other


def one_down(level: Level) -> Level:
    """The next lower level; C1 has none below it."""
    return LEVELS[max(0, rank(level) - 2)]
