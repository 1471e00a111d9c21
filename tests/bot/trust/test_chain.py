"""The record's chain, and every way of touching it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection, create_engine, text

from bot.errors import LeaseLost
from bot.store import AuditEntry, Outcome, Store
from bot.store import audit as chain
from bot.store.audit_export import Selection, lines, verify_lines
from bot.store.migrate import MIGRATIONS
from bot.trust.keyring import FixedKeys, new_keyring
from tests.bot.trust.rig import ANSWER, WORDS, converse
from tests.make import T0, event, message


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(store_url, keys=FixedKeys())
    yield opened
    await opened.close()


async def fill(store: Store, number: int = 10) -> None:
    for at in range(number):
        await store.note_audit("test.entry", {"n": at}, now=T0 + at)


async def touch(store: Store, *statements: str) -> None:
    """Change the database behind Teller's back."""
    async with store._engine.execution_options(writes=True).begin() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


async def test_an_untouched_chain_is_right(store: Store) -> None:
    await converse(store)
    await fill(store)
    finding = await store.verify_audit()
    assert (finding.ok, finding.entries) == (True, 12)


@pytest.mark.parametrize(
    ("statements", "seq", "words"),
    [
        (["UPDATE audit SET data = '{}' WHERE seq = 4"], 4, "isn't what was recorded"),
        (["UPDATE audit SET at = at + 1 WHERE seq = 4"], 4, "isn't what was recorded"),
        (["UPDATE audit SET kind = 'x' WHERE seq = 10"], 10, "isn't what was recorded"),
        (["UPDATE audit SET conversation = 'x' WHERE seq = 1"], 1, "isn't what was recorded"),
        (["UPDATE audit SET correlation_id = 'x' WHERE seq = 1"], 1, "isn't what was recorded"),
        (["UPDATE audit SET origin = 'imported' WHERE seq = 2"], 2, "isn't what was recorded"),
        (["UPDATE audit SET mac = 'x' WHERE seq = 2"], 2, "isn't what was recorded"),
        (["DELETE FROM audit WHERE seq = 5"], 5, "missing"),
        (["DELETE FROM audit WHERE seq IN (5, 6, 7)"], 5, "entry 5 to 7 are missing"),
        (["DELETE FROM audit WHERE seq = 1"], 1, "missing"),
        (["DELETE FROM audit WHERE seq >= 9"], 9, "removed from the end"),
        (["DELETE FROM audit"], 1, "removed from the end"),
        # Two exchanged: by place, and by content.
        (
            [
                "UPDATE audit SET seq = 100 WHERE seq = 3",
                "UPDATE audit SET seq = 3 WHERE seq = 7",
                "UPDATE audit SET seq = 7 WHERE seq = 100",
            ],
            3,
            "isn't what was recorded",
        ),
        # One removed and the gap closed.
        (
            ["DELETE FROM audit WHERE seq = 5"]
            + [f"UPDATE audit SET seq = {n - 1} WHERE seq = {n}" for n in range(6, 11)],  # noqa: S608
            5,
            "isn't what was recorded",
        ),
        # Inserted: at the end, outside of the chain, and in a place that is taken.
        (
            [
                "INSERT INTO audit (at, kind, conversation, correlation_id, data, seq, mac) "
                "SELECT at, kind, conversation, correlation_id, data, 11, mac FROM audit WHERE seq = 10"
            ],
            11,
            "isn't what was recorded",
        ),
        (
            [
                "INSERT INTO audit (at, kind, conversation, correlation_id, data) "
                "VALUES (0, 'x', '', '', '{}')"
            ],
            0,
            "outside of the chain",
        ),
        (
            [
                "DROP INDEX ix_audit_seq",
                "INSERT INTO audit (at, kind, conversation, correlation_id, data, seq, mac) "
                "SELECT at, 'forged', conversation, correlation_id, data, 4, mac FROM audit WHERE seq = 4",
            ],
            4,
            "inserted",
        ),
        # The head.
        (["DELETE FROM audit_head"], 0, "head of the chain is missing"),
        (["UPDATE audit_head SET count = 9"], 0, "head of the chain isn't"),
        (
            [
                "DELETE FROM audit WHERE seq = 10",
                "UPDATE audit_head SET count = 9, mac = (SELECT mac FROM audit WHERE seq = 9)",
            ],
            0,
            "head of the chain isn't",
        ),
        (
            [
                "UPDATE audit_head SET base = 2, base_mac = (SELECT mac FROM audit WHERE seq = 2)",
                "DELETE FROM audit WHERE seq <= 2",
            ],
            0,
            "head of the chain isn't",
        ),
    ],
)
async def test_whatever_is_touched_is_found(
    store: Store, statements: list[str], seq: int, words: str
) -> None:
    await fill(store)
    await touch(store, *statements)
    finding = await store.verify_audit()
    assert not finding.ok
    assert finding.seq == seq
    assert words in finding.what


async def test_a_touched_head_is_not_made_good_by_the_next_entry(store: Store) -> None:
    await fill(store)
    await touch(
        store,
        "DELETE FROM audit WHERE seq >= 9",
        "UPDATE audit_head SET count = 8, mac = (SELECT mac FROM audit WHERE seq = 8)",
    )
    # The counter works on.
    await converse(store)
    finding = await store.verify_audit()
    assert (finding.seq, finding.ok) == (9, False)
    assert "tells of tampering" in finding.what


