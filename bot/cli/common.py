"""What the commands share: where the configuration is, how errors end, how async work runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from bot.config import LiveConfig, load
from bot.errors import ConfigError, TellerError
from bot.store import Store
from bot.trust.keyring import find_keys

__all__ = [
    "ConfigOption",
    "ends_cleanly",
    "fail",
    "need",
    "open_config",
    "open_store",
    "run_async",
    "say_line",
]

T = TypeVar("T")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="TELLER_CONFIG", help="The configuration file.")
]
DEFAULT_CONFIG = Path("config/teller.yaml")


def say_line(text: str = "") -> None:
    """One line on standard output."""
    sys.stdout.write(text + "\n")


def fail(message: str, code: int = 1) -> typer.Exit:
    sys.stderr.write(message.rstrip() + "\n")
    return typer.Exit(code)


def need(*packages: str) -> None:
    """A clear word where packages for training are missing."""
    if missing := [name for name in packages if find_spec(name) is None]:
        raise fail(f"training needs {', '.join(missing)}: `make setup` installs them")


@contextmanager
def ends_cleanly() -> Iterator[None]:
    """Turn Teller's own errors into one message and an exit code: 2 for wrong files, else 1."""
    try:
        yield
    except ConfigError as error:
        raise fail(str(error), 2) from None
    except TellerError as error:
        raise fail(str(error), 1) from None


def open_config(path: Path) -> LiveConfig:
    """Load the configuration or end with exit code 2."""
    with ends_cleanly():
        return LiveConfig(load(path))


async def open_store(live: LiveConfig) -> Store:
    """The configured store, with the configured keyring; the caller closes it."""
    return await Store.open(live.current.store_url, keys=find_keys(live.current.keyring_path))


def run_async(work: Coroutine[Any, Any, T]) -> T:
    with ends_cleanly():
        try:
            return asyncio.run(work)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
