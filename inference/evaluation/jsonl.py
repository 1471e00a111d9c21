"""Labelled rows from JSONL: one way of reading, and of naming the lines that can't be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bot.errors import ConfigError, Problem

__all__ = ["Fields", "read_rows", "without_nulls"]

Fields = dict[str, Any]
Row = TypeVar("Row")
MOST_PROBLEMS = 20
"""After so many bad lines the rest isn't read."""


def read_rows(path: Path, parse: Callable[[Fields], Row]) -> list[Row]:
    """The rows of a UTF-8 file, one JSON object a line; blank lines are passed over.

    Args:
        parse: makes a row of an object; its ValueError says what is wrong with it.

    Raises:
        ConfigError: the file can't be read, or lines can't; each with its number.
    """
    try:
        # Not splitlines(): a JSON string may hold U+2028 and its like as they are.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), 0, f"can't be read as UTF-8 text: {error}")]) from None
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(parse(_fields(line)))
        except ValueError as error:
            problems.append(Problem(str(path), number, str(error)))
            if len(problems) == MOST_PROBLEMS:
                break
    if problems:
        raise ConfigError(problems)
    return rows


def without_nulls(fields: Fields) -> Fields:
    """The fields that aren't null, so that a null is as good as a missing one."""
    return {name: value for name, value in fields.items() if value is not None}


def _fields(line: str) -> Fields:
    try:
        return msgspec.json.decode(line, type=Fields)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a JSON object: {error}") from None
