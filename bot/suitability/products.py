"""The product shelf: `config/products.yaml`, checked as it is read."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, HttpUrl

from bot.config.models import Localised
from bot.config.section import Section
from bot.config.source import Document, load_yaml, parse, parse_text
from bot.errors import ConfigError, Problem
from bot.suitability.levels import Risk, higher
from bot.suitability.wording import inducing

__all__ = ["Kind", "Liquidity", "Need", "Product", "Shelf", "check_facts", "load", "read"]

Kind = Literal["deposit", "wealth", "fund", "insurance", "gold", "bond"]
Liquidity = Literal["any_time", "notice", "early_at_cost", "after_holding", "at_maturity"]
"""When the money can be had: on any day; some days after saying so; early, for less interest or with a
deduction; after a least holding; only at the end."""
Need = Literal[
    "spare_cash", "emergency", "preserve", "steady", "income", "growth", "education", "retirement",
    "inflation", "saving_plan", "protection", "foreign_currency", "children", "travel",
]  # fmt: skip
NEEDS: tuple[Need, ...] = get_args(Need)
SHORTEST_ALIAS = 2
"""Characters; a shorter alias would be found in too many sentences."""


def _not_inducing(text: Localised) -> Localised:
    for words in (text.zh, text.en):
        if found := inducing(words):
            raise ValueError(f"{found!r} induces or promises, which product texts may not; say it plainly")
    return text


Plainly = Annotated[Localised, AfterValidator(_not_inducing)]


class Ratings(Section):
    """Where both are given the higher counts."""

    issuer: Risk
    seller: Risk


class Window(Section):
    """First and last day of sale; open where not given."""

    opens: date | None = None
    closes: date | None = None


class Product(Section):
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
    kind: Kind
    name: Plainly
    aliases: tuple[str, ...] = ()
    """Other names that customers use."""
    issuer: Localised
    """Who stands behind it; the bank only distributes what others issue."""
    ratings: Ratings | None = None
    """None for deposits, which aren't rated."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "CNY"
    minimum: Annotated[float, Field(gt=0)] | None = None
    """Least purchase in whole units of `currency`; none where it isn't an amount of money."""
    minimum_words: Plainly | None = None
    """Instead of the amount, such as grams."""
    terms_days: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    """Days for which the money is bound, one for each term on offer; 0: not at all."""
    term_words: Plainly
    liquidity: Liquidity
    fees: Plainly
    suits: Plainly
    """Who it is for, in one line."""
    needs: Annotated[tuple[Need, ...], Field(min_length=1)]
    link: HttpUrl
    knowledge: str = ""
    """Id of the knowledge entry that says more."""
    offering: Literal["public", "private"] = "public"
    """What is offered privately is never put forward in chat, only talked about when named."""
    status: Literal["on_sale", "paused", "ended"] = "on_sale"
    sale: Window = Window()
    facts: dict[Literal["minimum", "terms_days"], str] = Field(default_factory=dict)
    """Which knowledge fact states the same figure; `teller check` holds the two together."""

    @property
    def risk(self) -> Risk:
        """The rating that counts. A deposit ranks as R1 here: anyone may have it."""
        return higher(self.ratings.issuer, self.ratings.seller) if self.ratings else "R1"

    def sold_on(self, day: date) -> bool:
        opens, closes = self.sale.opens, self.sale.closes
        return (
            self.status == "on_sale" and (opens is None or opens <= day) and (closes is None or day <= closes)
        )


