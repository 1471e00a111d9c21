"""Tickets with the real store: opened, added to, raised, told; on both databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from bot.config.staff import Staff, StaffFile
from bot.rails.base import reply
from bot.rails.human import HUMAN
from bot.store import Outcome, Store, audit
from bot.store.custody import Custody
from bot.store.tickets import forget
from bot.tickets.numbers import parse
from bot.tickets.open import open_ticket
from bot.tickets.request import asks_for_person
from bot.tickets.ticket import Committed, Department, Severity, Ticket, TicketDraft
from bot.types import Card, HandOver, InboundEvent, OutboundMessage, Text
from inference.summary import ConversationNotes
from tests.bot.trust.rig import group_event
from tests.make import event

MONDAY = datetime.fromisoformat("2026-11-23T10:00:00+08:00")
NOW = MONDAY.timestamp()
ACCOUNTS = [("fake", "test"), ("slack", "default")]
STAFF = Staff(
    StaffFile.model_validate({"departments": {"default": {"channel": {"platform": "slack", "chat": "C1"}}}})
)
NOBODY = Staff()


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


def draft(
    incoming: InboundEvent,
    *,
    department: Department = "cards",
    severity: Severity = "P3",
    reason: str = "card_lost",
    staff: Staff = STAFF,
    now: datetime = MONDAY,
    **more: object,
) -> TicketDraft:
    return open_ticket(
        incoming,
        staff=staff,
        now=now,
        department=department,
        reason=reason,
        severity=severity,
        text=incoming.text,
        hotline="000-95501",
        **more,  # type: ignore[arg-type]
    )


async def turn(store: Store, incoming: InboundEvent, *drafts: TicketDraft) -> list[Committed]:
    await store.accept(incoming, b"", queue_limit=10, now=NOW)
    [claim] = await store.claim(now=NOW, lease_s=30, limit=1)
    return await store.complete(claim, Outcome(seen=incoming.text, tickets=drafts), now=NOW)


async def sent(store: Store) -> list[OutboundMessage]:
    """What would go out now, marked as sent."""
    messages = []
    while found := await store.claim_sends(ACCOUNTS, now=NOW, lease_s=30, limit=20):
        for dispatch in found:
            messages.append(dispatch.message)
            await store.sent(dispatch, "1", now=NOW)
    return messages


async def open_tickets(store: Store) -> list[Ticket]:
    return await store.tickets()


async def test_a_ticket_tells_the_customer_and_the_staff(store: Store) -> None:
    incoming = event("卡丢了，救命")
    [done] = await turn(store, incoming, draft(incoming, severity="P1", reason="asked_for_person"))
    assert done.outcome == "opened"
    number = done.ticket.number
    assert parse(number) == number
    assert number.startswith("T-20261123-0001")
    customer, staff = await sent(store)
    assert number in customer.text
    assert "15分钟内" in customer.text
    assert customer.parts[-1] == HandOver("cards")
    assert staff.conversation.key == "slack|default|C1|"
    [card] = staff.parts
    assert isinstance(card, Card)
    assert number in card.title
    assert "P1" in card.title
    fields = dict(card.fields)
    assert fields["答复时限"] == "2026-11-23 10:15"
    assert fields["事由"] == "客户要求人工服务"
    assert fields["会话"] == "fake/test · wang"
    assert card.text == "客户：卡丢了，救命"


async def test_numbers_count_by_day(store: Store) -> None:
    numbers = []
    for chat, now in (("a", MONDAY), ("b", MONDAY), ("c", MONDAY + timedelta(days=1))):
        incoming = event("转人工", chat=chat)
        [done] = await turn(store, incoming, draft(incoming, now=now))
        numbers.append(done.ticket.number[:15])
    assert numbers == ["T-20261123-0001", "T-20261123-0002", "T-20261124-0001"]


async def test_a_second_escalation_adds_to_the_open_case(store: Store) -> None:
    first, second = event("卡丢了"), event("怎么还没人")
    [opened] = await turn(store, first, draft(first))
    await sent(store)
    [added] = await turn(store, second, draft(second))
    assert (added.outcome, added.ticket.number) == ("added", opened.ticket.number)
    assert len(await open_tickets(store)) == 1
    [customer] = await sent(store)  # staff aren't told the same thing again
    assert opened.ticket.number in customer.text
    found = await store.ticket(opened.ticket.number)
    assert found is not None
    ticket, history = found
    assert [change.kind for change in history] == ["opened", "added"]
    assert ticket.summary == "客户：怎么还没人"
    assert ticket.due == opened.ticket.due


async def test_a_graver_escalation_raises_the_case_and_tells_staff(store: Store) -> None:
    first, second = event("卡丢了"), event("有人在刷我的卡")
    [opened] = await turn(store, first, draft(first))
    await sent(store)
    [raised] = await turn(store, second, draft(second, severity="P1", reason="card_misused"))
    assert (raised.outcome, raised.ticket.severity) == ("raised", "P1")
    assert raised.ticket.due < opened.ticket.due
    customer, staff = await sent(store)
    assert "15分钟内" in customer.text
    assert isinstance(staff.parts[0], Card)
    assert "升级" in staff.parts[0].title


async def test_a_milder_escalation_doesn_t_lower_the_case(store: Store) -> None:
    first, second = event("有人在刷我的卡"), event("另外问一下换卡")
    await turn(store, first, draft(first, severity="P1"))
    [added] = await turn(store, second, draft(second, severity="P4"))
    assert (added.outcome, added.ticket.severity) == ("added", "P1")


async def test_another_department_gets_a_case_of_its_own(store: Store) -> None:
    first, second = event("卡丢了"), event("我被骗了")
    await turn(store, first, draft(first))
    [other] = await turn(store, second, draft(second, department="fraud_risk", severity="P1"))
    assert other.outcome == "opened"
    assert [ticket.department for ticket in await open_tickets(store)] == ["fraud_risk", "cards"]


async def test_a_plain_wish_for_a_person_joins_whatever_is_open(store: Store) -> None:
    first, second = event("我被骗了"), event("转人工")
    [opened] = await turn(store, first, draft(first, department="fraud_risk", severity="P1"))
    [joined] = await turn(store, second, draft(second, department="contact_center", joins=True))
    assert joined.ticket.number == opened.ticket.number
    assert joined.ticket.department == "fraud_risk"


async def test_a_members_case_tells_nothing_of_what_others_in_the_group_said(store: Store) -> None:
    for sender, words in (("wang", "我被骗了五万"), ("li", "卡丢了怎么办"), ("wang", "怎么还款")):
        said = group_event(words, sender=sender, id=f"{sender}-{words}")
        await store.accept(said, b"", queue_limit=100, now=NOW)
        [claim] = await store.claim(now=NOW, lease_s=30, limit=1)
        answer = reply(said, "zh", Text(f"re: {words}"))
        await store.complete(claim, Outcome(messages=(answer,), seen=words), now=NOW)
    wish = group_event("转人工", sender="li", id="wish")
    found = await store.exchanges(wish.conversation.key, limit=6, since=0)
    assert [exchange.asker.rpartition("|")[2] for exchange in found] == ["wang", "li", "wang"]
    draft = open_ticket(
        wish,
        staff=NOBODY,
        now=MONDAY,
        department="cards",
        reason="asked_for_person",
        severity="P3",
        text="转人工",
        history=found,
        notes=ConversationNotes(lambda id, language: "", asks_for_person),
    )
    assert "卡丢了怎么办" in draft.summary
    assert "re: 卡丢了怎么办" in draft.summary
    assert "骗" not in draft.summary
    assert "还款" not in draft.summary


async def test_members_of_a_group_have_cases_of_their_own(store: Store) -> None:
    place = event().conversation
    group = type(place)(place.platform, place.account, "g", kind="group")
    drafts = []
    for sender in ("wang", "zhao"):
        incoming = event("转人工", chat=sender)
        incoming = type(incoming)(
            **{**{f: getattr(incoming, f) for f in incoming.__struct_fields__}, "conversation": group}
        )
        [done] = await turn(store, incoming, draft(incoming))
        drafts.append(done)
    assert [done.outcome for done in drafts] == ["opened", "opened"]
    assert [done.ticket.subject for done in drafts] == ["fake|test|g||wang", "fake|test|g||zhao"]


async def test_the_same_cause_is_taken_once(store: Store) -> None:
    incoming = event("转人工", id="same")
    twice = draft(incoming)
    first, second = await turn(store, incoming, twice, twice)
    assert (first.outcome, second.outcome) == ("opened", "repeated")
    assert first.ticket.number == second.ticket.number
    assert len(await sent(store)) == 2


async def test_without_a_channel_the_customer_is_told_honestly(store: Store) -> None:
    incoming = event("转人工")
    [done] = await turn(store, incoming, draft(incoming, staff=NOBODY))
    assert not done.posted
    [customer] = await sent(store)
    assert done.ticket.number in customer.text
    assert "000-95501" in customer.text
    assert "会有人" not in customer.text
    assert len(await open_tickets(store)) == 1


async def test_where_staff_speak_already_nothing_is_said_twice(store: Store) -> None:
    incoming = event("我要投诉")
    await turn(store, incoming, draft(incoming, owner="chen.min"))
    [staff] = await sent(store)
    assert staff.conversation.platform == "slack"


async def test_a_late_case_is_told_again_and_owned_up_to(store: Store) -> None:
    first, second = event("卡丢了"), event("都两天了")
    await turn(store, first, draft(first))
    await sent(store)
    await turn(store, second, draft(second, now=MONDAY + timedelta(days=2)))
    customer, staff = await sent(store)
    assert "久等" in customer.text
    assert staff.conversation.platform == "slack"


async def test_outside_opening_hours_it_says_when_the_bank_opens(store: Store) -> None:
    incoming = event("help me please", locale="en")
    sunday = datetime.fromisoformat("2026-11-22T20:00:00+08:00")
    await turn(store, incoming, draft(incoming, now=sunday, language="en"))
    customer, _ = await sent(store)
    assert "before 17:30 tomorrow" in customer.text
    assert "back 9:00 tomorrow" in customer.text
    assert "000-95501" in customer.text


async def test_a_warning_comes_first_in_the_same_message(store: Store) -> None:
    incoming = event("我刚转给骗子了")
    warning = "请马上拨打96110或110。"
    await turn(store, incoming, draft(incoming, severity="P1", before=warning))
    customer, _ = await sent(store)
    assert customer.kind == "warning"
    assert customer.text.startswith(warning)


async def test_a_turn_that_lost_its_lease_opens_nothing(store: Store) -> None:
    from bot.errors import LeaseLost

    incoming = event("转人工")
    await store.accept(incoming, b"", queue_limit=10, now=NOW)
    [claim] = await store.claim(now=NOW, lease_s=1, limit=1)
    await store.claim(now=NOW + 5, lease_s=30, limit=1)
    with pytest.raises(LeaseLost):
        await store.complete(claim, Outcome(tickets=(draft(incoming),)), now=NOW + 6)
    assert await open_tickets(store) == []
    assert await sent(store) == []


async def test_a_complaint_has_its_own_limit_beside(store: Store) -> None:
    incoming = event("我要投诉")
    [done] = await turn(store, incoming, draft(incoming, department="consumer_protection", complaint=True))
    assert done.ticket.complaint_due == datetime.fromisoformat("2026-12-09T00:00:00+08:00").timestamp()
    _, staff = await sent(store)
    assert isinstance(staff.parts[0], Card)
    assert dict(staff.parts[0].fields)["投诉办结时限"] == "2026-12-08 23:59"


async def test_tickets_are_listed_by_urgency_and_overdue_ones_apart(store: Store) -> None:
    for chat, severity in (("a", "P4"), ("b", "P1"), ("c", "P3")):
        incoming = event("转人工", chat=chat)
        await turn(store, incoming, draft(incoming, severity=severity))  # type: ignore[arg-type]
    assert [ticket.severity for ticket in await open_tickets(store)] == ["P1", "P3", "P4"]
    late = await store.tickets(overdue_at=NOW + 3600)
    assert [ticket.severity for ticket in late] == ["P1"]
    assert len(await store.tickets(department="loans")) == 0


async def test_what_was_written_lies_sealed_and_can_be_forgotten(store: Store) -> None:
    incoming = event("我的秘密")
    [done] = await turn(store, incoming, draft(incoming))
    number = done.ticket.number

    def raw(connection: object) -> str:
        from sqlalchemy import text

        return str(connection.execute(text("SELECT summary FROM tickets")).scalar())  # type: ignore[attr-defined]

    assert "秘密" not in await store._read(raw)
    assert await store._writer.run(lambda c: forget(c, done.ticket.subject)) == 1
    found = await store.ticket(number)
    assert found is not None
    assert found[0].summary == ""
    assert found[0].department == "cards"


async def test_the_record_names_the_ticket_without_the_customer_s_words(store: Store) -> None:
    incoming = event("我的秘密")
    await turn(store, incoming, draft(incoming, rules=("scam.safe_account",)))

    def raw(connection: object) -> list[tuple[str, str]]:
        from sqlalchemy import text

        rows = connection.execute(text("SELECT kind, data FROM audit")).all()  # type: ignore[attr-defined]
        return [(row.kind, row.data) for row in rows]

    [(kind, data)] = await store._read(raw)
    assert kind == "ticket.opened"
    assert "scam.safe_account" in data
    assert "秘密" not in data


def test_the_button_s_value_is_no_passage_or_saying() -> None:
    assert not HUMAN.startswith(("kb:", "say:"))


async def test_many_at_once_get_numbers_of_their_own(store: Store) -> None:
    incoming = [event("转人工", chat=f"c{n}") for n in range(20)]
    await asyncio.gather(*(store.accept(one, b"", queue_limit=50, now=NOW) for one in incoming))
    other = await Store.open(store.url)
    claims = await store.claim(now=NOW, lease_s=30, limit=20)

    async def complete(number: int) -> list[Committed]:
        claim, where = claims[number], (store, other)[number % 2]
        return await where.complete(claim, Outcome(tickets=(draft(claim.event),)), now=NOW)

    done = await asyncio.gather(*(complete(number) for number in range(20)))
    await other.close()
    numbers = sorted(committed.ticket.number for [committed] in done)
    assert [number[11:15] for number in numbers] == [f"{n:04d}" for n in range(1, 21)]
    assert len(await sent(store)) == 40


async def test_what_staff_were_told_goes_with_the_customer_and_isn_t_handed_to_them(store: Store) -> None:
    incoming = event("我的卡丢了，在紫色大象旁边")
    await turn(store, incoming, draft(incoming))
    customer, staff = await sent(store)
    assert isinstance(staff.parts[0], Card)
    custody, id = Custody(store), incoming.conversation.key
    found = await custody.find(id)
    assert (found.conversations, found.groups) == ((id,), ())
    export = await custody.export(id, by="chen", now=NOW)
    assert [row["message"]["idempotency_key"] for row in export["sent"]] == [customer.idempotency_key]
    assert {row["conversation"] for row in export["transcript"]} == {id}
    await custody.erase(id, by="chen", second="li", now=NOW)
    assert await store.transcript(staff.conversation.key, limit=10) == []
    assert await store.released(staff.conversation.key, after=0) == []


async def test_what_a_ticket_makes_teller_say_is_on_the_record_as_it_is_sent(store: Store) -> None:
    incoming = event("我的卡丢了")
    await turn(store, incoming, draft(incoming))
    await sent(store)
    rows = await store.read(lambda c: [(row.kind, json.loads(row.data)) for row in audit.entries(c)])
    [opened] = [data for kind, data in rows if kind == "ticket.opened"]
    prints = [[data["message"], data["print"]] for kind, data in rows if kind == "message.sent"]
    assert opened["messages"] == prints
    assert len(prints) == 2
