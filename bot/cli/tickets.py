"""`teller tickets`: the cases that wait for a person."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from bot.cli.common import (
    DEFAULT_CONFIG,
    ConfigOption,
    ends_cleanly,
    fail,
    open_config,
    open_store,
    run_async,
    say_line,
)
from bot.config import LiveConfig
from bot.tickets import numbers
from bot.tickets.notice import department_name, reason_name
from bot.tickets.ticket import DEPARTMENTS

__all__ = ["app"]

app = typer.Typer(help="Cases that wait for a person.", no_args_is_help=True)


@app.command("list")
def list_tickets(
    config: ConfigOption = DEFAULT_CONFIG,
    department: Annotated[str, typer.Option(help="Only this department's.")] = "",
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only unclaimed ones past their deadline.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Resolved and closed ones too.")] = False,
) -> None:
    """List tickets, the most urgent first."""
    if department and department not in DEPARTMENTS:
        raise fail(f"there is no department {department!r}; one of {', '.join(DEPARTMENTS)}", 2)
    run_async(_list(open_config(config), department, overdue, every))


async def _list(live: LiveConfig, department: str, overdue: bool, every: bool) -> None:
    now = time.time()
    store = await open_store(live)
    try:
        found = await store.tickets(every=every, department=department, overdue_at=now if overdue else None)
    finally:
        await store.close()
    for ticket in found:
        late = " LATE" if ticket.overdue(now) else ""
        say_line(
            f"{ticket.number}  {ticket.severity}  {ticket.status:<8} {ticket.department:<19} "
            f"due {_local(live, ticket.due)}{late}  {reason_name(ticket.reason, 'en')}"
        )
    if not found:
        say_line("no ticket waits" if not every else "there is no ticket")


@app.command()
def show(number: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show one ticket with its history. The summary is masked."""
    with ends_cleanly():
        known = numbers.parse(number)
    run_async(_show(open_config(config), known))


async def _show(live: LiveConfig, number: str) -> None:
    store = await open_store(live)
    try:
        found = await store.ticket(number)
    finally:
        await store.close()
    if found is None:
        raise fail(f"there is no ticket {number}; `teller tickets list --all` shows what there is")
    ticket, history = found
    lines = [
        ("ticket", ticket.number),
        ("severity", ticket.severity),
        ("status", ticket.status + (f" by {ticket.owner}" if ticket.owner else "")),
        ("department", department_name(ticket.department, "en")),
        ("reason", reason_name(ticket.reason, "en")),
        ("opened", _local(live, ticket.opened_at)),
        ("due", _local(live, ticket.due)),
        ("conversation", ticket.conversation.key),
    ]
    if ticket.complaint_due is not None:
        lines.append(("complaint due", _local(live, ticket.complaint_due - 60)))
    for name, value in lines:
        say_line(f"{name:<14}{value}")
    say_line()
    say_line(ticket.summary or "(no summary)")
    say_line()
    for change in history:
        facts = " ".join(f"{key}={value}" for key, value in change.data.items() if key != "due")
        say_line(f"{_local(live, change.at)}  {change.kind:<12}{change.by or 'Teller'}  {facts}")


def _local(live: LiveConfig, moment: float) -> str:
    """In the bank's time."""
    return f"{datetime.fromtimestamp(moment, UTC).astimezone(live.current.staff.base.zone):%Y-%m-%d %H:%M}"
