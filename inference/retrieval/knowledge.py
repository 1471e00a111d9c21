"""The knowledge folder as typed data.

    knowledge/entries/*.yaml          questions with their answers and paraphrases, zh and en
    knowledge/facts/*.yaml            figures that answers state
    knowledge/documents/ID.LANG.md    longer texts, cited by section

Anything wrong is a ConfigError with every file and line, so that one run of the check shows it all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from bot.config.source import Document, Where, load_yaml, parse
from bot.errors import ConfigError, Problem
from bot.types import Language, Passage
from inference.retrieval.documents import Section, load_sections

__all__ = [
    "Entry",
    "EntryFile",
    "Fact",
    "FactFile",
    "Item",
    "Knowledge",
    "Wording",
    "entry_schema",
    "load_knowledge",
]

M = TypeVar("M", bound=BaseModel)
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
Topic = Literal[
    "accounts",
    "branches",
    "cards",
    "complaints",
    "deposits",
    "ebanking",
    "fees",
    "fx",
    "general",
    "loans",
    "security",
    "transfers",
    "wealth",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wording(_Strict):
    """An entry in one language."""

    question: Line
    answer: Line
    paraphrases: tuple[Line, ...] = ()


class Entry(_Strict):
    """One question a customer may have, with its answer."""

    id: Id = Field(description="Unique and stable; dots go from the general to the special.")
    topic: Topic
    facts: tuple[Line, ...] = Field((), description="Keys of facts that the answer states.")
    related: tuple[Line, ...] = Field((), description="Ids of entries likely to be wanted next.")
    zh: Wording | None = None
    en: Wording | None = None

    @model_validator(mode="after")
    def _has_a_language(self) -> Self:
        if self.zh is None and self.en is None:
            raise ValueError("write the entry in zh, in en, or in both")
        return self

    def wording(self, language: Language) -> Wording | None:
        return self.zh if language == "zh" else self.en


class EntryFile(_Strict):
    entries: tuple[Entry, ...]


class Fact(_Strict):
    """A figure that answers may state, in one place."""

    value: int | float | Line
    unit: Line
    note: str = ""


class FactFile(_Strict):
    facts: dict[str, Fact]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be found: a passage, and the questions it is known to answer."""

    passage: Passage
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Knowledge:
    entries: tuple[Entry, ...]
    facts: Mapping[str, Fact]
    sections: tuple[Section, ...]
    version: str
    """Hash of all files it was read from."""

    def items(self, language: Language) -> tuple[Item, ...]:
        """What can be found in one language: entries first, then document sections."""
        entries = (_entry_item(entry, language) for entry in self.entries)
        sections = (_section_item(section) for section in self.sections if section.language == language)
        return (*(item for item in entries if item is not None), *sections)


def _entry_item(entry: Entry, language: Language) -> Item | None:
    wording = entry.wording(language)
    if wording is None:
        return None
    passage = Passage(
        id=entry.id,
        language=language,
        title=wording.question,
        text=wording.answer,
        topic=entry.topic,
        related=entry.related,
    )
    return Item(passage, (wording.question, *wording.paraphrases))


def _section_item(section: Section) -> Item:
    passage = Passage(
        id=section.id,
        language=section.language,
        title=" › ".join(section.path),
        text=section.text,
        topic=section.topic,
        kind="document",
    )
    return Item(passage, (" ".join(section.path),))


def load_knowledge(folder: Path) -> Knowledge:
    """Read and check a knowledge folder.

    Raises:
        ConfigError: with one `Problem` for everything that is wrong in any of its files.
    """
    problems: list[Problem] = []
    version = _version(folder)
    files = list(
        _parse_all(_load_all(sorted(folder.glob("entries/[!.]*.yaml")), problems), EntryFile, problems)
    )
    facts = _load_facts(folder, problems)
    sections = _load_documents(folder, problems)
    if not (files or sections or problems):
        problems.append(
            Problem(str(folder), 0, "holds no entries/*.yaml and no documents/*.md; is the path right?")
        )
    problems += _check_references(files, facts, (section.id for section in sections))
    if problems:
        raise ConfigError(problems)
    return Knowledge(tuple(entry for _, file in files for entry in file.entries), facts, sections, version)


def entry_schema() -> dict[str, Any]:
    """JSON schema of an entry file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **EntryFile.model_json_schema()}


def _parse_all(
    documents: Sequence[Document], model: type[M], problems: list[Problem]
) -> Iterator[tuple[Document, M]]:
    for document in documents:
        try:
            yield document, parse(document, model)
        except ConfigError as error:
            problems += error.problems


def _load_all(paths: Iterable[Path], problems: list[Problem]) -> list[Document]:
    documents = []
    for path in paths:
        try:
            documents.append(load_yaml(path))
        except ConfigError as error:
            problems += error.problems
    return documents


def _load_facts(folder: Path, problems: list[Problem]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for document, file in _parse_all(
        _load_all(sorted(folder.glob("facts/[!.]*.yaml")), problems), FactFile, problems
    ):
        for key, fact in file.facts.items():
            if key in facts:
                problems.append(
                    document.problem(("facts", key), f"fact {key!r} stands in another file too; keep one")
                )
            facts[key] = fact
    return facts


def _load_documents(folder: Path, problems: list[Problem]) -> tuple[Section, ...]:
    sections: list[Section] = []
    for path in sorted(folder.glob("documents/[!.]*.md")):
        try:
            sections += load_sections(path)
        except ConfigError as error:
            problems += error.problems
    return tuple(sections)


def _check_references(
    files: Sequence[tuple[Document, EntryFile]], facts: Mapping[str, Fact], sections: Iterable[str]
) -> Iterator[Problem]:
    """Ids that occur twice, and names of entries or facts that don't exist."""
    first: dict[str, str] = {}
    for document, file in files:
        for index, entry in enumerate(file.entries):
            here = f"{document.path}:{document.line(('entries', index, 'id'))}"
            if entry.id in first:
                message = f"id {entry.id!r} is taken (by {first[entry.id]}); choose another"
                yield document.problem(("entries", index, "id"), message)
            first.setdefault(entry.id, here)
    linkable = {*first, *sections}
    for document, file in files:
        for index, entry in enumerate(file.entries):
            where = ("entries", index)
            yield from _dangling(document, (*where, "related"), "entry", entry.related, linkable)
            yield from _dangling(document, (*where, "facts"), "fact", entry.facts, facts)


def _dangling(
    document: Document, where: Where, what: str, names: Sequence[str], known: Iterable[str]
) -> Iterator[Problem]:
    known = set(known)
    for index, name in enumerate(names):
        if name not in known:
            nearest = get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else "; write it or leave it out"
            yield document.problem((*where, index), f"no {what} {name!r}{hint}")


def _version(folder: Path) -> str:
    digest = hashlib.sha256()
    for pattern in ("entries/[!.]*.yaml", "facts/[!.]*.yaml", "documents/[!.]*.md"):
        for path in sorted(folder.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
