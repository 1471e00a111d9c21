"""Knowledge files with the places of their texts, so that a finding can name file and line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from bot.config.source import Document, load_yaml, parse
from bot.errors import Problem
from bot.types import Language
from inference.retrieval.documents import Section, load_sections
from inference.retrieval.knowledge import Entry, EntryFile, Wording

__all__ = ["Chapter", "Placed", "chapters", "entries"]


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry and where it stands."""

    entry: Entry
    document: Document
    index: int

    def problem(self, message: str, *where: str | int) -> Problem:
        """A problem of this entry, at `where` inside it (by default at its id)."""
        return self.document.problem(
            ("entries", self.index, *(where or ("id",))), f"{self.entry.id}: {message}"
        )

    def wordings(self) -> Iterator[tuple[Language, Wording]]:
        languages: tuple[Language, ...] = ("zh", "en")
        for language in languages:
            wording = self.entry.wording(language)
            if wording is not None:
                yield language, wording


@dataclass(frozen=True, slots=True)
class Chapter:
    """The whole text under one heading of a document (passages may be shorter pieces of it)."""

    path: tuple[str, ...]
    text: str
    file: Path
    line: int

    def problem(self, message: str) -> Problem:
        return Problem(
            str(self.file), self.line, f"section {' › '.join(self.path[1:]) or 'top'!s}: {message}"
        )


def entries(folder: Path) -> list[Placed]:
    """All entries of a folder that `load_knowledge` accepts."""
    placed = []
    for path in sorted(folder.glob("entries/[!.]*.yaml")):
        document = load_yaml(path)
        file = parse(document, EntryFile)
        placed += [Placed(entry, document, index) for index, entry in enumerate(file.entries)]
    return placed


def chapters(path: Path) -> list[Chapter]:
    """The sections of one document, pieces of a split section put together again."""
    source = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    found: list[Chapter] = []
    at = 0
    for titles, pieces in groupby(load_sections(path), key=_titles):
        text = "\n".join(piece.text for piece in pieces)
        start = source.find(text.partition("\n")[0], at)
        at = max(at, start)
        found.append(Chapter(titles, text, path, source.count("\n", 0, at) + 1))
    return found


def _titles(section: Section) -> tuple[str, ...]:
    return section.path
