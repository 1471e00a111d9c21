"""What became of a turn's tickets, for the log and the metrics."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.metrics import Metrics
from bot.tickets.ticket import Committed

__all__ = ["report"]

log = structlog.get_logger(__name__)


def report(done: Sequence[Committed], metrics: Metrics) -> None:
    """Count and log. A ticket that no channel was told of is a warning: only the store knows of it."""
    for one in done:
        ticket = one.ticket
        metrics.tickets.labels(ticket.department, ticket.severity, one.outcome).inc()
        facts = {"ticket": ticket.number, "department": ticket.department, "severity": ticket.severity}
        log.info(f"ticket.{one.outcome}", **facts)
        if not one.posted and one.outcome != "repeated":
            metrics.tickets_unposted.labels(ticket.department).inc()
            log.warning(
                "ticket.unposted", **facts, note="give the department, or `default`, a channel in staff.yaml"
            )
