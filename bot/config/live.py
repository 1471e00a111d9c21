"""The configuration in force: loaded, swapped whole on a good change, kept on a bad one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
from watchfiles import awatch

from bot.config.disclaimers import Disclaimers, load_disclaimers
from bot.config.models import Config
from bot.config.secrets import resolve
from bot.config.source import load_yaml, parse
from bot.config.staff import Staff, load_staff

__all__ = ["LiveConfig", "Loaded", "load"]

log = structlog.get_logger(__name__)

NEEDS_RESTART = (
    "bank", "server", "store", "bus", "platforms", "knowledge", "risk", "inference", "log", "data_dir",
    "trust", "suitability",
)  # fmt: skip
"""Sections that are wired up once, wholly or in part (the web page shows the bank's name and its
suggestions of the start); a change in them says that it waits for the next start."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One version of the configuration."""

    config: Config
    path: Path
    version: str
    """First 12 hex digits of the file's SHA-256."""
    staff: Staff = field(default_factory=Staff)
    """The staff file that belongs to it."""
    disclaimers: Disclaimers = field(default_factory=Disclaimers)
    """What must stand under answers; `disclaimers.yaml` beside the file, if it is there."""

    def resolve(self, path: Path) -> Path:
        """A path from the file, relative to the file."""
        return path if path.is_absolute() else (self.path.parent / path).resolve()

    @property
    def knowledge_path(self) -> Path:
        return self.resolve(self.config.knowledge.path)

    @property
    def disclaimers_path(self) -> Path:
        return self.path.parent / "disclaimers.yaml"

    @property
    def rules_path(self) -> Path:
        return self.resolve(self.config.risk.path)

    @property
    def data_dir(self) -> Path:
        return self.resolve(self.config.data_dir)

    @property
    def keyring_path(self) -> Path:
        """Where the keyring's file is or will be, if it isn't in the environment."""
        given = self.config.trust.keyring
        return self.data_dir / "keyring.json" if given is None else self.resolve(given)

    @property
    def store_url(self) -> str:
        """The store's URL with an SQLite path made absolute."""
        url = self.config.store.url
        if not url.startswith("sqlite:///"):
            return url
        return "sqlite:///" + str(self.resolve(Path(url.removeprefix("sqlite:///"))))


def load(path: Path, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read and validate `teller.yaml`.

    Raises:
        ConfigError: with file, line and what to write instead.
    """
    path = path.resolve()
    document = load_yaml(path)
    config = parse(resolve(document, environment), Config)
    named = "staff" in config.model_fields_set
    staff = load_staff((path.parent / config.staff).resolve(), config, required=named)
    loaded = Loaded(config, path, document.digest[:12], staff)
    if loaded.disclaimers_path.exists():
        loaded = replace(loaded, disclaimers=load_disclaimers(loaded.disclaimers_path))
    return loaded


class LiveConfig:
    """Holds the active version and replaces it when the file changes.

    Readers take `current` once per piece of work, so no turn sees half a change.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.current = loaded
        self.error = ""
        """Why the newest file isn't in force; empty when it is."""

    @property
    def config(self) -> Config:
        return self.current.config

    def reload(self) -> bool:
        """Read the file again. False (and the last good version stays) if it is wrong."""
        try:
            loaded = load(self.current.path)
        except Exception as error:  # whatever is wrong with the new file, the old version works on
            self.error = str(error)
            log.error("config.refused", error=self.error, still_active=self.current.version)
            return False
        self.error = ""
        if loaded.version == self.current.version and loaded != self.current:
            before, self.current = self.current, loaded
            if loaded.staff != before.staff:
                log.info("staff.active", people=len(loaded.staff.file.people))
            if loaded.disclaimers != before.disclaimers:
                log.info("disclaimers.active", version=loaded.disclaimers.version)
        elif loaded.version != self.current.version:
            before, self.current = self.current, loaded
            waiting = [
                name for name in NEEDS_RESTART if getattr(before.config, name) != getattr(loaded.config, name)
            ]
            log.info("config.active", version=loaded.version, was=before.version)
            if waiting:
                log.warning("config.needs_restart", sections=waiting)
        return True

    async def watch(self, folders: Mapping[Path, Callable[[], Awaitable[None]]], stop: asyncio.Event) -> None:
        """Follow changes of the file, and of what lies beside it, until `stop` is set.

        Args:
            folders: what to call when something in a folder (or that file) has changed.
        """
        folder = self.current.path.parent
        async for changes in awatch(folder, stop_event=stop, debounce=200, step=50, recursive=True):
            paths = [Path(name) for _, name in changes]
            beside = {self.current.path, self.current.disclaimers_path, *self.current.staff.paths}
            if not beside.isdisjoint(paths):
                self.reload()
            for changed, call in folders.items():
                if any(path.is_relative_to(changed) for path in paths):
                    await call()
