"""`teller keys`: the keyring, its rotation, and sealing what is still in clear."""

from __future__ import annotations

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, open_config, run_async, say_line
from bot.cli.custody import ByOption, approvals, now, opened
from bot.config import LiveConfig

__all__ = ["app"]

app = typer.Typer(help="Keys: which are in force, rotating them.", no_args_is_help=True)


@app.command()
def status(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show the master key versions and how many data keys each wraps. Never shows a key."""
    run_async(_status(open_config(config)))


async def _status(live: LiveConfig) -> None:
    async with opened(live) as (_, custody):
        found = await custody.key_status()
    say_line(f"keyring: {found.source}")
    for version, number in found.in_use.items():
        note = "current" if version == found.current else "in use" if number else "can be removed"
        say_line(f"master key {version}: wraps {number} data keys ({note})")
    say_line("sealed: everything" if found.sealed else "sealed: not all yet; run `teller keys seal`")


@app.command()
def rotate(by: ByOption = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Add a master key version and wrap all data keys by it. Teller may go on running."""
    run_async(_rotate(open_config(config), by))


async def _rotate(live: LiveConfig, by: str) -> None:
    _may(live, by)
    async with opened(live) as (_, custody):
        number = await custody.rotate(by=by, now=now())
        found = await custody.key_status()
    say_line(f"master key {found.current} is current; {number} data keys were rewrapped")
    say_line("back the keyring up now: without it nothing that is sealed can be read")


@app.command()
def rewrap(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Finish an interrupted rotation, or one that began in TELLER_KEYRING."""
    run_async(_rewrap(open_config(config)))


async def _rewrap(live: LiveConfig) -> None:
    async with opened(live) as (_, custody):
        say_line(f"{await custody.rewrap()} data keys were rewrapped")


@app.command()
def remove(version: int, by: ByOption = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Forget an old master key version that wraps nothing any more."""
    run_async(_remove(open_config(config), version, by))


async def _remove(live: LiveConfig, version: int, by: str) -> None:
    _may(live, by)
    async with opened(live) as (_, custody):
        await custody.remove_master(version, by=by, now=now())
    say_line(f"master key {version} is gone from the keyring")


@app.command()
def seal(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Seal what versions before sealing left in clear. Can be interrupted and run again."""
    run_async(_seal(open_config(config)))


async def _seal(live: LiveConfig) -> None:
    async with opened(live) as (_, custody):
        say_line(f"{await custody.seal_all()} rows were sealed; nothing is left in clear")


def _may(live: LiveConfig, by: str) -> None:
    """Where the staff file names people, the keys are for those whose role says so."""
    staff = approvals(live)
    if staff.roster is not None and staff.roster.present:
        staff.require("keys.rotate", by)
