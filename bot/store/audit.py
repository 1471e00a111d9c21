"""The record: a chain of entries in which nothing can be edited, removed, inserted or moved unseen.

Each entry carries `mac = HMAC-SHA256(audit key, mac before + the entry's canonical JSON)`, and the head row
the number and mac of the last entry, itself authenticated. So an edit, a gap, an insertion or a swap shows
at its place, and a cut tail shows at the head. Who holds the audit key can rewrite all of it; against that,
and against the whole database being put back to an earlier day, keep exports (`teller audit export`)
elsewhere: `teller audit verify --file` holds them against the key alone.

Entries name ids and versions, never words. What a turn records (kinds and keys are open; these are usual):

    turn.*            event, rules [{id, version}], model, prompt, config, knowledge, source, messages
    message.sent      message (idempotency key), event, kind, delivery, tries, print
    message.refused   message, event, kind
    staff.*           by, ticket, message, print (what a person changed or sent)
    feedback.*            feedback (id), on (event), verdict, cast, by; exported: form, rows, sha256
    vault.revealed, customer.exported|erased|held|released, keys.*, audit.exported

`print` is a keyed fingerprint of a message as it was decided and as it was sent: equal prints mean that
nobody changed it in between. Entries name conversations, not people: an erasure leaves them as they are,
and the chain whole (docs/trust.md says why).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, delete, func, insert, select, update

from bot.store.dialect import insert_or_ignore
from bot.store.schema import audit, audit_head
from bot.store.work import Fact, work_of
from bot.types import encode

__all__ = ["Finding", "adopt", "append", "entries", "note", "prune", "verify"]

log = structlog.get_logger(__name__)

BATCH = 1000
FIRST_MAC = "0" * 64
BROKEN = "audit.broken"
"""Kind of the entry that tells of a head that was tampered with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a verification came to."""

    entries: int
    """How many were found right before the first that isn't, or all."""
    seq: int = 0
    """The first bad place; 0 where the head itself is."""
    what: str = ""
    """What is wrong there; empty if nothing is."""

    @property
    def ok(self) -> bool:
        return not self.what


@dataclass(frozen=True, slots=True)
class _Head:
    count: int
    mac: str
    base: int
    base_mac: str


def note(
    connection: Connection, at: float, kind: str, conversation: str, correlation_id: str, data: dict[str, Any]
) -> None:
    """Put an entry on the record when the running transaction ends; `data` is plain JSON without words."""
    work = work_of(connection)
    if work is None:
        raise RuntimeError("the record is written by transactions of the store's writer only")
    work.facts.append(Fact(float(at), kind, conversation, correlation_id, encode(data).decode()))


def fingerprint(key: bytes, text: bytes) -> str:
    """A keyed print of a message: without the key it tells nothing, not even for short texts."""
    return hmac.new(key, b"print " + text, hashlib.sha256).hexdigest()[:24]


def entry_mac(key: bytes, before: str, row: Any) -> str:
    """The code of an entry (seq, at, kind, conversation, correlation_id, data, origin) after `before`."""
    return _mac(
        key, before, row.seq, row.at, row.kind, row.conversation, row.correlation_id, row.data, row.origin
    )


def _mac(key: bytes, before: str, seq: int, at: float, *rest: str) -> str:
    canonical = encode([seq, float(at), *rest])
    return hmac.new(key, before.encode() + canonical, hashlib.sha256).hexdigest()


def append(connection: Connection, key: bytes, facts: Sequence[Fact]) -> None:
    """Add entries to the chain. Locks its head, so it comes last in a transaction."""
    if not facts:
        return
    head, facts = _trusted_head(connection, key, facts)
    rows, mac = [], head.mac
    for seq, fact in enumerate(facts, head.count + 1):
        mac = _mac(key, mac, seq, fact.at, fact.kind, fact.conversation, fact.correlation_id, fact.data, "")
        rows.append(
            {
                "at": fact.at,
                "kind": fact.kind,
                "conversation": fact.conversation,
                "correlation_id": fact.correlation_id,
                "data": fact.data,
                "seq": seq,
                "mac": mac,
            }
        )
    connection.execute(insert(audit), rows)
    _set_head(connection, key, _Head(head.count + len(rows), mac, head.base, head.base_mac))


def _trusted_head(connection: Connection, key: bytes, facts: Sequence[Fact]) -> tuple[_Head, Sequence[Fact]]:
    """The head to go on from. One that was tampered with must not be made good by the next entry: the
    chain goes on from its last row, and an entry that no verification overlooks says what was found."""
    try:
        return _head(connection, key, lock=True), facts
    except BrokenHead as error:
        last = connection.execute(
            select(audit.c.seq, audit.c.mac)
            .where(audit.c.seq.is_not(None))
            .order_by(audit.c.seq.desc())
            .limit(1)
        ).first()
        head = _Head(0, FIRST_MAC, 0, FIRST_MAC) if last is None else _Head(last.seq, last.mac, 0, FIRST_MAC)
        values = {"id": 1, "count": head.count, "mac": head.mac, "base_mac": FIRST_MAC, "seal": ""}
        connection.execute(insert_or_ignore(connection, audit_head, values))
        alarm = Fact(facts[0].at, BROKEN, "", "", encode({"what": str(error)}).decode())
        log.critical("audit.broken", what=str(error))
        return head, [alarm, *facts]


