"""The outbox: messages decided on and committed, and how far each has got.

    pending ─► attempting ─► sent
       ▲           │ ├─────► refused     the platform said no for good
       │           │ ├─────► withdrawn   staff took over before it went out
       └── later ──┘ └─────► dead        gave up; a dead letter keeps it

A conversation's messages leave strictly in order: only its lowest unfinished one can be claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, select, text, tuple_, update

from bot.errors import SealBroken
from bot.store import audit
from bot.store.dialect import insert_or_ignore
from bot.store.inbox import write_letter
from bot.store.schema import OPEN_SQL, conversations, outbox, subjects
from bot.store.subjects import DataKeys, conversation_subject
from bot.types import OutboundMessage, decode, encode

__all__ = ["Dispatch", "claim", "end_leases", "give_up", "later", "put", "refused", "sent", "subject_of"]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One message in a sender's hands."""

    id: int
    message: OutboundMessage
    tries: int
    """Which attempt this is, from 1; also the fencing token of the attempt."""
    failures: int
    """How many attempts before it failed or were interrupted; being told to wait is no failure."""
    interrupted: bool
    """An earlier attempt began and never reported: it may have been delivered."""
    correlation_id: str = ""
    """Of the event that it answers; empty where it answers none."""


def put(
    connection: Connection,
    keys: DataKeys,
    messages: Sequence[OutboundMessage],
    owner_version: int,
    now: float,
    *,
    correlation_id: str = "",
    subject: str = "",
) -> int:
    """Queue messages; how many were new. One that is there already (same key) is left as it is.

    Args:
        subject: whose data they are, where that isn't the conversation they are sent to.
    """
    new = 0
    for message in messages:
        seal = keys.of(connection, subject or conversation_subject(message.conversation))
        body = encode(message).decode()
        values = {
            "idempotency_key": message.idempotency_key,
            "platform": message.conversation.platform,
            "account": message.conversation.account,
            "conversation": message.conversation.key,
            "message": seal.seal("outbox", "message", message.idempotency_key, body),
            "subject": seal.id,
            "correlation_id": correlation_id,
            "kind": message.kind,
            "owner_version": owner_version,
            "created_at": now,
        }
        new += connection.execute(insert_or_ignore(connection, outbox, values)).rowcount
    return new


def claim(
    connection: Connection,
    keys: DataKeys,
    accounts: Sequence[tuple[str, str]],
    now: float,
    lease_s: float,
    limit: int,
) -> list[Dispatch]:
    """Take up to `limit` messages to send for these (platform, account)s, recording each attempt
    before it is made.

    A message of the bot's whose conversation has changed owner since is withdrawn here, so that a
    late generation never speaks over staff.
    """
    earlier = outbox.alias("earlier")
    blocked = (
        select(1)
        .select_from(earlier)
        .where(
            earlier.c.conversation == outbox.c.conversation,
            earlier.c.id < outbox.c.id,
            text("earlier." + OPEN_SQL),
        )
        .exists()
    )
    ready = (
        select(outbox, conversations.c.owner_version.label("current_version"))
        .join(conversations, conversations.c.key == outbox.c.conversation)
        .where(
            text("outbox." + OPEN_SQL),
            outbox.c.ready_at <= now,
            tuple_(outbox.c.platform, outbox.c.account).in_(list(accounts)),
            ~blocked,
        )
        .order_by(outbox.c.id)
        .limit(limit)
        .with_for_update(of=outbox, skip_locked=True)
    )
    taken = []
    rows = connection.execute(ready).all()
    keys.preload(connection, [row.subject for row in rows])
    for row in rows:
        if row.kind in ("answer", "notice") and row.owner_version != row.current_version:
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(status="withdrawn"))
            continue
        interrupted = row.status == "attempting"
        failures = row.failures + interrupted
        connection.execute(
            update(outbox)
            .where(outbox.c.id == row.id)
            .values(status="attempting", tries=row.tries + 1, failures=failures, ready_at=now + lease_s)
        )
        try:
            opened = keys.open(connection, row.subject, "outbox", "message", row.idempotency_key, row.message)
            message = decode(opened, OutboundMessage)
        except (msgspec.DecodeError, SealBroken) as error:
            # This version can't read it: it holds up nothing but itself.
            connection.execute(
                update(outbox).where(outbox.c.id == row.id).values(status="dead", error=str(error))
            )
            write_letter(connection, "message", row.id, row.conversation, str(error), now)
            continue
        taken.append(Dispatch(row.id, message, row.tries + 1, failures, interrupted, row.correlation_id))
    return taken


def end_leases(connection: Connection) -> None:
    """Let interrupted attempts be looked at again at once."""
    connection.execute(update(outbox).where(outbox.c.status == "attempting").values(ready_at=0.0))


def sent(connection: Connection, dispatch: Dispatch, delivery: str, print_: str, now: float) -> None:
    """Mark delivered. Safe if a slower attempt has been superseded: delivered is delivered."""
    _set(connection, dispatch, status="sent", delivery=delivery, sent_at=now, error="")
    _record(connection, dispatch, "message.sent", now, delivery=delivery, print=print_)


def refused(connection: Connection, dispatch: Dispatch, reason: str, now: float) -> None:
    changed = connection.execute(
        update(outbox)
        .where(outbox.c.id == dispatch.id, outbox.c.tries == dispatch.tries, outbox.c.status == "attempting")
        .values(status="refused", error=reason)
    )
    if changed.rowcount:
        _record(connection, dispatch, "message.refused", now)


def later(connection: Connection, dispatch: Dispatch, reason: str, at: float, *, failed: bool) -> None:
    """Back to pending until `at`, unless a newer attempt is under way."""
    connection.execute(
        update(outbox)
        .where(outbox.c.id == dispatch.id, outbox.c.tries == dispatch.tries, outbox.c.status == "attempting")
        .values(status="pending", ready_at=at, error=reason, failures=dispatch.failures + failed)
    )


def give_up(connection: Connection, dispatch: Dispatch, reason: str, now: float) -> bool:
    """Stop trying; keep it as a dead letter so that a person can look and retry. False if it was finished
    already."""
    changed = connection.execute(
        update(outbox).where(outbox.c.id == dispatch.id, text(OPEN_SQL)).values(status="dead", error=reason)
    )
    if changed.rowcount:
        key = dispatch.message.conversation.key
        write_letter(connection, "message", dispatch.id, key, reason, now)
        _record(connection, dispatch, "message.given_up", now)
    return bool(changed.rowcount)


def subject_of(connection: Connection, dispatch: Dispatch) -> str:
    """Whose data a message is; empty where nothing of it is kept."""
    query = (
        select(subjects.c.subject)
        .join(outbox, outbox.c.subject == subjects.c.id)
        .where(outbox.c.id == dispatch.id)
    )
    return connection.execute(query).scalar() or ""


def _record(connection: Connection, dispatch: Dispatch, kind: str, now: float, **data: object) -> None:
    message = dispatch.message
    facts = {
        "message": message.idempotency_key,
        "event": message.in_reply_to,
        "kind": message.kind,
        "tries": dispatch.tries,
        **data,
    }
    audit.note(connection, now, kind, message.conversation.key, dispatch.correlation_id, facts)


def _set(connection: Connection, dispatch: Dispatch, **values: object) -> None:
    connection.execute(update(outbox).where(outbox.c.id == dispatch.id).values(**values))
