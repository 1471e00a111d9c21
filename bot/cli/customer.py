"""`teller customer` and `teller vault`: one customer's data, for the people who answer for it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, fail, open_config, run_async, say_line
from bot.cli.custody import ByOption, SecondOption, approvals, now, opened
from bot.config import LiveConfig
from bot.store.retention import steps
from bot.trust.vault import Vault

__all__ = ["app", "vault_app"]

app = typer.Typer(help="One customer's data: export, erase, legal hold; retention.", no_args_is_help=True)
vault_app = typer.Typer(help="Personal data that is masked everywhere else.", no_args_is_help=True)

IdArgument = Annotated[
    str, typer.Argument(help="platform:account:sender, or the key of a direct conversation.")
]


@app.command()
def export(
    id: IdArgument,
    by: ByOption = "",
    out: Annotated[Path | None, typer.Option("--out", help="The file; default: standard output.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Everything we hold of a customer, as JSON in clear. The export goes on the record."""
    run_async(_export(open_config(config), id, by, out))


async def _export(live: LiveConfig, id: str, by: str, out: Path | None) -> None:
    approvals(live).require("customer.export", by)
    async with opened(live) as (_, custody):
        found = await custody.export(id, by=by, now=now())
    text = json.dumps(found, ensure_ascii=False, indent=1)
    if out is None:
        say_line(text)
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise fail(f"{out}: {error.strerror}", 2) from None
    say_line(f"{out}: in clear, for nobody's eyes but the customer's")


@app.command()
def erase(
    id: IdArgument, by: ByOption = "", second: SecondOption = "", config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Delete a customer's keys and data. Says what stays, and why. Not under a legal hold."""
    run_async(_erase(open_config(config), id, by, second))


async def _erase(live: LiveConfig, id: str, by: str, second: str) -> None:
    approvals(live).require("customer.erase", by, second)
    async with opened(live) as (_, custody):
        erased = await custody.erase(id, by=by, second=second, now=now())
    for table, number in sorted(erased.rows.items()):
        say_line(f"erased: {number} in {table}")
    for what, number, why in erased.kept:
        say_line(f"stays: {number} {what}: {why}")
    say_line("backups made before now still hold it: they must go when their time is over")


@app.command()
def hold(
    id: IdArgument,
    reason: Annotated[str, typer.Option(help="Which case or order.")] = "",
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
    by: ByOption = "",
    second: SecondOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put a customer under legal hold (nothing of theirs is removed), or end it."""
    if not release and not reason.strip():
        raise fail("say why: --reason TEXT (or --release to end a hold)", 2)
    run_async(_hold(open_config(config), id, reason, release, by, second))


async def _hold(live: LiveConfig, id: str, reason: str, release: bool, by: str, second: str) -> None:
    approvals(live).require("customer.hold", by, second)
    async with opened(live) as (_, custody):
        if release:
            ended = await custody.release(id, by=by, second=second, now=now())
            say_line("the hold has ended" if ended else "there was no hold")
        else:
            await custody.hold(id, reason=reason, by=by, second=second, now=now())
            say_line("held: nothing of this customer's is removed until the hold is released")


@app.command()
def show(id: IdArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """What is known of a customer, without opening anything."""
    run_async(_show(open_config(config), id))


async def _show(live: LiveConfig, id: str) -> None:
    async with opened(live) as (_, custody):
        say_line(json.dumps(await custody.summary(id), ensure_ascii=False, indent=1))


@app.command()
def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is due.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Remove what has been kept long enough. `teller run` does this by itself, once an hour."""
    run_async(_retention(open_config(config), dry_run))


async def _retention(live: LiveConfig, dry_run: bool) -> None:
    async with opened(live) as (store, _):
        for step in steps(live.config.trust.retention, now(), store.keys.ring.audit):
            number = await store.read(step.count) if dry_run else await store.remove_due(step)
            say_line(f"{'due' if dry_run else 'removed'}: {number} {step.name}")


@vault_app.callback()
def vault() -> None:
    """Personal data that is masked everywhere else."""


@vault_app.command(name="list")
def list_vault(id: IdArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """What is kept of a customer, masked: token, kind, and when it was said, the newest first."""
    run_async(_list(open_config(config), id))


async def _list(live: LiveConfig, id: str) -> None:
    async with opened(live) as (_, custody):
        held = await custody.listing(id)
    if not held:
        say_line("nothing in the vault; what is kept is removed after `trust.retention.vault` days")
    for item in held:
        at = datetime.fromtimestamp(item.at, UTC).isoformat(timespec="seconds")
        say_line(f"{item.token}  {item.kind:<12}  {at}  {item.masked}")


@vault_app.command()
def reveal(
    token: str,
    by: ByOption = "",
    role: Annotated[str, typer.Option(help="The role in which you act.")] = "",
    reason: Annotated[str, typer.Option(help="Why you must know.")] = "",
    second: SecondOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show one piece of personal data in clear. Who, in which role and why goes on the record first."""
    live = open_config(config)
    run_async(_reveal(live, token, by, role, reason, second))


async def _reveal(live: LiveConfig, token: str, by: str, role: str, reason: str, second: str) -> None:
    if not role.strip():
        raise fail("say in which role you act: --role ROLE", 2)
    async with opened(live) as (store, _):
        value = await Vault(store, approvals(live), now).reveal(
            token, by=by, role=role, reason=reason, second=second
        )
    say_line(value)
