"""Sealing: nothing readable on disk, nothing that can be moved, and rotation while Teller works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from bot.errors import NotAllowed, SealBroken
from bot.store import Store, StoredFile
from bot.store.custody import Custody
from bot.store.migrate import MIGRATIONS
from bot.trust.keyring import FileKeys, FixedKeys
from bot.trust.sealing import DataKey
from bot.types import encode
from tests.bot.trust.rig import ANSWER, WORDS, converse, file_bytes, rows
from tests.make import T0, conversation, event, message

KEY = conversation().key
SLACK = ("slack", "default")


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(store_url, keys=FixedKeys())
    yield opened
    await opened.close()


def data_key(id: int = 1, tenant: str = "teller", key: bytes = b"k" * 32) -> DataKey:
    return DataKey(id, "s", tenant, AESGCM(key))


@given(st.text(), st.text(max_size=50))
def test_what_is_sealed_opens_again(words: str, row: str) -> None:
    words, row = (part.encode("utf-8", "replace").decode() for part in (words, row))
    key = data_key()
    sealed = key.seal("t", "c", row, words)
    assert sealed != words
    assert key.open("t", "c", row, sealed) == words
    data = words.encode()
    assert key.open_bytes("t", "c", row, key.seal_bytes("t", "c", row, data)) == data


def test_a_sealed_value_opens_in_its_own_place_only() -> None:
    sealed = data_key().seal("inbox", "event", "r", "words")
    for key, place in (
        (data_key(), ("history", "event", "r")),
        (data_key(), ("inbox", "other", "r")),
        (data_key(), ("inbox", "event", "q")),
        (data_key(id=2), ("inbox", "event", "r")),
        (data_key(tenant="other"), ("inbox", "event", "r")),
        (data_key(key=b"x" * 32), ("inbox", "event", "r")),
    ):
        with pytest.raises(SealBroken, match="can't be opened"):
            key.open(*place, sealed)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at: int, change: int) -> None:
    key = data_key()
    sealed = bytearray(key.seal_bytes("t", "c", "r", b"some words of a customer"))
    place = 3 + at % (len(sealed) - 3)
    sealed[place] ^= change
    with pytest.raises(SealBroken):
        key.open_bytes("t", "c", "r", bytes(sealed))


@pytest.mark.parametrize("value", ["\x01", "\x01!", "\x01AAAA", "\x01汉"])
def test_a_mangled_value_is_no_crash(value: str) -> None:
    with pytest.raises(SealBroken):
        data_key().open("t", "c", "r", value)


async def test_nothing_that_was_said_can_be_read_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await Store.open(f"sqlite:///{path}")
    await converse(store)
    await store.keep_attachment(
        "r1", conversation(), StoredFile("a", "b", b"picture " + WORDS.encode()), now=T0
    )
    await store.put_note(SLACK, "token", "secret " + WORDS, until=None)
    await store.accept(event(WORDS, id="waits"), WORDS.encode(), queue_limit=10, now=T0)
    assert [row.role for row in await store.transcript(KEY, limit=9)] == ["customer", "bot", "customer"]
    assert (await store.exchanges(KEY, limit=5, since=0))[0].question == WORDS
    [claim] = await store.claim(now=T0, lease_s=9, limit=9)
    assert claim.state == {"said": WORDS}
    assert await store.note(SLACK, "token", now=T0) == "secret " + WORDS
    assert (await store.attachment("r1", conversation())).data.endswith(WORDS.encode())
    await store.close()
    on_disk = file_bytes(path)
    for clear in (WORDS, ANSWER, WORDS[:4], "picture", "secret"):
        assert clear.encode() not in on_disk
        assert encode(clear)[1:-1] not in on_disk


async def test_a_sealed_event_that_was_exchanged_becomes_a_dead_letter(store: Store) -> None:
    for chat in ("a", "b"):
        await store.accept(event(f"words of {chat}", chat=chat, id=chat), b"", queue_limit=9, now=T0)
    async with store._engine.execution_options(writes=True).begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE inbox SET event = (SELECT event FROM inbox WHERE event_id = 'b'), "
            "subject = (SELECT subject FROM inbox WHERE event_id = 'b') WHERE event_id = 'a'"
        )
    [claim] = await store.claim(now=T0, lease_s=9, limit=9)
    assert claim.event.text == "words of b"
    [letter] = await store.letters()
    assert "can't be opened" in letter.reason
    shown = await store.letter(letter.id)
    assert shown is not None
    assert "words of" not in shown.content


async def test_a_broken_line_or_state_holds_up_nothing(store: Store) -> None:
    await converse(store)
    async with store._engine.execution_options(writes=True).begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE history SET body = chr(1) || 'x', text = chr(1) || 'x' WHERE role = 'bot'"
            if "postgres" in store.url
            else "UPDATE history SET body = char(1) || 'x', text = char(1) || 'x' WHERE role = 'bot'"
        )
        await connection.exec_driver_sql(
            "UPDATE conversations SET state = (SELECT body FROM history LIMIT 1)"
        )
    assert [row.role for row in await store.transcript(KEY, limit=9)] == ["customer"]
    assert await store.exchanges(KEY, limit=5, since=0) == []
    await store.accept(event(id="e2"), b"", queue_limit=9, now=T0)
    [claim] = await store.claim(now=T0, lease_s=9, limit=9)
    assert claim.state == {}


async def test_a_rolled_back_key_is_never_used_again(store: Store) -> None:
    """A new customer's first write shares a transaction with one that fails."""
    from bot.store import inbox

    first = event("first", chat="new", id="n1")

    def accept(connection: object) -> object:
        return inbox.accept(connection, store.keys, first, b"", 10, T0)  # type: ignore[arg-type]

    def fails(_: object) -> None:
        raise ValueError("boom")

    results = await asyncio.gather(store.write(accept), store.write(fails), return_exceptions=True)
    assert results[0] is True
    assert isinstance(results[1], ValueError)
    other = await Store.open(store.url, keys=store.keys.source)
    [claim] = await other.claim(now=T0, lease_s=9, limit=9)
    assert claim.event.text == "first"
    await other.close()


