"""Values that come from outside the files: `${NAME}` from the environment, and `*_file` secrets.

`token: ${SLACK_TOKEN}` takes an environment variable; `${NAME:-text}` has a default. Any key `X` of
a model may instead be given as `X_file: /run/secrets/x`, whose first line is then used. Either way
the value is never logged or repeated in an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.config.source import Document, Where
from bot.errors import ConfigError, Problem

__all__ = ["resolve"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def resolve(document: Document, environment: Mapping[str, str] | None = None) -> Document:
    """The document with `${…}` replaced and `*_file` keys read.

    Raises:
        ConfigError: a variable isn't set, or a secret's file can't be read.
    """
    problems: list[Problem] = []
    data = _resolve(document.data, (), document, os.environ if environment is None else environment, problems)
    if problems:
        raise ConfigError(problems)
    return replace(document, data=data)


def _resolve(
    value: Any, where: Where, document: Document, environment: Mapping[str, str], problems: list[Problem]
) -> Any:
    if isinstance(value, str):
        return _substitute(value, where, document, environment, problems)
    if isinstance(value, list):
        return [_resolve(item, (*where, i), document, environment, problems) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for key, item in value.items():
        resolved = _resolve(item, (*where, key), document, environment, problems)
        if key.endswith("_file") and isinstance(resolved, str):
            name = key.removesuffix("_file")
            if name in value:
                problems.append(
                    document.problem((*where, key), f"both {name!r} and {key!r} are given; keep one")
                )
            result[name] = _read(resolved, (*where, key), document, problems)
        else:
            result[key] = resolved
    return result


def _substitute(
    text: str, where: Where, document: Document, environment: Mapping[str, str], problems: list[Problem]
) -> str:
    def replace(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        value = environment.get(name)
        if value:
            return value
        if default is not None:
            return default
        dotted = ".".join(str(part) for part in where)
        problems.append(
            document.problem(where, f"{dotted} needs the environment variable {name}, which is not set")
        )
        return ""

    return _VARIABLE.sub(replace, text)


def _read(name: str, where: Where, document: Document, problems: list[Problem]) -> str:
    path = Path(name)
    if not path.is_absolute():
        path = document.path.parent / path
    try:
        return path.read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        problems.append(document.problem(where, f"the secret's file {name} can't be read: {reason}"))
        return ""
