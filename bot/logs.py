"""Structured logs: facts and ids, never message texts or secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from bot.config.models import Log

__all__ = ["set_up_logs"]

FORBIDDEN = frozenset(
    {"text", "message_text", "question", "answer", "token", "secret", "password", "body", "raw"}
)
"""Keys that must not be logged; one that slips in is blotted out rather than printed."""

QUIET = (
    "httpx",
    "httpcore",
    "aiohttp.access",
    "asyncio",
    "watchfiles",
    "jieba",
    "nats",
    "alembic",
    "telegram",
    "aiosqlite",
    "sqlalchemy",
)
"""Libraries whose INFO lines may carry tokens or texts (httpx logs a Telegram token in its URL)."""


IDENTITIES = frozenset({"event_id", "correlation", "correlation_id", "conversation", "chat", "reference"})
"""Values that name a thing and may look like somebody's number; they aren't masked."""


def set_up_logs(settings: Log, mask: Any = None) -> None:
    """Send all logs to standard error in the form that `log.format` names.

    Args:
        mask: a structlog processor that masks personal data in all values.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _blot,
    ]
    json = settings.format == "json"
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        # Not rich's tracebacks: they print every frame's variables, messages and secrets among them.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    masks = [] if mask is None else [mask]
    # Tracebacks become text before the mask: an error may quote what it choked on.
    finish = [structlog.processors.format_exc_info, *masks, renderer]
    structlog.configure(
        processors=[*shared, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _blot(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in FORBIDDEN & event.keys():
        event[key] = "[not logged]"
    return event
