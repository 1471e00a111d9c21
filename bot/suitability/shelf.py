"""Questionnaire and products in force: read from the files, swapped on a good change, kept on a bad one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bot.config.live import LiveConfig
from bot.errors import ConfigError
from bot.suitability.products import Shelf
from bot.suitability.products import load as load_products
from bot.suitability.questionnaire import Questionnaire
from bot.suitability.questionnaire import load as load_questionnaire

__all__ = ["EMPTY", "Counter", "LiveCounter", "load_counter"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Counter:
    """What the wealth counter works with. Either may be missing: then that part isn't offered."""

    questionnaire: Questionnaire | None = None
    shelf: Shelf = field(default_factory=Shelf)


EMPTY = Counter()


def load_counter(questionnaire: Path, products: Path) -> Counter:
    """Read both files; one that doesn't exist is left out.

    Raises:
        ConfigError: what is wrong in either, with file and line.
    """
    found, shelf, problems = None, Shelf(), []
    try:
        found = load_questionnaire(questionnaire) if questionnaire.exists() else None
    except ConfigError as error:
        problems += error.problems
    try:
        shelf = load_products(products) if products.exists() else Shelf()
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    return Counter(found, shelf)


class LiveCounter:
    """Holds the version in force."""

    def __init__(self, live: LiveConfig) -> None:
        """Raises ConfigError if a file is wrong at the start."""
        self._live = live
        self.current = load_counter(*self.paths)
        self.error = ""
        """Why the newest files aren't in force; empty when they are."""

    @property
    def paths(self) -> tuple[Path, Path]:
        """(questionnaire, products)."""
        settings, loaded = self._live.config.suitability, self._live.current
        return loaded.resolve(settings.questionnaire), loaded.resolve(settings.products)

    async def reload(self) -> bool:
        """Read again. False (and the last good version stays) if a file is wrong."""
        try:
            found = await asyncio.to_thread(load_counter, *self.paths)
        except Exception as error:  # whatever is wrong with the new files, the old ones work on
            self.error = str(error)
            log.error("products.refused", error=self.error, still_active=self.current.shelf.version)
            return False
        self.error = ""
        if found != self.current:
            self.current = found
            version = found.questionnaire.version if found.questionnaire else ""
            log.info("products.active", version=found.shelf.version, questionnaire=version)
        return True
