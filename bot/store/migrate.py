"""Bring a database's tables up to date, with Alembic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.errors import StoreError
from bot.store.engine import store_errors
from bot.store.schema import HEAD

__all__ = ["MIGRATIONS", "upgrade"]

MIGRATIONS = Path(__file__).parent / "migrations"


async def upgrade(engine: AsyncEngine, then: Callable[[Connection], None]) -> None:
    """Run the migrations that are missing, and `then`, in one transaction; at once where none is.

    Raises:
        StoreBusy: the database can't be reached.
        StoreError: the database is newer than this program.
    """
    with store_errors():
        async with engine.execution_options(writes=True).begin() as connection:
            await connection.run_sync(_upgrade, then)


def _upgrade(connection: Connection, then: Callable[[Connection], None]) -> None:
    if connection.dialect.name == "postgresql":
        # Two processes that start together must not both create the tables.
        connection.execute(text("SELECT pg_advisory_xact_lock(7253501)"))
    found = _version(connection)
    if found != HEAD:
        _migrate(connection, found)
    then(connection)


def _migrate(connection: Connection, found: str | None) -> None:
    # Alembic takes a while to import; most starts don't need it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(f"the database is at revision {found}, newer than this program knows; update Teller")
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if version is None else str(version)
