"""What the two databases say differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["insert_or_ignore"]


def insert_or_ignore(connection: Connection, table: Any, values: dict[str, Any]) -> Any:
    """`INSERT … ON CONFLICT DO NOTHING`, in either dialect."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).values(values).on_conflict_do_nothing()
