"""The store, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text as sqlalchemy_text

from bot.errors import LeaseLost, QueueFull, StoreBusy, StoreError, UnknownAttachment
from bot.store import AuditEntry, Outcome, Owner, Store, StoredFile
from bot.store.migrate import MIGRATIONS
from bot.store.schema import metadata
from bot.types import Exchange, encode
from tests.make import T0, conversation, event, message

KEY = conversation().key


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


def limit_pages(store: Store) -> None:
    """Let every transaction from now on run under a page limit that is reached already."""

    @sqlalchemy_event.listens_for(store._blocking, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 60")


async def accept(store: Store, *events: object, limit: int = 1000) -> list[bool]:
    return [await store.accept(e, b"raw", queue_limit=limit, now=T0) for e in events]  # type: ignore[arg-type]


async def claim_one(store: Store, now: float = T0, lease_s: float = 30):  # type: ignore[no-untyped-def]
    [claim] = await store.claim(now=now, lease_s=lease_s, limit=1)
    return claim


async def test_an_event_is_accepted_once_however_often_it_is_delivered(store: Store) -> None:
    first = event(id="e1")
    assert await accept(store, first, first, first) == [True, False, False]
    assert (await store.depths()).inbox == 1


async def test_the_same_words_twice_are_two_messages(store: Store) -> None:
    assert await accept(store, event("是", id="a"), event("是", id="b")) == [True, True]


async def test_a_full_queue_refuses_and_stores_nothing(store: Store) -> None:
    await accept(store, event(id="e1"), event(id="e2"))
    with pytest.raises(QueueFull):
        await accept(store, event(id="e3"), limit=2)
    assert (await store.depths()).inbox == 2
    # Once there is room it is accepted: the refusal left no trace that would make it a duplicate.
    assert await accept(store, event(id="e3"), limit=3) == [True]


async def test_events_of_a_conversation_are_claimed_in_order_and_one_at_a_time(store: Store) -> None:
    await accept(store, event("1", id="e1"), event("2", id="e2"), event("3", chat="li", id="e3"))
    claims = await store.claim(now=T0, lease_s=30, limit=10)
    assert [c.event.event_id for c in claims] == ["e1", "e3"]
    assert await store.claim(now=T0, lease_s=30, limit=10) == []
    await store.complete(claims[0], Outcome(), now=T0)
    assert (await claim_one(store)).event.event_id == "e2"


async def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_is_fenced_off(store: Store) -> None:
    await accept(store, event(id="e1"))
    slow = await claim_one(store, lease_s=10)
    quick = await claim_one(store, now=T0 + 11)
    assert quick.lease > slow.lease
    with pytest.raises(LeaseLost):
        await store.complete(slow, Outcome(messages=(message("late"),)), now=T0 + 12)
    await store.complete(quick, Outcome(messages=(message("once"),)), now=T0 + 12)
    sends = await store.claim_sends([("fake", "test")], now=T0 + 12, lease_s=30, limit=10)
    assert [d.message.text for d in sends] == ["once"]
    with pytest.raises(LeaseLost):
        await store.fail(slow, "x", retry_at=T0)


async def test_a_renewed_lease_is_not_taken_over(store: Store) -> None:
    await accept(store, event(id="e1"))
    claim = await claim_one(store, lease_s=10)
    await store.renew(claim, until=T0 + 60)
    assert await store.claim(now=T0 + 30, lease_s=10, limit=1) == []


async def test_a_failed_event_comes_again_after_its_pause_and_before_later_ones(store: Store) -> None:
    await accept(store, event(id="e1"), event(id="e2"))
    claim = await claim_one(store)
    await store.fail(claim, "boom", retry_at=T0 + 5)
    assert await store.claim(now=T0 + 4, lease_s=30, limit=10) == []
    again = await claim_one(store, now=T0 + 5)
    assert (again.event.event_id, again.tries) == ("e1", 1)


async def test_a_parked_event_becomes_a_dead_letter_and_the_conversation_goes_on(store: Store) -> None:
    await accept(store, event(id="e1"), event(id="e2"))
    claim = await claim_one(store)
    apology = message("抱歉")
    await store.park(claim, "poison", Outcome(messages=(apology,), seen="x"), now=T0)
    assert (await claim_one(store)).event.event_id == "e2"
    [letter] = await store.letters()
    assert (letter.kind, letter.reason, letter.status) == ("event", "poison", "open")
    shown = await store.letter(letter.id)
    assert shown is not None
    assert '"e1"' in shown.content
    assert await store.retry_letter(letter.id)
    assert not await store.retry_letter(letter.id)
    assert await store.letters() == []
    # It is back at its old place. e2 is leased, so end that lease first.
    assert [c.event.event_id for c in await store.claim(now=T0 + 60, lease_s=1, limit=5)] == ["e1"]


async def test_a_turn_commits_everything_or_nothing(store: Store) -> None:
    await accept(store, event("问", id="e1"))
    claim = await claim_one(store)
    outcome = Outcome(
        messages=(message("答"),),
        passages=("cards.lost",),
        seen="问",
        state={"step": 2},
        language="zh",
        audit=(AuditEntry("turn.answered", {"source": "verbatim"}),),
    )
    await store.complete(claim, outcome, now=T0)
    assert await store.audit_count() == 1
    assert await store.exchanges(KEY, limit=5, since=0) == [Exchange("问", "答", ("cards.lost",))]
    await accept(store, event(id="e2"))
    following = await claim_one(store)
    assert (following.state, following.language) == ({"step": 2}, "zh")


async def test_history_before_the_given_time_is_left_out(store: Store) -> None:
    await accept(store, event("旧", id="e1"))
    await store.complete(await claim_one(store), Outcome(messages=(message("答"),), seen="旧"), now=T0)
    assert await store.exchanges(KEY, limit=5, since=T0 + 1) == []
    assert await store.exchanges(KEY, limit=0, since=0) == []


async def put(store: Store, *messages: object, id: str = "e1") -> None:
    await accept(store, event(id=id, chat=messages[0].conversation.chat))  # type: ignore[attr-defined]
    await store.complete(await claim_one(store), Outcome(messages=messages), now=T0)  # type: ignore[arg-type]


async def test_messages_of_a_conversation_leave_one_after_the_other(store: Store) -> None:
    await put(store, message("1"), message("2"))
    [first] = await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=10)
    assert first.message.text == "1"
    assert await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=10) == []
    await store.sent(first, "m1", now=T0)
    [second] = await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=10)
    assert second.message.text == "2"


async def test_only_messages_of_the_own_platforms_are_claimed(store: Store) -> None:
    await put(store, message("1"))
    assert await store.claim_sends([("slack", "test")], now=T0, lease_s=30, limit=10) == []


async def test_an_interrupted_attempt_is_claimed_again_and_says_so(store: Store) -> None:
    await put(store, message("1"))
    [first] = await store.claim_sends([("fake", "test")], now=T0, lease_s=10, limit=10)
    assert not first.interrupted
    [again] = await store.claim_sends([("fake", "test")], now=T0 + 10, lease_s=10, limit=10)
    assert again.interrupted
    # The slow first attempt reports at last: a later pause for the second must not undo "sent".
    await store.sent(first, "m1", now=T0)
    await store.send_later(again, "x", at=T0, failed=True)
    assert (await store.depths()).outbox == 0


async def test_the_same_message_is_queued_once(store: Store) -> None:
    await put(store, message("1", key="same"))
    await accept(store, event(id="e2"))
    await store.complete(await claim_one(store), Outcome(messages=()), now=T0)
    await accept(store, event(id="e3"))
    claim = await claim_one(store)
    await store.complete(claim, Outcome(messages=(message("1", key="same"),)), now=T0)
    assert (await store.depths()).outbox == 1


async def test_a_message_that_is_given_up_can_be_retried_by_hand(store: Store) -> None:
    await put(store, message("1"))
    [dispatch] = await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=1)
    await store.give_up_send(dispatch, "no", now=T0)
    assert (await store.depths()).outbox == 0
    [letter] = await store.letters()
    await store.retry_letter(letter.id)
    [again] = await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=1)
    assert again.message.text == "1"


async def test_a_bot_answer_is_withdrawn_when_staff_took_over_meanwhile(store: Store) -> None:
    await put(store, message("answer"), message("mind the scam", kind="warning"))
    await store.set_owner(conversation(), "staff-1", now=T0)
    sends = await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=10)
    sends += await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=10)
    assert [d.message.text for d in sends] == ["mind the scam"]


async def test_the_transcript_shows_what_was_released_and_what_still_waits(store: Store) -> None:
    await accept(store, event("问一", id="e1"))
    await store.complete(await claim_one(store), Outcome(messages=(message("答一"),), seen="问一"), now=T0)
    await accept(store, event("问二", id="e2"))
    lines = await store.transcript(KEY, limit=10)
    assert [(r.role, r.key) for r in lines] == [("customer", "e1"), ("customer", "e2")]
    [dispatch] = await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=1)
    lines = await store.transcript(KEY, limit=10)
    assert [r.role for r in lines] == ["customer", "bot", "customer"]
    [(number, sent)] = await store.released(KEY, after=0)
    assert (number, sent.text) == (dispatch.id, "答一")
    assert await store.released(KEY, after=number) == []


async def test_attachments_belong_to_one_conversation(store: Store) -> None:
    await store.keep_attachment(
        "r1", conversation("wang"), StoredFile("a.png", "image/png", b"\x89PNG"), now=T0
    )
    assert (await store.attachment("r1", conversation("wang"))).data == b"\x89PNG"
    with pytest.raises(UnknownAttachment):
        await store.attachment("r1", conversation("li"))


async def test_leases_of_a_dead_process_end_at_once_on_recovery(store: Store) -> None:
    await put(store, message("1"))
    await accept(store, event(id="e2"))
    held = await claim_one(store)
    await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=1)
    await store.recover()
    assert (await claim_one(store)).event.event_id == "e2"
    [dispatch] = await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=1)
    assert dispatch.interrupted
    with pytest.raises(LeaseLost):
        await store.complete(held, Outcome(), now=T0)


async def test_two_workers_never_hold_the_same_conversation(store_url: str) -> None:
    stores = [await Store.open(store_url) for _ in range(3)]
    for chat in range(20):
        for number in range(3):
            await accept(stores[0], event(chat=f"c{chat}", id=f"{chat}-{number}"))
    handled: dict[str, list[str]] = {}
    held: set[str] = set()

    async def work(store: Store) -> None:
        while claims := await store.claim(now=T0, lease_s=30, limit=4):
            for claim in claims:
                key = claim.event.conversation.key
                assert key not in held
                held.add(key)
            await asyncio.sleep(0)
            for claim in claims:
                key = claim.event.conversation.key
                handled.setdefault(key, []).append(claim.event.event_id)
                held.discard(key)
                await store.complete(claim, Outcome(), now=T0)

    while (await stores[0].depths()).inbox:
        await asyncio.gather(*(work(store) for store in stores))
    assert len(handled) == 20
    assert all(ids == sorted(ids) and len(ids) == 3 for ids in handled.values())
    for store in stores:
        await store.close()


async def test_text_that_databases_dislike_is_kept_as_it_is(store: Store) -> None:
    nasty = "nul \x00 bidi \u202e emoji 👩‍👩‍👧 quote ' \" \\ percent %s brace {x} 汉字"
    await accept(store, event(nasty, id="e1"))
    claim = await claim_one(store)
    assert claim.event.text == nasty


async def test_a_locked_database_is_busy_and_stores_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await Store.open(f"sqlite:///{path}", busy_ms=50)
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        await accept(store, event(id="e1"))
    other.rollback()
    other.close()
    assert await accept(store, event(id="e1")) == [True]
    await store.close()


async def test_a_full_disk_is_busy_and_stores_nothing(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    await accept(store, event(id="e1"))
    # A page limit makes SQLite answer exactly as a full disk does: SQLITE_FULL.
    async with store._engine.connect() as connection:
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    limit_pages(store)
    big = event("长" * 200_000, id="e2")
    with pytest.raises(StoreBusy, match="full"):
        await accept(store, big)
    assert (await store.depths()).inbox == 1
    await store.close()


async def test_one_bad_write_does_not_take_its_neighbours_along(store: Store) -> None:
    await accept(store, event(id="e1", chat="a"))
    stale = await claim_one(store)
    await claim_one(store, now=T0 + 31)
    results = await asyncio.gather(
        store.complete(stale, Outcome(), now=T0),
        store.accept(event(id="e2", chat="b"), b"", queue_limit=10, now=T0),
        store.accept(event(id="e3", chat="c"), b"", queue_limit=10, now=T0),
        return_exceptions=True,
    )
    assert isinstance(results[0], LeaseLost)
    assert results[1:] == [True, True]


async def test_a_database_from_the_future_is_refused(store_url: str) -> None:
    store = await Store.open(store_url)
    async with store._engine.execution_options(writes=True).begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    await store.close()
    with pytest.raises(StoreError, match="newer"):
        await Store.open(store_url)


async def test_the_migrations_make_exactly_the_declared_tables(store: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with store._engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_closed_store_refuses(store_url: str) -> None:
    store = await Store.open(store_url)
    await store.close()
    with pytest.raises(StoreBusy):
        await accept(store, event())


# ── notes ──

SLACK = ("slack", "default")


async def test_a_note_is_kept_per_account_and_expires(store: Store) -> None:
    await store.put_note(SLACK, "token", "a", until=T0 + 10)
    await store.put_note(("slack", "other"), "token", "b", until=None)
    assert await store.note(SLACK, "token", now=T0 + 9.9) == "a"
    assert await store.note(SLACK, "token", now=T0 + 10) is None
    await store.put_note(SLACK, "token", "c", until=None)
    assert await store.note(SLACK, "token", now=T0 + 1e9) == "c"
    await store.drop_note(SLACK, "token")
    assert await store.note(SLACK, "token", now=T0) is None
    assert await store.note(("slack", "other"), "token", now=T0) == "b"


async def test_exactly_one_of_many_adds_a_note(store: Store) -> None:
    async def add(who: int) -> bool:
        return await store.add_note(SLACK, "draft", str(who), until=T0 + 10, now=T0)

    won = await asyncio.gather(*(add(who) for who in range(20)))
    assert won.count(True) == 1
    assert await store.note(SLACK, "draft", now=T0) == str(won.index(True))
    # A dead one makes room again.
    assert await store.add_note(SLACK, "draft", "later", until=None, now=T0 + 10)


async def test_the_sweep_removes_only_what_has_expired(store: Store) -> None:
    await store.put_note(SLACK, "old", "x", until=T0 - 1)
    await store.put_note(SLACK, "new", "x", until=T0 + 1)
    await store.put_note(SLACK, "kept", "x", until=None)
    await store.sweep(now=T0)
    found = [await store.note(SLACK, key, now=T0 - 2) for key in ("old", "new", "kept")]
    assert found == [None, "x", "x"]


# ── accounts and failures ──


async def test_messages_wait_for_a_sender_of_their_own_account(store: Store) -> None:
    await store.post(message("一", key="k1"), now=T0)
    assert await store.claim_sends([("fake", "other")], now=T0, lease_s=30, limit=10) == []
    [dispatch] = await store.claim_sends([("fake", "other"), ("fake", "test")], now=T0, lease_s=30, limit=10)
    assert dispatch.message.text == "一"


async def test_being_told_to_wait_is_no_failure_but_an_interruption_is(store: Store) -> None:
    await store.post(message("一"), now=T0)
    counted = []
    for failed in (False, False, True):
        [dispatch] = await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=1)
        counted.append((dispatch.tries, dispatch.failures))
        await store.send_later(dispatch, "x", at=T0, failed=failed)
    [dispatch] = await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=1)
    counted.append((dispatch.tries, dispatch.failures))
    [dispatch] = await store.claim_sends([("fake", "test")], now=T0 + 31, lease_s=30, limit=1)
    counted.append((dispatch.tries, dispatch.failures))
    assert counted == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2)]


async def test_a_posted_message_is_queued_once_and_stands_in_the_transcript(store: Store) -> None:
    for _ in range(2):
        await store.post(message("日报", key="digest-1", kind="digest"), now=T0)
    assert len(await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=10)) == 1
    rows = await store.transcript(conversation().key, limit=10)
    assert [row.key for row in rows] == ["digest-1"]


async def test_claims_that_end_in_neither_way_are_counted_and_released_ones_aren_t(store: Store) -> None:
    await store.accept(event("一"), b"", queue_limit=10, now=T0)
    [claim] = await store.claim(now=T0, lease_s=10, limit=1)
    await store.release(claim)
    [claim] = await store.claim(now=T0, lease_s=10, limit=1)
    assert claim.crashes == 0
    [claim] = await store.claim(now=T0 + 11, lease_s=10, limit=1)
    assert claim.crashes == 1
    await store.fail(claim, "x", retry_at=T0 + 12)
    [claim] = await store.claim(now=T0 + 13, lease_s=10, limit=1)
    assert (claim.tries, claim.crashes) == (1, 1)


async def test_a_turn_can_change_who_speaks(store: Store) -> None:
    await store.accept(event("一"), b"", queue_limit=10, now=T0)
    [claim] = await store.claim(now=T0, lease_s=10, limit=1)
    await store.complete(claim, Outcome(owner="desk:zhang"), now=T0)
    await store.accept(event("二"), b"", queue_limit=10, now=T0)
    [claim] = await store.claim(now=T0, lease_s=10, limit=1)
    assert claim.owner == Owner("desk:zhang", 1)
    await store.complete(claim, Outcome(owner="desk:zhang"), now=T0)
    await store.accept(event("三"), b"", queue_limit=10, now=T0)
    [claim] = await store.claim(now=T0, lease_s=10, limit=1)
    assert claim.owner.version == 1


async def test_a_database_of_the_first_version_keeps_its_messages(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        old = message("旧", key="k1")
        connection.execute(
            sqlalchemy_text(
                "INSERT INTO outbox (idempotency_key, platform, conversation, message, kind, owner_version, "
                "created_at) VALUES ('k1', 'fake', :conversation, :message, 'answer', 0, 0)"
            ),
            {"conversation": old.conversation.key, "message": encode(old).decode()},
        )
        connection.execute(
            sqlalchemy_text(
                "INSERT INTO conversations (key, conversation, created_at) VALUES (:key, '{}', 0)"
            ),
            {"key": old.conversation.key},
        )
    engine.dispose()
    store = await Store.open(f"sqlite:///{path}")
    [dispatch] = await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=1)
    assert dispatch.message == old
    await store.close()