# ── rotation ──


async def test_keys_are_rotated_while_two_processes_work(store_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    working = [await Store.open(store_url, keys=FileKeys(path)) for _ in range(2)]
    custody = Custody(await Store.open(store_url, keys=FileKeys(path)))
    for number in range(30):
        await converse(working[number % 2], chat=f"old{number}", id=f"o{number}")
    stop = False
    handled = 0

    async def work(store: Store, name: str) -> None:
        nonlocal handled
        number = 0
        while not stop or number < 5:
            await converse(store, chat=f"{name}{number % 7}", id=f"{name}{number}")
            number += 1
            handled += 1

    tasks = [asyncio.create_task(work(store, f"w{n}")) for n, store in enumerate(working)]
    for _ in range(3):
        await custody.rotate(by="chen", now=T0)
    stop = True
    await asyncio.gather(*tasks)
    await custody.rewrap()
    status = await custody.key_status()
    assert status.current == 4
    assert {v: n for v, n in status.in_use.items() if n} == {4: status.in_use[4]}
    for version in (1, 2, 3):
        await custody.remove_master(version, by="chen", now=T0)
    # Who had the old keyring in memory reads all of it, and begins new customers, without a restart.
    for store in working:
        store.keys.clear()
        assert len(await store.transcript("fake|test|old3|", limit=5)) == 2
        await converse(store, chat=f"after{working.index(store)}", id=f"after{working.index(store)}")
    assert (await custody.key_status()).in_use.keys() == {4}
    assert (await working[0].verify_audit()).ok
    assert handled >= 10
    for store in (*working, custody._store):
        await store.close()


async def test_a_version_that_wraps_keys_is_not_removed(store: Store) -> None:
    await converse(store)
    custody = Custody(store)
    store.keys.source.add_master()
    store.keys.load(create=False)
    with pytest.raises(NotAllowed, match="still wraps"):
        await custody.remove_master(1, by="chen", now=T0)


async def test_a_tampered_data_key_holds_up_only_its_own_customer(store: Store) -> None:
    for chat in ("a", "b"):
        await store.accept(event(chat, chat=chat, id=chat), b"", queue_limit=9, now=T0)
    store.keys.clear()
    async with store._engine.execution_options(writes=True).begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE subjects SET wrapped_key = (SELECT wrapped_key FROM subjects WHERE subject LIKE '%|b|') "
            "WHERE subject LIKE '%|a|'"
        )
    [claim] = await store.claim(now=T0, lease_s=9, limit=9)
    assert claim.event.text == "b"
    assert len(await store.letters()) == 1


