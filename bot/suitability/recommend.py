"""Recommendation = suitable ∧ relevant: what may be shown, ranked by stated needs and interest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Literal

from bot.suitability.levels import Level, allows, rank
from bot.suitability.needs import Needs
from bot.suitability.products import Product, Shelf

__all__ = ["MOST", "Match", "Pick", "Recommendation", "recommend"]

MOST = 3
"""Products shown at a time."""
SAME_KIND = 2
"""Of these, of one kind (unless only that kind was asked for)."""
LONG_DAYS = 1095
Match = Literal["term", "any_time", "amount", "currency", "purpose", "kind", "interest"]


@dataclass(frozen=True, slots=True)
class Pick:
    product: Product
    matches: tuple[Match, ...]
    """Which of the stated needs it meets, most telling first."""
    score: float


@dataclass(frozen=True, slots=True)
class Recommendation:
    picks: tuple[Pick, ...]
    """Best first."""
    above: int
    """How many relevant products are left out because they are rated above the customer's level."""


def recommend(
    shelf: Shelf, level: Level | None, needs: Needs, day: date, *, interest: Needs | None = None
) -> Recommendation:
    """Choose at most `MOST` products.

    Suitable: on public sale on `day`, and rated no higher than `level` (without one: deposits and R1).
    Relevant: meets every hard need (amount, currency, term, kind) and at least one stated one. `interest`
    is what the conversation was about before; it ranks, and rules nothing out.
    """
    ceiling: Level = level or "C1"
    interest = interest or Needs()
    found: list[Pick] = []
    above = 0
    for product in shelf.products:
        if product.offering != "public" or not product.sold_on(day) or not _meets(product, needs):
            continue
        pick = _weigh(product, needs, interest)
        if not pick.matches:
            continue
        if allows(ceiling, product.risk):
            found.append(pick)
        else:
            above += 1
    # Of equals the one with less risk, then the one that stands first on the shelf.
    found.sort(key=lambda pick: (-pick.score, rank(pick.product.risk)))
    return Recommendation(_mixed(found, needs), above)


def _meets(product: Product, needs: Needs) -> bool:
    """The hard needs."""
    if needs.kinds and product.kind not in needs.kinds:
        return False
    if product.currency != (needs.currency or "CNY") and not (
        needs.currency == "" and "foreign_currency" in needs.purposes
    ):
        return False
    if needs.amount is not None and product.minimum is not None and product.minimum > needs.amount:
        return False
    if needs.any_time and product.liquidity != "any_time":
        return False
    if needs.within_days is not None and min(product.terms_days) > needs.within_days:
        return False
    if "preserve" in needs.purposes and rank(product.risk) > 2:
        return False
    # Insurance is bound for years: only for those who ask for it.
    return product.kind != "insurance" or "insurance" in needs.kinds or "protection" in needs.purposes


def _weigh(product: Product, needs: Needs, interest: Needs) -> Pick:
    weights: dict[Match, float] = {}
    if common := needs.purposes.intersection(product.needs):
        weights["purpose"] = 3.0 * len(common)
    if needs.any_time:
        weights["any_time"] = 2.5
    if needs.within_days is not None:
        # The longest term that fits, as a share of the time there is; beyond some years all are long.
        longest = max(days for days in product.terms_days if days <= needs.within_days)
        weights["term"] = 0.5 + 2.0 * min(1.0, longest / min(max(needs.within_days, 1), LONG_DAYS))
    if needs.kinds:
        weights["kind"] = 2.0
    if needs.currency and needs.currency != "CNY":
        weights["currency"] = 2.0
    if needs.amount is not None and product.minimum is not None and weights:
        weights["amount"] = 0.5
    if interest.purposes.intersection(product.needs) or product.kind in interest.kinds:
        weights["interest"] = 1.0
    matches = sorted(weights, key=lambda match: -weights[match])
    return Pick(product, tuple(matches), sum(weights.values()))


def _mixed(found: list[Pick], needs: Needs) -> tuple[Pick, ...]:
    """The best ones, but not all of one kind where several kinds will do."""
    if len(needs.kinds) == 1:
        return tuple(found[:MOST])
    kinds: Counter[str] = Counter()
    chosen: list[Pick] = []
    for pick in found:
        if kinds[pick.product.kind] < SAME_KIND and len(chosen) < MOST:
            kinds[pick.product.kind] += 1
            chosen.append(pick)
    return tuple(chosen)
