"""`teller dlq`: what failed too often, and trying it again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, fail, open_config, open_store, run_async, say_line
from bot.config import LiveConfig

__all__ = ["app"]

app = typer.Typer(help="Dead letters: what failed too often.", no_args_is_help=True)


@app.command("list")
def list_letters(
    config: ConfigOption = DEFAULT_CONFIG,
    every: Annotated[bool, typer.Option("--all", help="Retried ones too.")] = False,
) -> None:
    """List dead letters, newest first."""
    run_async(_list(open_config(config), every))


async def _list(live: LiveConfig, every: bool) -> None:
    store = await open_store(live)
    for letter in await store.letters(every=every):
        at = datetime.fromtimestamp(letter.at, UTC).isoformat(timespec="seconds")
        say_line(
            f"{letter.id:>6}  {letter.status:<8} {letter.kind:<8} {at}  "
            f"{letter.conversation}  {letter.reason}"
        )
    await store.close()


@app.command()
def show(id: int, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show one dead letter with its content."""
    run_async(_show(open_config(config), id))


async def _show(live: LiveConfig, id: int) -> None:
    store = await open_store(live)
    letter = await store.letter(id)
    await store.close()
    if letter is None:
        raise fail(f"there is no dead letter {id}; `teller dlq list --all` shows what there is")
    say_line(f"{letter.kind} of {letter.conversation}: {letter.reason}")
    say_line(letter.content)


@app.command()
def retry(id: int, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Put a dead letter back into its queue, at its old place."""
    run_async(_retry(open_config(config), id))


async def _retry(live: LiveConfig, id: int) -> None:
    store = await open_store(live)
    done = await store.retry_letter(id)
    await store.close()
    if not done:
        raise fail(f"there is no open dead letter {id}; `teller dlq list` shows them")
    say_line(f"dead letter {id} is queued again")
