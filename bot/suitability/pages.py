"""What customers are shown of products: lines, reasons, disclaimers. All words come from the catalogue or
from the shelf; nothing is written freely."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bot.locales import say
from bot.suitability.products import Kind, Product
from bot.suitability.recommend import Pick
from bot.types import Language

__all__ = ["date_words", "disclaimers", "minimum_words", "pick_lines"]

_WAN = 10_000
_SHOWN_MATCHES = 3
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip


def date_words(at: datetime, language: Language) -> str:
    if language == "zh":
        return f"{at.year}年{at.month}月{at.day}日"
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def minimum_words(product: Product, language: Language) -> str:
    """`1万元起`, `from CNY 10,000`."""
    if product.minimum is None:
        return product.minimum_words[language] if product.minimum_words else ""
    amount = product.minimum
    if language == "en":
        return f"from {product.currency} {amount:,.10g}"
    unit = say(f"suitability.currency.{product.currency}", "zh") if product.currency in _CURRENCIES else ""
    shown = f"{amount / _WAN:.10g}万" if amount >= _WAN else f"{amount:.10g}"
    return f"{shown}{unit or product.currency}起"


_CURRENCIES = ("CNY", "USD", "HKD", "EUR")


def pick_lines(pick: Pick, number: int, language: Language, *, suits: bool) -> str:
    """One product: name and rating, figures, why it is listed, link.

    Args:
        suits: also say whom it is for (left out where the law wants names and links only).
    """
    product = pick.product
    rated = product.risk if product.ratings else say("suitability.unrated_deposit", language)
    joint = "、" if language == "zh" else ", "
    matches = joint.join(
        say(f"suitability.match.{match}", language) for match in pick.matches[:_SHOWN_MATCHES]
    )
    lines = [
        f"{number}. {product.name[language]}（{rated}）" if language == "zh"
        else f"{number}. {product.name[language]} ({rated})",
        " · ".join((minimum_words(product, language), product.term_words[language])),
        say("suitability.because", language, matches=matches),
    ]  # fmt: skip
    if suits:
        lines.append(say("suitability.suits", language, suits=product.suits[language]))
    lines.append(str(product.link))
    return "\n".join(lines)


def disclaimers(kinds: Iterable[Kind], language: Language) -> str:
    """What must stand under products of these kinds; nothing under deposits alone."""
    found = set(kinds) - {"deposit"}
    if not found:
        return ""
    lines = [say("suitability.disclaimer", language)]
    lines += [
        say(f"suitability.disclaimer.{kind}", language)
        for kind in ("fund", "insurance", "gold", "bond")
        if kind in found
    ]
    return "\n".join(lines)
