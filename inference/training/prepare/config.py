"""The file that `teller train prepare` is given (`config/train/prepare.yaml` is an example)."""

from __future__ import annotations

import glob
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, PrivateAttr, model_validator

from bot.config.section import Positive, Section, Share
from bot.config.source import Document, load_yaml, parse
from bot.errors import ConfigError, Problem

__all__ = [
    "Cleaning",
    "Format",
    "Input",
    "Limits",
    "NearDuplicates",
    "PrepareConfig",
    "Roles",
    "SplitSettings",
    "load_prepare_config",
]

Format = Literal["jsonl", "csv", "text"]
FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "text",
    ".log": "text",
}
"""By the file's ending, in lower case."""


def _pattern(written: str) -> str:
    try:
        found = re.compile(written)
    except re.error as error:
        raise ValueError(
            f"isn't a regular expression ({error}); mend it or escape its special signs"
        ) from None
    if found.match(""):
        raise ValueError("matches the empty text; say what must stand there")
    return written


def _bad_rows(value: object) -> int | float:
    said = "write a count (0, 20) or a share below 1 (0.01)"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(said)
    if value < 0 or (isinstance(value, float) and not value < 1):
        raise ValueError(said)
    return value


T = TypeVar("T")
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
RoleName = Annotated[str, Field(min_length=1, max_length=40)]


class Input(Section):
    """Files to read. A bare string in the list stands for `files`."""

    files: str = Field(min_length=1)
    """A glob, relative to the configuration file; `**` goes into folders."""
    format: Format | None = None
    """Left out: by the file's ending."""
    blank_line_ends: bool = True
    """Plain text: whether a blank line ends a conversation. If not, only a line of dashes does."""


class Limits(Section):
    """What a conversation may measure, in characters and turns after cleaning."""

    min_chars: Annotated[int, Field(ge=1)] = 4
    """Of the customer's turns together, and of the counter's."""
    max_chars: Positive = 8000
    """Of the whole conversation."""
    max_turns: Annotated[int, Field(ge=2)] = 60


class Cleaning(Section):
    urls: Literal["remove", "keep"] = "remove"
    boilerplate: tuple[Pattern, ...] = ()
    """Regular expressions; what they match is cut out of a turn (`^` and `$` are a line's ends)."""


class Roles(Section):
    """Names of speakers beside the usual ones."""

    customer: tuple[RoleName, ...] = ()
    counter: tuple[RoleName, ...] = ()
    ignored: tuple[RoleName, ...] = ()


class NearDuplicates(Section):
    """Jaccard similarity of two conversations' character shingles."""

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.85
    """From here up the later one is dropped."""
    sibling: Annotated[float, Field(gt=0, le=1)] = 0.7
    """From here up two that are both kept go to the same split."""
    shingle: Annotated[int, Field(ge=2, le=12)] = 4
    """Characters a shingle."""

    @model_validator(mode="after")
    def _siblings_are_less_alike(self) -> Self:
        if self.sibling > self.threshold:
            raise ValueError("sibling must not be above threshold: lower sibling or raise threshold")
        return self


class SplitSettings(Section):
    train: Share = 0.9
    dev: Share = 0.05
    test: Share = 0.05
    by: Literal["content", "id"] = "content"
    """What is hashed: the masked words, or the id that the file gives."""

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        if not math.isclose(self.train + self.dev + self.test, 1, abs_tol=1e-6):
            raise ValueError(f"train, dev and test must sum to 1, not {self.train + self.dev + self.test:g}")
        if self.train == 0:
            raise ValueError("train must be above 0: there would be nothing to train on")
        return self


def _some(listed: tuple[T, ...]) -> tuple[T, ...]:
    if not listed:
        raise ValueError("is empty; list at least one")
    return listed


def _as_input(value: object) -> object:
    return {"files": value} if isinstance(value, str) else value


class PrepareConfig(Section):
    inputs: Annotated[tuple[Annotated[Input, BeforeValidator(_as_input)], ...], AfterValidator(_some)]
    out: Path
    """Folder for what is written, relative to the configuration file."""
    max_bad_rows: Annotated[int | float, PlainValidator(_bad_rows)] = 0.01
    """How many bad rows may be skipped: a whole number is a count, a fraction a share of the rows read."""
    seed: int = 7
    languages: Annotated[tuple[Literal["zh", "en", "other"], ...], AfterValidator(_some)] = ("zh", "en")
    limits: Limits = Limits()
    clean: Cleaning = Cleaning()
    roles: Roles = Roles()
    near_duplicates: NearDuplicates = NearDuplicates()
    split: SplitSettings = SplitSettings()
    _folder: Path = PrivateAttr(Path())

    @property
    def folder(self) -> Path:
        """Where the configuration file stands."""
        return self._folder

    def files(self) -> Iterator[tuple[Path, Input]]:
        """Each input file once, with the first entry that names it; sorted within an entry."""
        seen: set[Path] = set()
        for entry in self.inputs:
            for path in _matches(self.folder, entry.files):
                if path.resolve() not in seen:
                    seen.add(path.resolve())
                    yield path, entry


def load_prepare_config(path: Path) -> PrepareConfig:
    """Read a configuration; its paths are taken relative to it.

    Raises:
        ConfigError: a value is wrong, or an entry of `inputs` names no file that can be read.
    """
    document = load_yaml(path)
    config = parse(document, PrepareConfig)
    folder = path.parent
    out = (folder / config.out).resolve()
    problems = list(_input_problems(document, config, folder, out))
    if out.exists() and not out.is_dir():
        problems.append(document.problem(("out",), f"{config.out} is a file; name a folder"))
    if problems:
        raise ConfigError(problems)
    config = config.model_copy(update={"out": out})
    config._folder = folder
    return config


def _input_problems(document: Document, config: PrepareConfig, folder: Path, out: Path) -> Iterator[Problem]:
    for n, entry in enumerate(config.inputs):
        paths = _matches(folder, entry.files)
        if not paths:
            yield document.problem(("inputs", n), f"no file matches {entry.files!r} (looked from {folder}/)")
        for path in paths:
            if out in path.resolve().parents:
                yield document.problem(
                    ("inputs", n), f"{path} stands in the folder that is written to; choose another `out`"
                )
                break
            if entry.format is None and path.suffix.lower() not in FORMATS:
                known = ", ".join(FORMATS)
                yield document.problem(
                    ("inputs", n), f"{path} ends in none of {known}: give the entry a `format`"
                )
                break


def _matches(folder: Path, pattern: str) -> list[Path]:
    found = (folder / name for name in glob.glob(pattern, root_dir=folder, recursive=True))
    return sorted(path for path in found if path.is_file())
