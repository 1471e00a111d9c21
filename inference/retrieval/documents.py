"""Markdown documents, cut into sections that can be cited."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from pydantic import BaseModel, ConfigDict

from bot.config.source import parse, parse_text
from bot.errors import ConfigError, Problem
from bot.types import Language

__all__ = ["FrontMatter", "Section", "load_sections"]

LONGEST = 500
"""Characters of a passage above which a section is split; English counts a third (see `_length`)."""

_NAME = re.compile(r"(?P<id>[a-z0-9][a-z0-9_-]*)\.(?P<language>[a-z]{2})\.md")
_FRONT = re.compile(r"\A---\n(?P<yaml>.*?)^---\n", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(?P<level>#{1,6}) +(?P<title>.+?) *#*$", re.MULTILINE)
_ANCHOR = re.compile(r" *\{#(?P<slug>[\w-]+)\}$")
_BOUNDARY = re.compile(r"\n{2,}|\n(?=(?:[-*+]|\d+[.、)]) *)")


class FrontMatter(BaseModel):
    """What stands between the `---` lines at a document's start."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    id: str = ""
    topic: str = ""
    language: str = ""
    version: str | int | float = ""
    updated: str = ""
    effective: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A citable piece of a document."""

    id: str
    """`document-id#slug`."""
    language: Language
    path: tuple[str, ...]
    """Titles from the document down to this section."""
    text: str
    topic: str = ""


def load_sections(path: Path) -> tuple[Section, ...]:
    """Read `ID.LANG.md` and cut it at its headings.

    Raises:
        ConfigError: a name that isn't `ID.zh.md` or `ID.en.md`, or front matter that is missing or wrong.
    """
    name = _NAME.fullmatch(path.name)
    if name is None or name["language"] not in get_args(Language):
        raise ConfigError(
            [Problem(str(path), 0, "name a document ID.zh.md or ID.en.md, its id in lower case")]
        )
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    front = _FRONT.match(text)
    if front is None:
        raise ConfigError(
            [Problem(str(path), 1, "begin with front matter: a line ---, a title: …, a line ---")]
        )
    # The opening line is kept as a YAML document mark, so that line numbers are the file's own.
    meta = parse(parse_text("---\n" + front["yaml"], path), FrontMatter)
    identifier, language = meta.id or name["id"], cast(Language, name["language"])
    sections: list[Section] = []
    taken: set[str] = set()
    for titles, slug, body in _sections(text[front.end() :], meta.title):
        for number, piece in enumerate(_split(body), start=1):
            unique = _unique(slug if number == 1 else f"{slug}-{number}", taken)
            sections.append(Section(f"{identifier}#{unique}", language, titles, piece, meta.topic))
    return tuple(sections)


def _sections(text: str, title: str) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """(title path, slug, body) of every heading that has a body of its own."""
    headings = list(_HEADING.finditer(text))
    lead = text[: headings[0].start() if headings else len(text)].strip()
    if lead:
        yield (title,), "top", lead
    path: list[tuple[int, str]] = []
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        level, name = len(heading["level"]), heading["title"]
        anchor = _ANCHOR.search(name)
        name = _ANCHOR.sub("", name)
        path = [(above, other) for above, other in path if above < level] + [(level, name)]
        body = text[heading.end() : following.start() if following else len(text)].strip()
        if body:
            titles = (title, *(other for _, other in path if other != title))
            yield titles, anchor["slug"] if anchor else _slug(name), body


def _slug(title: str) -> str:
    """As GitHub makes anchors: lower case, word characters of any script, hyphens."""
    return re.sub(r"[\s_-]+", "-", re.sub(r"[^\w\s-]", "", title.lower())).strip("-") or "section"


def _unique(slug: str, taken: set[str]) -> str:
    candidate, number = slug, 2
    while candidate in taken:
        candidate, number = f"{slug}-{number}", number + 1
    taken.add(candidate)
    return candidate


def _length(text: str) -> int:
    """Length in Chinese-character equivalents: a character of another script says about a third."""
    wide = sum(1 for character in text if character > "\u2e7f")
    return wide + (len(text) - wide) // 3


def _split(body: str) -> Iterator[str]:
    """Pieces of at most about `LONGEST`, cut only between paragraphs or list items."""
    piece = ""
    start = 0
    cuts = [match.start() for match in _BOUNDARY.finditer(body)] + [len(body)]
    for cut in cuts:
        block = body[start:cut]
        if piece and _length(piece) + _length(block) > LONGEST:
            yield piece.strip()
            piece = ""
        piece += block
        start = cut
    if piece.strip():
        yield piece.strip()
