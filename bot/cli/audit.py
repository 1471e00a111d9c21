"""`teller audit`: the record; has anybody touched it?"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from sqlalchemy import Connection

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, ends_cleanly, fail, open_config, run_async, say_line
from bot.cli.custody import ByOption, approvals, now, opened
from bot.config import LiveConfig
from bot.store.audit import BrokenHead, Finding
from bot.store.audit_export import Selection, lines, verify_lines
from bot.trust.keyring import find_keys

__all__ = ["app"]

app = typer.Typer(help="The record: verify and export it.", no_args_is_help=True)


@app.command()
def verify(
    config: ConfigOption = DEFAULT_CONFIG,
    file: Annotated[
        Path | None, typer.Option("--file", help="Check an export instead; needs the keyring only.")
    ] = None,
) -> None:
    """Walk the chain. Exit code 1 if an entry was edited, removed, inserted or moved; names the first."""
    live = open_config(config)
    finding = run_async(_verify(live)) if file is None else _verify_file(live, file)
    if not finding.ok:
        raise fail(f"WRONG: {finding.what} ({finding.entries} entries before it are right)")
    say_line(f"ok: {finding.entries} entries, none touched")


async def _verify(live: LiveConfig) -> Finding:
    async with opened(live) as (store, _):
        return await store.verify_audit()


def _verify_file(live: LiveConfig, file: Path) -> Finding:
    with ends_cleanly():
        key = find_keys(live.current.keyring_path).load().audit
    try:
        with file.open("rb") as source:
            return verify_lines(iter(source), key)
    except OSError as error:
        raise fail(f"{file}: {error.strerror}", 2) from None


@app.command()
def export(
    by: ByOption = "",
    since: Annotated[str, typer.Option(help="From this day or time on (ISO 8601, UTC).")] = "",
    until: Annotated[str, typer.Option(help="Before this day or time.")] = "",
    conversation: Annotated[str, typer.Option(help="Only this conversation's key.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="The file; default: standard output.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write entries as JSON lines with a signed trailer; `teller audit verify --file` checks them."""
    live = open_config(config)
    selection = Selection(_time(since, "--since"), _time(until, "--until"), conversation)
    run_async(_export(live, selection, by, out))


async def _export(live: LiveConfig, selection: Selection, by: str, out: Path | None) -> None:
    staff = approvals(live)
    if staff.roster is not None and staff.roster.present:
        staff.require("audit.read", by)
    async with opened(live) as (store, _):
        data = {"by": by, "since": selection.since, "until": selection.until}
        await store.note_audit("audit.exported", data, now=now(), conversation=selection.conversation)
        with ExitStack() as stack:
            try:
                target = sys.stdout.buffer if out is None else stack.enter_context(out.open("wb"))
            except OSError as error:
                raise fail(f"{out}: {error.strerror}", 2) from None
            try:
                number = await store.read(lambda c: _write(c, store.keys.ring.audit, selection, target))
            except BrokenHead as error:
                raise fail(f"WRONG: {error}; `teller audit verify` says more") from None
    if out is not None:
        say_line(f"{number} entries in {out}")


def _write(connection: Connection, key: bytes, selection: Selection, target: BinaryIO) -> int:
    number = 0
    for line in lines(connection, key, selection):
        target.write(line + b"\n")
        number += 1
    target.flush()
    return number - 1


def _time(text: str, option: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise fail(f"{option} {text!r} is no time; write 2026-07-01 or 2026-07-01T08:00:00Z", 2) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