async def test_a_removed_head_is_not_made_good_either(store: Store) -> None:
    await fill(store)
    await touch(store, "DELETE FROM audit_head")
    await fill(store, 2)
    assert "tells of tampering" in (await store.verify_audit()).what


async def test_a_turn_and_its_send_can_be_followed(store: Store) -> None:
    await converse(store)

    def read(connection: Connection) -> list[tuple[str, str, str]]:
        return [(row.kind, row.correlation_id, row.data) for row in chain.entries(connection)]

    decided, sent = await store.read(read)
    assert [decided[0], sent[0]] == ["turn.answered", "message.sent"]
    assert decided[1] == sent[1] == "c"
    # The print of what was decided is the print of what was sent.
    print_ = decided[2].split('"answer-wang-e1","')[1].split('"')[0]
    assert f'"print":"{print_}"' in sent[2]
    for _, _, data in (decided, sent):
        assert WORDS not in data
        assert ANSWER not in data


async def test_a_failed_turn_leaves_no_entry_and_no_gap(store: Store) -> None:
    await store.accept(event(id="e1"), b"", queue_limit=10, now=T0)
    [stale] = await store.claim(now=T0, lease_s=10, limit=1)
    [fresh] = await store.claim(now=T0 + 11, lease_s=10, limit=1)
    entry = (AuditEntry("turn.answered", {}),)
    results = await asyncio.gather(
        store.complete(stale, Outcome(audit=entry), now=T0),
        store.complete(fresh, Outcome(audit=entry), now=T0),
        store.note_audit("test.entry", {}, now=T0),
        return_exceptions=True,
    )
    assert isinstance(results[0], LeaseLost)
    finding = await store.verify_audit()
    assert (finding.ok, finding.entries) == (True, 2)


async def test_many_processes_make_one_chain(store_url: str) -> None:
    keys = new_keyring()
    stores = [await Store.open(store_url, keys=FixedKeys(keys)) for _ in range(4)]

    async def work(number: int, store: Store) -> None:
        for at in range(15):
            chat = f"c{number}-{at}"
            await store.accept(event(chat=chat, id=chat), b"", queue_limit=1000, now=T0)
            for claim in await store.claim(now=T0, lease_s=30, limit=2):
                key = f"k-{claim.event.event_id}"
                reply = message(chat=claim.event.conversation.chat, key=key)
                entry = AuditEntry("turn.answered", {"by": number})
                await store.complete(claim, Outcome(messages=(reply,), audit=(entry,)), now=T0)
            for dispatch in await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=2):
                await store.sent(dispatch, "m", now=T0)

    await asyncio.gather(*(work(number, store) for number, store in enumerate(stores)))
    finding = await stores[0].verify_audit()
    assert finding.ok, finding.what
    assert finding.entries > 60
    for store in stores:
        await store.close()


async def test_entries_that_outlived_their_retention_leave_a_chain_that_is_right(store: Store) -> None:
    await fill(store)
    removed = await store.write(lambda c: chain.prune(c, store.keys.ring.audit, T0 + 4, 100))
    assert removed == 4
    assert (await store.verify_audit()).entries == 6
    await fill(store, 3)
    assert (await store.verify_audit()).entries == 9
    await touch(store, "DELETE FROM audit WHERE seq = 5")
    assert (await store.verify_audit()).seq == 5


# ── exports ──


async def exported(store: Store, selection: Selection | None = None) -> list[bytes]:
    key = store.keys.ring.audit
    return await store.read(lambda c: list(lines(c, key, selection or Selection())))


async def test_an_export_is_checked_by_the_key_alone(store: Store) -> None:
    await fill(store)
    file, key = await exported(store), store.keys.ring.audit
    assert verify_lines(iter(file), key).entries == 10
    selected = await exported(store, Selection(since=T0 + 3, until=T0 + 6))
    assert verify_lines(iter(selected), key).entries == 3
    assert not verify_lines(iter(file), b"another key").ok


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f[:-1],
        lambda f: f[:3] + f[4:],
        lambda f: f[:8] + f[9:],
        lambda f: [f[1], f[0], *f[2:]],
        lambda f: [f[0].replace(b'\\"n\\":0', b'\\"n\\":9'), *f[1:]],
        lambda f: [f[0].replace(b"test.entry", b"tent.estry"), *f[1:]],
        lambda f: [*f, f[0]],
        lambda f: [*f[:-1], f[-1].replace(b'"entries":10', b'"entries":9')],
        lambda f: [*f[:-1], b'{"trailer"'],
        lambda f: [b"garbage", *f],
        lambda f: [],
    ],
)
async def test_an_edited_export_is_found(store: Store, change: object) -> None:
    await fill(store)
    file = await exported(store)
    edited = change(file)  # type: ignore[operator]
    assert edited != file
    assert not verify_lines(iter(edited), store.keys.ring.audit).ok


async def test_entries_from_before_the_chain_are_taken_in(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for number in range(3):
            connection.execute(
                text(
                    "INSERT INTO audit (at, kind, conversation, correlation_id, data) "
                    "VALUES (:at, 'turn.answered', 'k', 'c', '{}')"
                ),
                {"at": T0 + number},
            )
    engine.dispose()
    store = await Store.open(f"sqlite:///{path}", keys=FixedKeys())
    await fill(store, 2)
    assert (await store.verify_audit()).entries == 5
    await store.close()
    with sqlite3.connect(path) as connection:
        origins = [row[0] for row in connection.execute("SELECT origin FROM audit ORDER BY seq")]
    connection.close()
    assert origins == ["imported"] * 3 + [""] * 2