class _File(Section):
    products: Annotated[tuple[Product, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Shelf:
    """All products of one version of the file."""

    products: tuple[Product, ...] = ()
    version: str = ""
    """First 12 hex digits of the file's SHA-256."""
    _names: tuple[tuple[str, Product], ...] = field(default=(), repr=False)

    def get(self, id: str) -> Product | None:
        return next((product for product in self.products if product.id == id), None)

    def named(self, text: str) -> tuple[Product, ...]:
        """The products that a text names, longest name first; of names that overlap, the longer."""
        left, found = plain(text), []
        for name, product in self._names:
            if name in left:
                left = left.replace(name, "\n")
                if product not in found:
                    found.append(product)
        return tuple(found)


def plain(text: str) -> str:
    """Lower case, full-width as plain, without spaces, quotes and hyphens: how names are compared."""
    return re.sub(r"[\s\-_·'\"“”‘’《》「」]", "", unicodedata.normalize("NFKC", text).lower())


def load(path: Path) -> Shelf:
    """Read and check the shelf. Raises ConfigError with file, line and what to do."""
    return _check(load_yaml(path))


def read(text: str, path: Path) -> Shelf:
    """As `load`, from text that came from `path`."""
    return _check(parse_text(text, path))


def _check(document: Document) -> Shelf:
    try:
        found = parse(document, _File)
    except ConfigError as error:
        raise ConfigError([_with_nearest(problem) for problem in error.problems]) from None
    problems = list(_problems(document, found.products))
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    names = [(name, product) for product in found.products for name in _names_of(product)]
    names.sort(key=lambda pair: -len(pair[0]))
    return Shelf(found.products, document.digest[:12], tuple(names))


def _names_of(product: Product) -> set[str]:
    return {plain(name) for name in (product.name.zh, product.name.en, *product.aliases)}


def _problems(document: Document, products: tuple[Product, ...]) -> Iterator[Problem]:
    ids = Counter(product.id for product in products)
    names = Counter(name for product in products for name in _names_of(product))
    for number, product in enumerate(products):
        where = ("products", number)
        if ids[product.id] > 1:
            yield document.problem((*where, "id"), f"product id {product.id!r} is used twice")
        for name in sorted(_names_of(product)):
            if names[name] > 1:
                yield document.problem(where, f"two products are called {name!r}; make their names differ")
            if len(name) < SHORTEST_ALIAS:
                yield document.problem(
                    where, f"the name {name!r} is too short to be recognised; use {SHORTEST_ALIAS} characters"
                )
        if product.ratings is None and product.kind != "deposit":
            yield document.problem(
                where, f"a product of kind {product.kind!r} needs ratings: {{issuer: R…, seller: R…}}"
            )
        if product.ratings is not None and product.kind == "deposit":
            yield document.problem((*where, "ratings"), "deposits aren't rated; leave ratings out")
        if (product.minimum is None) == (product.minimum_words is None):
            yield document.problem(
                where, "give either minimum (an amount) or minimum_words, not both or neither"
            )
        opens, closes = product.sale.opens, product.sale.closes
        if opens and closes and closes < opens:
            yield document.problem((*where, "sale"), "the sale closes before it opens")
        if product.risk in ("R4", "R5") and product.kind == "wealth" and product.offering == "public":
            yield document.problem(
                where, f"a {product.risk} wealth product is offered privately: offering: private"
            )


def _with_nearest(problem: Problem) -> Problem:
    """Names the nearest right word where a closed list was missed."""
    allowed = re.search(r"input should be (.+), not '([^']*)'$", problem.message)
    if allowed is None:
        return problem
    nearest = get_close_matches(allowed[2], re.findall(r"'([^']+)'", allowed[1]), n=1, cutoff=0.5)
    return Problem(
        problem.file, problem.line, problem.message + (f"; did you mean {nearest[0]!r}?" if nearest else "")
    )


def check_facts(shelf: Shelf, path: Path, facts: Mapping[str, object]) -> list[Problem]:
    """Where a product states another figure than the knowledge fact that it names.

    `facts`: fact id → value, as under `config/knowledge/facts`.
    """
    document = load_yaml(path)
    problems = []
    for number, product in enumerate(shelf.products):
        for key, fact in product.facts.items():
            where = ("products", number, "facts", key)
            if fact not in facts:
                near = get_close_matches(fact, list(facts), n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                problems.append(document.problem(where, f"there is no fact {fact!r}{hint}"))
                continue
            stated = product.minimum if key == "minimum" else max(product.terms_days)
            if stated != facts[fact]:
                problems.append(
                    document.problem(where, f"{product.id} says {stated:g}, and {fact} says {facts[fact]}")
                )
    return problems
