"""Profiles: what is on file about a customer's age, risk level and tests; sealed, one row a subject."""

from __future__ import annotations

import msgspec
import structlog
from sqlalchemy import Connection, insert, select, update

from bot.errors import SealBroken
from bot.store.schema import profiles
from bot.store.subjects import DataKeys
from bot.suitability.profile import Profile, ProfileChange, merge
from bot.types import decode, encode

__all__ = ["apply", "get", "used"]

log = structlog.get_logger(__name__)

DAY_S = 86400.0


def get(connection: Connection, keys: DataKeys, whose: str) -> Profile:
    """The profile of a subject; an empty one for a stranger, and where the row was tampered with: a customer
    whose profile can't be read must be answered all the same."""
    row = connection.execute(select(profiles).where(profiles.c.whose == whose)).first()
    if row is None:
        return Profile()
    try:
        return decode(keys.open(connection, row.subject, "profiles", "data", whose, row.data), Profile)
    except (msgspec.DecodeError, SealBroken) as error:
        log.error("profile.unreadable", reason=str(error))
        return Profile()


def apply(connection: Connection, keys: DataKeys, change: ProfileChange, now: float) -> None:
    """Merge a change into what is on file; twice is as once."""
    whose = change.subject
    row = connection.execute(
        select(profiles.c.whose).where(profiles.c.whose == whose).with_for_update()
    ).first()
    changed = merge(get(connection, keys, whose), change)
    seal = keys.of(connection, whose)
    values = {
        "data": seal.seal("profiles", "data", whose, encode(changed.stored()).decode()),
        "subject": seal.id,
        "updated_at": now,
    }
    if row is None:
        connection.execute(insert(profiles).values(whose=whose, **values))
    else:
        connection.execute(update(profiles).where(profiles.c.whose == whose).values(values))


def used(connection: Connection, whose: str, now: float) -> None:
    """Note, to the day, that a subject was here: retention spares the profiles of those who still come."""
    seen = update(profiles).where(profiles.c.whose == whose, profiles.c.updated_at < now - DAY_S)
    connection.execute(seen.values(updated_at=now))