def adopt(connection: Connection, key: bytes) -> int:
    """Begin the chain, once: entries from before it are taken in as they are, marked "imported"."""
    if connection.execute(select(audit_head.c.id)).first() is not None:
        return 0
    mac, seq, last = FIRST_MAC, 0, 0
    while True:
        query = select(audit).where(audit.c.id > last).order_by(audit.c.id).limit(BATCH)
        rows = connection.execute(query).all()
        if not rows:
            break
        for row in rows:
            seq, last = seq + 1, row.id
            rest = (row.kind, row.conversation, row.correlation_id, row.data, "imported")
            mac = _mac(key, mac, seq, row.at, *rest)
            connection.execute(
                update(audit).where(audit.c.id == row.id).values(seq=seq, mac=mac, origin="imported")
            )
    head = _Head(seq, mac, 0, FIRST_MAC)
    connection.execute(
        insert(audit_head).values(
            id=1, count=seq, mac=mac, base=0, base_mac=FIRST_MAC, seal=_head_seal(key, head)
        )
    )
    return seq


def verify(connection: Connection, key: bytes) -> Finding:
    """Walk the whole chain. The connection should see one moment (a transaction)."""
    try:
        head = _head(connection, key)
    except BrokenHead as error:
        return Finding(0, 0, str(error))
    loose = connection.execute(select(audit.c.id).where(audit.c.seq.is_(None)).limit(1)).first()
    if loose is not None:
        return Finding(0, 0, f"row {loose.id} stands outside of the chain: it was inserted by hand")
    seq, mac = head.base, head.base_mac
    for row in entries(connection):
        right = row.seq - head.base - 1
        if row.seq <= seq:
            return Finding(max(right, 0), row.seq, f"entry {row.seq} was inserted: its place is taken")
        if row.seq != seq + 1:
            gap = f"entry {seq + 1}" + (f" to {row.seq - 1} are" if row.seq > seq + 2 else " is")
            return Finding(seq - head.base, seq + 1, f"{gap} missing: removed")
        if not hmac.compare_digest(entry_mac(key, mac, row), row.mac):
            return Finding(
                right,
                row.seq,
                f"entry {row.seq} ({row.kind}) isn't what was recorded: edited, exchanged or inserted",
            )
        if row.kind == BROKEN:
            found = (
                "the head of the chain was changed or removed before it; entries may be missing from there"
            )
            return Finding(right, row.seq, f"entry {row.seq} tells of tampering: {found}")
        seq, mac = row.seq, row.mac
    if seq < head.count:
        return Finding(
            seq - head.base,
            seq + 1,
            f"entries {seq + 1} to {head.count} are missing: removed from the end",
        )
    if seq > head.count or mac != head.mac:
        return Finding(
            seq - head.base, seq, "the last entries were added by hand: the head doesn't know them"
        )
    return Finding(seq - head.base)


def entries(
    connection: Connection,
    *,
    since: float | None = None,
    until: float | None = None,
    conversation: str = "",
) -> Iterator[Any]:
    """Rows of the record in order, read in batches."""
    query = select(audit).where(audit.c.seq.is_not(None)).order_by(audit.c.seq, audit.c.id).limit(BATCH)
    if since is not None:
        query = query.where(audit.c.at >= since)
    if until is not None:
        query = query.where(audit.c.at < until)
    if conversation:
        query = query.where(audit.c.conversation == conversation)
    last: tuple[int, int] | None = None
    while True:
        part = query
        if last is not None:
            after = (audit.c.seq > last[0]) | ((audit.c.seq == last[0]) & (audit.c.id > last[1]))
            part = query.where(after)
        rows = connection.execute(part).all()
        yield from rows
        if len(rows) < BATCH:
            return
        last = (rows[-1].seq, rows[-1].id)


def macs_before(connection: Connection, seqs: Iterable[int]) -> dict[int, str]:
    """The mac that each of these entries follows."""
    wanted = [seq - 1 for seq in seqs]
    rows = connection.execute(select(audit.c.seq, audit.c.mac).where(audit.c.seq.in_(wanted))).all()
    return {row.seq + 1: row.mac for row in rows}


def prune(connection: Connection, key: bytes, before: float, limit: int) -> int:
    """Remove up to `limit` of the oldest entries, all from before `before`; the chain then begins after
    them."""
    head = _head(connection, key, lock=True)
    first_kept = connection.execute(select(func.min(audit.c.seq)).where(audit.c.at >= before)).scalar()
    last = min(head.base + limit, head.count if first_kept is None else int(first_kept) - 1)
    if last <= head.base:
        return 0
    mac = connection.execute(select(audit.c.mac).where(audit.c.seq == last)).scalar_one()
    removed = connection.execute(delete(audit).where(audit.c.seq <= last)).rowcount
    _set_head(connection, key, _Head(head.count, head.mac, last, mac))
    return int(removed)


class BrokenHead(Exception):
    """The head row is missing or was changed."""


def head_of(connection: Connection, key: bytes) -> tuple[int, str, int, str]:
    """(count, mac, base, base mac). Raises BrokenHead."""
    head = _head(connection, key)
    return head.count, head.mac, head.base, head.base_mac


def _head(connection: Connection, key: bytes, *, lock: bool = False) -> _Head:
    query = select(audit_head).where(audit_head.c.id == 1)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise BrokenHead("the head of the chain is missing: removed")
    head = _Head(row._mapping["count"], row.mac, row.base, row.base_mac)
    if not hmac.compare_digest(_head_seal(key, head), row.seal):
        raise BrokenHead("the head of the chain isn't what was recorded: edited")
    return head


def _set_head(connection: Connection, key: bytes, head: _Head) -> None:
    connection.execute(
        update(audit_head)
        .where(audit_head.c.id == 1)
        .values(
            count=head.count,
            mac=head.mac,
            base=head.base,
            base_mac=head.base_mac,
            seal=_head_seal(key, head),
        )
    )


def _head_seal(key: bytes, head: _Head) -> str:
    canonical = encode(["head", head.count, head.mac, head.base, head.base_mac])
    return hmac.new(key, canonical, hashlib.sha256).hexdigest()
