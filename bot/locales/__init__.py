"""What Teller says to customers, by key and language. Staff and operators read English."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bot.config.source import load_yaml
from bot.types import Language

__all__ = ["LANGUAGES", "catalogue", "say"]

LANGUAGES: tuple[Language, ...] = ("zh", "en")


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """All texts of one language."""
    data: Mapping[str, str] = load_yaml(Path(__file__).parent / f"{language}.yaml").data
    return data


def say(key: str, language: Language, **values: object) -> str:
    """The text `key` with its `{placeholders}` filled in."""
    return catalogue(language)[key].format(**values)
