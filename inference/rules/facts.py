"""What a rule's condition may speak of, by name and type, and where each value comes from.

`said.X`      concept X is in this message and isn't negated
`denied.X`    concept X is in this message, and only negated
`recently.X`  said in this message or in a recent one of the same customer
`is.X`        a condition of the rule set, by its name
all others    the table below
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

__all__ = [
    "CONCEPTUAL",
    "FACTS",
    "PER_UNIT",
    "Value",
    "check_context",
    "check_facts",
    "facts_of_context",
    "facts_of_kinds",
    "money_facts",
]

Value = bool | int | str

FACTS: Final[Mapping[str, Value]] = {
    # The largest sum in sight, in fen and in US cents; other currencies at reference rates.
    "amount.cny": 0,
    "amount.usd": 0,
    "amount.currency": "",
    "payee.new": False,
    "payee.known": False,
    # Years; 0 where it isn't known.
    "customer.age": 0,
    # 1 to 5 for C1 to C5 and R1 to R5; 0 where it isn't known.
    "customer.level": 0,
    "product.level": 0,
    "chat.group": False,
    "chat.platform": "",
    "text.length": 0,
    "text.question": False,
    "text.english": False,
    # Personal data that was found in the message (and masked).
    "pii.otp": False,
    "pii.pin": False,
    "pii.password": False,
    "pii.cvv": False,
    "pii.card": False,
    "pii.id": False,
    "pii.other": False,
}
"""Names of all plain facts with the value each has where nothing is known."""
CONCEPTUAL: Final = ("said", "denied", "recently")
PER_UNIT: Final[Mapping[str, float]] = {
    "USD": 1.0,
    "CNY": 0.14,
    "HKD": 0.128,
    "EUR": 1.15,
    "GBP": 1.3,
    "JPY": 0.0065,
    "AUD": 0.65,
    "CAD": 0.72,
}
"""US dollars for one unit, rounded, of 2026: good enough to hold a sum against a threshold, and for nothing
else."""


def money_facts(sums: Mapping[str, int]) -> dict[str, Value]:
    """`amount.*` of sums by currency in minor units (ISO 4217 codes; an unknown one counts as CNY)."""
    if not sums:
        return {}
    dollars = {code: round(value * PER_UNIT.get(code, PER_UNIT["CNY"])) for code, value in sums.items()}
    largest = max(dollars, key=lambda code: dollars[code])
    own_cny, own_usd = sums.get("CNY", 0), sums.get("USD", 0)
    return {
        "amount.cny": max(own_cny, *(_cny(d) for code, d in dollars.items() if code != "CNY"), 0),
        "amount.usd": max(own_usd, *(d for code, d in dollars.items() if code != "USD"), 0),
        "amount.currency": largest,
    }


def _cny(cents: int) -> int:
    return round(cents / PER_UNIT["CNY"])


_PASTED = {
    "OTP": "pii.otp",
    "PIN": "pii.pin",
    "PASSWORD": "pii.password",
    "CVV": "pii.cvv",
    "BANK_CARD": "pii.card",
    "ID_CARD": "pii.id",
}


def facts_of_kinds(kinds: Iterable[str]) -> dict[str, Value]:
    """`pii.*` for the kinds of personal data (`inference.privacy`) that a message holds."""
    return {_PASTED.get(kind, "pii.other"): True for kind in kinds}


def facts_of_context(context: Mapping[str, Any]) -> dict[str, Value]:
    """Facts from what a case says of its situation.

    Args:
        context: `amount` (major units), `currency`, `payee` ("new" or "known"), `customer` {`age`,
            `risk_level` "C1" to "C5"}, `product` {`risk` "R1" to "R5"}; anything may be missing.

    Raises:
        ValueError: a value that isn't of its kind.
    """
    facts: dict[str, Value] = {}
    amount = context.get("amount")
    if amount:
        currency = str(context.get("currency") or "CNY").upper()
        facts |= money_facts({currency: round(float(amount) * 100)})
    payee = context.get("payee")
    if payee in ("new", "known"):
        facts[f"payee.{payee}"] = True
    customer, product = context.get("customer") or {}, context.get("product") or {}
    if customer.get("age"):
        facts["customer.age"] = int(customer["age"])
    for name, level in (
        ("customer.level", customer.get("risk_level")),
        ("product.level", product.get("risk")),
    ):
        if level:
            facts[name] = _level(level)
    return facts


_CONTEXT: Final[Mapping[str, tuple[str, ...]]] = {
    "amount": (),
    "currency": (),
    "payee": (),
    "customer": ("age", "risk_level"),
    "product": ("risk",),
}
"""What `facts_of_context` reads."""


def check_context(context: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """(where, what is wrong) for each thing in a context that `facts_of_context` would pass over."""
    for name, value in context.items():
        if name not in _CONTEXT:
            yield (name,), _unknown("context", name, _CONTEXT)
        elif name == "payee" and value not in ("new", "known"):
            yield (name,), f"payee is {value!r}; write new or known"
        elif known := _CONTEXT[name]:
            if not isinstance(value, Mapping):
                yield (name,), f"{name} is {value!r}; it needs {' or '.join(known)}"
                continue
            for part in value:
                if part not in known:
                    yield (name, part), _unknown(f"context.{name}", part, known)


def _unknown(of: str, name: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known here: {', '.join(sorted(known))}"
    return f"unknown key '{of}.{name}'; {hint}"


def check_facts(facts: Mapping[str, Value]) -> None:
    """Whether given facts are of the table's names and types. Raises ValueError."""
    for name, value in facts.items():
        if name not in FACTS:
            nearest = get_close_matches(name, FACTS, n=1, cutoff=0.5)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise ValueError(f"unknown fact {name!r}{hint}")
        if type(value) is not type(FACTS[name]):
            raise ValueError(f"{name} is {value!r}; it needs {_WRITTEN[type(FACTS[name])]}")


_WRITTEN = {bool: "true or false", int: "a whole number", str: "a text"}


def _level(written: str) -> int:
    digits = str(written)[-1:]
    if digits not in "12345":
        raise ValueError(f"{written!r} is no level; write C1 to C5 or R1 to R5")
    return int(digits)
