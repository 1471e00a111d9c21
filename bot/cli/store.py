"""`teller db`: the database."""

from __future__ import annotations

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, open_config, run_async, say_line
from bot.cli.custody import opened
from bot.config import LiveConfig

__all__ = ["app"]

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def database() -> None:
    """The database."""


@app.command()
def upgrade(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Create the tables, or bring them up to date. `teller run` does this by itself."""
    run_async(_upgrade(open_config(config)))


async def _upgrade(live: LiveConfig) -> None:
    async with opened(live) as (_, custody):
        sealed = await custody.seal_all()
    say_line("the database is up to date")
    if sealed:
        say_line(f"{sealed} rows from before sealing were sealed")