# ── what earlier versions left in clear ──


async def test_a_database_in_clear_is_readable_and_then_sealed(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")
    said, answer = event(WORDS, id="e1"), message(ANSWER, key="k1")
    waiting = event("还在等：" + WORDS, id="e2")
    at = {"at": T0, "key": KEY}
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        put = (
            "INSERT INTO inbox "
            "(platform, account, event_id, conversation, event, status, received_at, done_at)"
        )
        for one, status in ((said, "done"), (waiting, "new")):
            values = at | {"event": encode(one).decode(), "id": one.event_id, "status": status}
            connection.execute(
                text(put + " VALUES ('fake', 'test', :id, :key, :event, :status, :at, :at)"), values
            )
        connection.execute(
            text(
                "INSERT INTO conversations (key, conversation, state, head, created_at) "
                "VALUES (:key, :place, :state, 2, :at)"
            ),
            at | {"place": encode(said.conversation).decode(), "state": encode({"said": WORDS}).decode()},
        )
        connection.execute(
            text("INSERT INTO raw_payloads (ref, body, received_at) VALUES ('c', :body, :at)"),
            at | {"body": WORDS.encode()},
        )
        for role, key, body, words in (
            ("customer", "e1", said, WORDS), ("bot", "k1", answer, ANSWER)
        ):  # fmt: skip
            connection.execute(
                text(
                    "INSERT INTO history (conversation, role, key, body, text, at) "
                    "VALUES (:key, :role, :name, :body, :text, :at)"
                ),
                at | {"role": role, "name": key, "body": encode(body).decode(), "text": words},
            )
        connection.execute(
            text(
                "INSERT INTO outbox (idempotency_key, platform, account, conversation, message, kind, "
                "status, owner_version, created_at) "
                "VALUES ('k1', 'fake', 'test', :key, :message, 'answer', 'sent', 0, :at)"
            ),
            at | {"message": encode(answer).decode()},
        )
        connection.execute(
            text(
                "INSERT INTO attachments (ref, conversation, name, mime, data, at) "
                "VALUES ('r', :key, 'n', 'm', :data, :at)"
            ),
            at | {"data": WORDS.encode()},
        )
        connection.execute(
            text("INSERT INTO notes (platform, account, key, value) VALUES ('slack', 'default', 't', :v)"),
            {"v": WORDS},
        )
    engine.dispose()
    assert WORDS.encode() in file_bytes(path)

    async def readable(store: Store) -> None:
        lines = await store.transcript(KEY, limit=9)
        assert [(line.event or line.message).text for line in lines] == [WORDS, ANSWER, waiting.text]  # type: ignore[union-attr]
        assert (await store.exchanges(KEY, limit=5, since=0))[0].answer == ANSWER
        assert await store.note(SLACK, "t", now=T0) == WORDS
        assert (await store.attachment("r", conversation())).data == WORDS.encode()
        assert [m.text for _, m in await store.released(KEY, after=0)] == [ANSWER]

    store = await Store.open(f"sqlite:///{path}")
    await readable(store)
    # Interrupted after a step, and taken up again by another process.
    assert await store.seal_some() > 0
    await store.close()
    store = await Store.open(f"sqlite:///{path}")
    await readable(store)
    assert await Custody(store).seal_all() > 0
    assert await Custody(store).seal_all() == 0
    await readable(store)
    [claim] = await store.claim(now=T0, lease_s=9, limit=9)
    assert (claim.event, claim.state) == (waiting, {"said": WORDS})
    assert (await Custody(store).find("fake:test:wang")).conversations == (KEY,)
    await store.close()
    assert WORDS.encode() not in file_bytes(path)
    assert rows(path, "SELECT count(*) FROM raw_payloads WHERE subject IS NULL") == [(0,)]
