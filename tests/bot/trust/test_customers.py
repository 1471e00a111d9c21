"""One customer's data: found, handed out, held, erased, and removed when its time is over."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from bot.config.trust import Retention
from bot.errors import LeaseLost, NotAllowed, StoreError
from bot.store import Outcome, Store, StoredFile
from bot.store.custody import Custody
from bot.store.retention import steps
from bot.store.schema import audit, history, inbox, profiles, subjects, tickets
from bot.store.vault import Secret
from bot.trust.keyring import FixedKeys
from bot.trust.people import Approvals
from bot.trust.vault import Vault
from tests.bot.trust.rig import ANSWER, WORDS, converse, file_bytes, group_event, group_reply, rows, send_all
from tests.make import T0, conversation, event

KEY = conversation().key
WANG = "fake:test:wang"
TWO = {"by": "chen", "second": "zhou"}
DAY = 86400.0


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(store_url, keys=FixedKeys())
    yield opened
    await opened.close()


async def test_a_customer_is_found_by_account_or_by_conversation(store: Store) -> None:
    await converse(store)
    custody = Custody(store)
    found = await custody.find(WANG)
    assert found == await custody.find(KEY)
    assert found.conversations == (KEY,)
    for stranger in ("fake:test:li", "fake:other:wang", "fake|test|li|", "wang", ""):
        with pytest.raises(StoreError, match="nobody is known"):
            await custody.find(stranger)


async def test_the_blind_index_names_nobody(store: Store) -> None:
    await converse(store)
    index = (await Custody(store).find(WANG)).index
    assert len(index) == 32
    assert "wang" not in index


async def test_an_export_holds_all_and_is_on_the_record(store: Store) -> None:
    await converse(store)
    await converse(store, chat="li", id="e2", words="别人的话")
    await store.keep_attachment("r", conversation(), StoredFile("n", "m", b"\xff\x00"), now=T0)
    found = await Custody(store).export(WANG, by="chen", now=T0)
    shown = json.dumps(found, ensure_ascii=False)
    assert "别人的话" not in shown
    assert [line["text"] for line in found["transcript"]] == [WORDS, ANSWER]
    assert found["received"][0]["event"]["parts"][0]["text"] == WORDS
    assert found["raw_payloads"][0]["body"] == f"raw {WORDS}"
    assert found["vault"][0]["value"] == f"phone {WORDS}"
    assert found["states"][0]["state"] == {"said": WORDS}
    assert found["attachments"][0]["data"] == {"base64": "/wA="}
    kinds = await store.read(lambda c: c.execute(select(audit.c.kind, audit.c.data)).all())
    assert ("customer.exported", "chen") in [(row.kind, json.loads(row.data).get("by")) for row in kinds]


async def test_an_erasure_leaves_nothing_readable_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    source = FixedKeys()
    store = await Store.open(f"sqlite:///{path}", keys=source)
    await converse(store)
    await converse(store, chat="li", id="e2", words="李的话")
    await store.keep_attachment("r", conversation(), StoredFile("n", "m", WORDS.encode()), now=T0)
    sealed = [
        bytes(row[0]) for row in rows(path, "SELECT wrapped_key FROM subjects WHERE subject LIKE '%wang%'")
    ]  # type: ignore[call-overload]
    before = file_bytes(path)
    assert all(key in before for key in sealed)
    erased = await Custody(store).erase(WANG, **TWO, now=T0)
    assert erased.rows["history"] == 2
    assert {name for name, _, _ in erased.kept} == {"audit entries", "ids of events and messages"}
    assert await store.transcript(KEY, limit=9) == []
    assert await store.exchanges(KEY, limit=9, since=0) == []
    assert await store.released(KEY, after=0) == []
    assert len(await store.transcript("fake|test|li|", limit=9)) == 2
    after = file_bytes(path)
    # Neither the words nor the key that could open them, not in the log either.
    assert WORDS.encode() not in after
    assert not any(key in after for key in sealed)
    assert (await store.verify_audit()).ok
    await store.close()


async def test_an_erased_customer_may_come_back_as_a_new_one(store: Store) -> None:
    await converse(store)
    other = await Store.open(store.url, keys=store.keys.source)
    await converse(other, id="warm")
    await Custody(store).erase(WANG, **TWO, now=T0)
    # The other process still has the erased key in memory, and must not seal with it.
    await converse(other, id="back", words="我又来了")
    await converse(store, id="again", words="还是我")
    for reader in (store, other):
        texts = [line.event.text for line in await reader.transcript(KEY, limit=9) if line.event]
        assert texts == ["我又来了", "还是我"]
    # A late redelivery is no news.
    assert not await store.accept(event(WORDS, id="e1"), b"", queue_limit=9, now=T0)
    await other.close()


async def test_what_waits_or_runs_is_given_up_by_an_erasure(store: Store) -> None:
    await store.accept(event("一", id="e1"), b"", queue_limit=9, now=T0)
    await store.accept(event("二", id="e2"), b"", queue_limit=9, now=T0)
    [claim] = await store.claim(now=T0, lease_s=30, limit=9)
    await Custody(store).erase(WANG, **TWO, now=T0)
    with pytest.raises(LeaseLost):
        await store.complete(claim, Outcome(seen=WORDS), now=T0)
    assert await store.claim(now=T0 + 60, lease_s=30, limit=9) == []
    assert (await store.depths()).inbox == 0
    await store.accept(event("三", id="e3"), b"", queue_limit=9, now=T0)
    assert len(await store.claim(now=T0, lease_s=30, limit=9)) == 1


async def test_in_a_group_only_the_members_own_words_go(store: Store) -> None:
    for sender, id in (("wang", "g1"), ("li", "g2")):
        await store.accept(group_event(f"{sender} says", sender=sender, id=id), b"", queue_limit=9, now=T0)
        [claim] = await store.claim(now=T0, lease_s=30, limit=9)
        outcome = Outcome(messages=(group_reply(f"to {sender}", f"k{id}"),), seen=f"{sender} says")
        await store.complete(claim, outcome, now=T0)
    await send_all(store)
    custody = Custody(store)
    assert (await custody.find(WANG)).groups == ("fake|test|room|",)
    await custody.erase(WANG, **TWO, now=T0)
    lines = await store.transcript("fake|test|room|", limit=9)
    assert [(line.event or line.message).text for line in lines] == ["to wang", "li says", "to li"]  # type: ignore[union-attr]
    # What the bot said to a room isn't one customer's to erase by the room's key.
    assert (await custody.find("fake|test|room|")).index == ""


async def test_an_erasure_takes_what_a_groups_state_remembers_of_a_member(store: Store) -> None:
    room, wang, li = "fake|test|room|", "fake|test|room||wang", "fake|test|room||li"
    state: dict[str, Any] = {
        "risk": {wang: {"tail": "wangs words"}, li: {"tail": "lis words"}},
        "confirm": {wang: {"text": "wangs wish", "until": T0}},
        "complaint": {wang: {"at": T0, "opened": True}, li: {"at": T0, "opened": False}},
        "unsure": [1, wang, T0],
        "warned": {"caution": T0},
        "choices": [["yes", "confirm:1:yes"]],
    }
    for sender, id in (("wang", "g1"), ("li", "g2")):
        await store.accept(group_event("words", sender=sender, id=id), b"", queue_limit=9, now=T0)
        [claim] = await store.claim(now=T0, lease_s=30, limit=9)
        await store.complete(claim, Outcome(seen="words", state=state), now=T0)
    # The transcript is gone in time, and what the state holds of him is found all the same.
    await store.write(lambda c: c.execute(delete(history)))
    await store.write(lambda c: c.execute(update(inbox).values(subject=None)))
    await store.accept(group_event("more", sender="li", id="g3"), b"", queue_limit=9, now=T0)
    [under_way] = await store.claim(now=T0, lease_s=30, limit=9)
    await Custody(store).erase(WANG, **TWO, now=T0)
    # A turn that holds the state as it was can't write it back.
    with pytest.raises(LeaseLost):
        await store.complete(under_way, Outcome(state=state), now=T0)
    [again] = await store.claim(now=T0, lease_s=30, limit=9)
    assert again.event.event_id == "g3"
    assert again.state == {
        "risk": {li: {"tail": "lis words"}},
        "confirm": {},
        "complaint": {li: {"at": T0, "opened": False}},
        "warned": {"caution": T0},
        "choices": [["yes", "confirm:1:yes"]],
    }
    assert again.event.conversation.key == room


async def test_a_group_that_remembers_nothing_of_a_member_is_left_alone(store: Store) -> None:
    for sender, id in (("wang", "g1"), ("li", "g2")):
        await store.accept(group_event("words", sender=sender, id=id), b"", queue_limit=9, now=T0)
        [claim] = await store.claim(now=T0, lease_s=30, limit=9)
        await store.complete(claim, Outcome(seen="words", state={"warned": {"caution": T0}}), now=T0)
    await store.accept(group_event("more", sender="li", id="g3"), b"", queue_limit=9, now=T0)
    [under_way] = await store.claim(now=T0, lease_s=30, limit=9)
    await Custody(store).erase(WANG, **TWO, now=T0)
    await store.complete(under_way, Outcome(), now=T0)


async def test_an_erasure_takes_two_people(store: Store) -> None:
    await converse(store)
    for by, second in (("chen", "chen"), ("", "chen"), ("", "")):
        with pytest.raises(NotAllowed, match="two different people"):
            await Custody(store).erase(WANG, by=by, second=second, now=T0)


async def test_a_legal_hold_stops_erasure_and_retention(store: Store) -> None:
    await converse(store)
    await converse(store, chat="li", id="e2")
    custody = Custody(store)
    await custody.hold(WANG, reason="case 7", **TWO, now=T0)
    with pytest.raises(NotAllowed, match="legal hold"):
        await custody.erase(WANG, **TWO, now=T0)
    await store.sweep(now=T0 + 400 * DAY, retention=Retention())
    assert len(await store.transcript(KEY, limit=9)) == 2
    assert await store.transcript("fake|test|li|", limit=9) == []
    assert await custody.release(WANG, **TWO, now=T0)
    assert not await custody.release(WANG, **TWO, now=T0)
    await custody.erase(WANG, **TWO, now=T0)
    assert await store.transcript(KEY, limit=9) == []


async def counts(store: Store, now: float) -> dict[str, int]:
    found = {}
    for step in steps(Retention(), now, store.keys.ring.audit):
        found[step.name] = await store.read(step.count)
    return {name: number for name, number in found.items() if number}


async def test_each_kind_of_data_goes_when_its_own_time_is_over(store: Store) -> None:
    await converse(store)
    await store.keep_attachment("r", conversation(), StoredFile("n", "m", b"x"), now=T0)
    assert await counts(store, T0 + 29 * DAY) == {}
    month = {"raw payloads": 1, "inbox contents": 1, "outbox contents": 1, "vault": 1}
    assert await counts(store, T0 + 31 * DAY) == month
    await store.sweep(now=T0 + 31 * DAY, retention=Retention())
    assert await counts(store, T0 + 31 * DAY) == {}
    # The transcript is still whole, and a redelivery still recognised.
    assert len(await store.transcript(KEY, limit=9)) == 2
    assert not await store.accept(event(id="e1"), b"", queue_limit=9, now=T0)
    assert await counts(store, T0 + 91 * DAY) == {"attachments": 1}
    await store.sweep(now=T0 + 181 * DAY, retention=Retention())
    assert await store.transcript(KEY, limit=9) == []
    assert (await store.verify_audit()).entries == 2
    await store.sweep(now=T0 + 3651 * DAY, retention=Retention())
    assert (await store.verify_audit()).entries == 0
    # Keys that seal nothing go too (their age is by the real clock here).
    left = await store.read(lambda c: c.execute(select(subjects.c.subject)).scalars().all())
    assert left == []


async def keep_ticket_and_profile(store: Store) -> None:
    """What lies on file of the customer WANG since T0."""

    def write(connection: Connection) -> None:
        seal = store.keys.of(connection, KEY)
        data = seal.seal("profiles", "data", KEY, '{"age":40}')
        connection.execute(insert(profiles).values(whose=KEY, data=data, updated_at=T0, subject=seal.id))
        ticket = {
            "number": "T-1",
            "conversation": KEY,
            "place": "{}",
            "whose": KEY,
            "department": "cards",
            "reason": "asked",
            "severity": "P3",
            "opened_at": T0,
            "due": T0,
            "updated_at": T0,
            "summary": seal.seal("tickets", "summary", "T-1", WORDS),
            "subject": seal.id,
        }
        connection.execute(insert(tickets).values(ticket))

    await store.write(write)


async def test_tickets_and_profiles_have_their_time_too(store: Store) -> None:
    await converse(store)
    await keep_ticket_and_profile(store)
    await store.sweep(now=T0 + 1094 * DAY, retention=Retention())
    assert await counts(store, T0 + 1094 * DAY) == {}
    assert await counts(store, T0 + 1096 * DAY) == {"tickets' summaries": 1, "profiles": 1}
    short = Retention(tickets=30, profiles=1095)
    await store.sweep(now=T0 + 1094 * DAY + 7200, retention=short)
    left = await store.read(lambda c: c.execute(select(tickets.c.number, tickets.c.summary)).all())
    assert [tuple(row) for row in left] == [("T-1", "")]
    assert len(await store.read(lambda c: c.execute(select(profiles)).all())) == 1
    await store.sweep(now=T0 + 1096 * DAY, retention=Retention())
    assert await store.read(lambda c: c.execute(select(profiles)).all()) == []


async def test_the_profile_of_a_customer_who_still_comes_stays(store: Store) -> None:
    await keep_ticket_and_profile(store)
    for age, id in ((0.5, "e1"), (900, "e2")):
        at = T0 + age * DAY
        await store.accept(event("你好", id=id), b"", queue_limit=9, now=at)
        [claim] = await store.claim(now=at, lease_s=30, limit=9)
        await store.complete(claim, Outcome(seen="你好"), now=at)
    assert "profiles" not in await counts(store, T0 + (900 + 1094) * DAY)
    assert (await counts(store, T0 + (900 + 1096) * DAY))["profiles"] == 1


async def test_a_legal_hold_keeps_tickets_and_profiles(store: Store) -> None:
    await converse(store)
    await keep_ticket_and_profile(store)
    await Custody(store).hold(WANG, reason="case 7", **TWO, now=T0)
    found = await counts(store, T0 + 2000 * DAY)
    assert not {"tickets' summaries", "profiles"} & found.keys()


async def test_a_fresh_look_for_what_is_due_waits_an_hour(store: Store) -> None:
    await store.sweep(now=T0 + 30.5 * DAY, retention=Retention())
    await converse(store)
    await store.sweep(now=T0 + 30.5 * DAY + 1800, retention=Retention())
    assert (await counts(store, T0 + 30.5 * DAY))["raw payloads"] == 1
    await store.sweep(now=T0 + 30.5 * DAY + 3601, retention=Retention())
    assert await counts(store, T0 + 30.5 * DAY) == {}


# ── vault ──


async def test_the_vault_reveals_by_role_and_reason_and_two_people(store: Store) -> None:
    vault = Vault(store, Approvals(), lambda: T0)
    token = await vault.put(KEY, "PHONE", "13800000000", "138****0000")
    for arguments in (
        {"by": "chen", "role": "privacy", "reason": " "},
        {"by": "", "role": "privacy", "reason": "call back"},
        {"by": "chen", "role": "privacy", "reason": "call back"},
        {"by": "chen", "role": "privacy", "reason": "call back", "second": "chen"},
    ):
        with pytest.raises(NotAllowed):
            await vault.reveal(token, **arguments)
    assert (await store.verify_audit()).entries == 0
    value = await vault.reveal(token, by="chen", role="privacy", reason="call back", second="zhou")
    assert value == "13800000000"
    with pytest.raises(StoreError, match="nothing in the vault"):
        await vault.reveal("v_none", by="chen", role="privacy", reason="call back", second="zhou")
    kinds = await store.read(lambda c: c.execute(select(audit.c.kind, audit.c.data)).all())
    assert [row.kind for row in kinds] == ["vault.revealed", "vault.missed"]
    assert "13800000000" not in str(kinds)


@pytest.mark.parametrize("kind", ["OTP", "PIN", "CVV", "PASSWORD", "cvv"])
def test_authentication_data_is_never_kept(kind: str) -> None:
    with pytest.raises(NotAllowed, match="never stored"):
        Secret("v_1", kind, "123456", "***")


def test_a_secret_does_not_show_its_value() -> None:
    assert "13800000000" not in repr(Secret("v_1", "PHONE", "13800000000", "138****0000"))


class Roster:
    """Two people of the staff file."""

    present = True

    def may(self, id: str, permission: str) -> bool:
        return id in {"chen", "zhou"} and permission == "personal.reveal"

    def roles_of(self, id: str) -> tuple[str, ...]:
        return ("privacy",)


def test_with_a_staff_file_only_its_people_may() -> None:
    staff = Approvals(Roster())
    staff.require("personal.reveal", "chen", "zhou", role="privacy")
    for by, second, role in (("chen", "li", ""), ("li", "zhou", ""), ("chen", "zhou", "admin")):
        with pytest.raises(NotAllowed):
            staff.require("personal.reveal", by, second, role=role)
    with pytest.raises(NotAllowed):
        staff.require("customer.erase", "chen", "zhou")


async def test_tickets_and_profiles_are_handed_out_and_blanked_too(store: Store) -> None:
    await converse(store)
    await keep_ticket_and_profile(store)
    custody = Custody(store)
    found = await custody.export(WANG, by="chen", now=T0)
    assert found["profile"][0]["profile"] == {"age": 40}
    assert found["tickets"][0]["summary"] == WORDS
    erased = await custody.erase(WANG, **TWO, now=T0)
    assert ("tickets", 1) in [(what, number) for what, number, _ in erased.kept]
    left = await store.read(lambda c: c.execute(select(tickets.c.number, tickets.c.summary)).all())
    assert [tuple(row) for row in left] == [("T-1", "")]
    assert await store.read(lambda c: c.execute(select(profiles)).all()) == []
