"""Engines: SQLite tuned for durability, PostgreSQL as it is; and what their errors mean to us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.errors import StoreBusy

__all__ = ["make_blocking_engine", "make_engine", "store_errors"]

UNAVAILABLE = ("08", "25006", "28", "3D", "53", "57", "58")
"""SQLSTATE classes that say "not now": connection, read-only, login, no such database, out of
resources (a full disk among them), operator intervention (restart), system error."""
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    # A write whose data key was erased meanwhile must fail.
    "foreign_keys=ON",
    # What is deleted is overwritten, so that an erased key can't be dug out of the file.
    "secure_delete=ON",
    "temp_store=MEMORY",
)
BUSY_MS = 4000
"""How long SQLite waits for another process's write before the write is refused as busy."""


def make_engine(url: str, *, busy_ms: int = BUSY_MS) -> AsyncEngine:
    """An async engine for `sqlite:///path` or `postgresql://…`."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(
            parsed.set(drivername="sqlite+aiosqlite"),
            pool_size=4,
            connect_args={"timeout": busy_ms / 1000},
            # Errors are logged, and parameters hold customers' words.
            hide_parameters=True,
        )
        _tune_sqlite(engine.sync_engine)
        return engine
    return create_async_engine(
        parsed.set(drivername="postgresql+asyncpg"),
        pool_size=8,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_timeout=busy_ms / 1000,
        # A host that vanished must not hold the one writer, and with it every intake, for ever.
        connect_args={"timeout": 5, "command_timeout": 10},
    )


def make_blocking_engine(url: str, *, busy_ms: int = BUSY_MS) -> Engine | None:
    """For SQLite an engine that works in the calling thread; None for a server.

    A group of writes, or a read, is then one visit to a thread. Through the async driver every single
    statement would be several, which costs several times the statement itself.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    engine = create_engine(
        parsed.set(drivername="sqlite+pysqlite"),
        connect_args={"timeout": busy_ms / 1000, "check_same_thread": False},
        hide_parameters=True,
    )
    _tune_sqlite(engine)
    return engine


def _tune_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: we begin them, IMMEDIATE for writes.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A deferred transaction that turns into a writer can't wait for the lock: it fails at once.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn "locked", "disk full", "read-only" and "connection lost" into StoreBusy."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, ConnectionError, OSError) as error:
        # 40xxx: a deadlock or serialisation conflict. The database is well; the caller tries again.
        if str(getattr(getattr(error, "orig", None), "sqlstate", "")).startswith("40"):
            raise
        raise StoreBusy(f"the database can't take this now: {_reason(error)}") from error
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", "") or "")
        if error.connection_invalidated or state.startswith(UNAVAILABLE):
            raise StoreBusy(f"the database can't take this now: {_reason(error)}") from error
        raise


def _reason(error: SQLAlchemyError | OSError) -> str:
    """The driver's own words, without the statement and its parameters (they hold messages)."""
    original = getattr(error, "orig", None)
    return str(original if original is not None else error).split("\n", 1)[0]
