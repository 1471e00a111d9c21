"""`disclaimers.yaml`: what the law wants said under an answer, by topic and jurisdiction.

Matched by plain words and by the ids and topics of the passages, so that an answer's disclaimers never
depend on a model.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from bot.config.section import Section
from bot.config.source import load_yaml, parse
from bot.errors import ConfigError, Problem
from bot.types import Language, Passage

__all__ = ["Disclaimer", "Disclaimers", "disclaimers_for", "load_disclaimers"]

Word = Annotated[str, Field(min_length=1)]
ANYWHERE = "*"


class Wordings(Section):
    zh: Word
    en: Word

    def __getitem__(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


class Said(Section):
    zh: tuple[Word, ...] = ()
    en: tuple[Word, ...] = ()

    def __getitem__(self, language: Language) -> tuple[str, ...]:
        return self.zh if language == "zh" else self.en


class Disclaimer(Section):
    """One sentence, and when it is due."""

    id: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")
    jurisdiction: str = Field(pattern=r"^(\*|[A-Z]{2})$")
    """ISO 3166-1 alpha-2, or `*` for everywhere."""
    not_in: tuple[str, ...] = ()
    """Jurisdictions that `*` leaves out."""
    effective_from: date
    effective_to: date | None = None
    """Last day."""
    source: Word
    """The regulation it comes from."""
    topics: tuple[Word, ...] = ()
    """Topics of passages."""
    passages: tuple[Word, ...] = ()
    """Beginnings of passage ids."""
    keywords: tuple[Word, ...] = ()
    """Words of the answer's own text."""
    needs: tuple[Word, ...] = ()
    """Words of which the text must hold one, besides. Empty: none needed."""
    exempt: tuple[Word, ...] = Field(default=(), alias="except")
    """Beginnings of ids; no disclaimer where the answer's first passage has one."""
    text: Wordings
    said: Said = Said()
    """Words that show that the text says it already."""

    @field_validator("effective_from", "effective_to", mode="before")
    @classmethod
    def _dated(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                return date.fromisoformat(value)
            except ValueError:
                raise ValueError("must be a date as in 2026-07-01") from None
        return value

    @model_validator(mode="after")
    def _has_a_cause(self) -> Self:
        if not (self.topics or self.passages or self.keywords):
            raise ValueError("say when it is due: give topics, passages or keywords")
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValueError("effective_to must not be before effective_from")
        if self.not_in and self.jurisdiction != ANYWHERE:
            raise ValueError("not_in goes with jurisdiction '*'")
        return self

    def holds_in(self, jurisdiction: str, today: date | None) -> bool:
        place = self.jurisdiction in {ANYWHERE, jurisdiction} and jurisdiction not in self.not_in
        if today is None:
            return place
        return (
            place
            and self.effective_from <= today
            and (self.effective_to is None or today <= self.effective_to)
        )


class _File(Section):
    disclaimers: tuple[Disclaimer, ...] = ()


@dataclass(frozen=True, slots=True)
class Disclaimers:
    """All of a file, in its order."""

    all: tuple[Disclaimer, ...] = ()
    version: str = ""
    """First 12 hexadecimal digits of the file's SHA-256."""


def load_disclaimers(path: Path) -> Disclaimers:
    """Read `disclaimers.yaml`.

    Raises:
        ConfigError: unreadable, an unknown key, a wrong date, no cause, or an id written twice; with file
            and line.
    """
    document = load_yaml(path)
    found = parse(document, _File).disclaimers
    first: dict[str, int] = {}
    problems: list[Problem] = []
    for index, disclaimer in enumerate(found):
        where = ("disclaimers", index, "id")
        if disclaimer.id in first:
            message = f"id {disclaimer.id!r} is taken in line {first[disclaimer.id]}; give it another"
            problems.append(document.problem(where, message))
        first.setdefault(disclaimer.id, document.line(where))
    if problems:
        raise ConfigError(problems)
    return Disclaimers(found, document.digest[:12])


def disclaimers_for(
    passages: Sequence[Passage],
    text: str,
    language: Language,
    jurisdiction: str = "CN",
    *,
    disclaimers: Disclaimers,
    today: date | None = None,
) -> tuple[str, ...]:
    """What must stand under an answer, in the file's order, without what its text says already.

    `passages` are those it stands on, most important first. Without `today` dates aren't asked.
    """
    plain = _plain(text)
    due: list[str] = []
    for disclaimer in disclaimers.all:
        if not disclaimer.holds_in(jurisdiction, today) or not _is_about(disclaimer, passages, plain):
            continue
        sentence = disclaimer.text[language]
        said = (sentence.rstrip("。."), *disclaimer.said[language])
        if any(_plain(words) in plain for words in said) or sentence in due:
            continue
        due.append(sentence)
    return tuple(due)


def _is_about(disclaimer: Disclaimer, passages: Sequence[Passage], plain: str) -> bool:
    if passages and disclaimer.exempt and passages[0].id.startswith(disclaimer.exempt):
        return False
    if disclaimer.needs and not _holds(plain, disclaimer.needs):
        return False
    return (
        any(passage.topic in disclaimer.topics for passage in passages)
        or any(passage.id.startswith(disclaimer.passages) for passage in passages if disclaimer.passages)
        or _holds(plain, disclaimer.keywords)
    )


def _holds(plain: str, words: Sequence[str]) -> bool:
    return any(_plain(word) in plain for word in words)


def _plain(text: str) -> str:
    """Folded to compare: width, case, and spaces and punctuation between words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum() or character == "%")
