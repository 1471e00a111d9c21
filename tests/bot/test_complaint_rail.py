"""The complaint rail: what opens a ticket, what is asked back, and what goes on to its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from bot.config import Config
from bot.locales import say
from bot.rails.base import Context, chain, reply
from bot.rails.complaint import COMPLAINT, complaint
from bot.rails.human import HUMAN
from bot.store import Outcome, Owner
from bot.types import Assessment, Buttons, Conversation, Fired, InboundEvent, Sender, Text
from inference.complaints import Complaints, ComplaintsByMeaning
from tests.make import NOON, event


@dataclass(frozen=True)
class Found:
    is_complaint: float = 0.95
    named: bool = True
    department: str = "cards"
    severity: str = "P3"
    reasons: tuple[str, ...] = ("fault",)


class Router:
    """A router that finds what it is told to, and notes what it was asked."""

    def __init__(self, found: Found | Exception) -> None:
        self.found = found
        self.asked: list[str] = []

    async def route(self, text: str) -> Found:
        self.asked.append(text)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


async def answer(incoming: InboundEvent, context: Context) -> Outcome:
    return Outcome(messages=(reply(incoming, context.language, Text("答案")),), seen=context.text)


async def run(router: Any, incoming: InboundEvent | None = None, **known: Any) -> Outcome:
    incoming = incoming or event("年费乱收")
    given: dict[str, Any] = {"config": Config(), "text": incoming.text, "now": NOON} | known
    return await chain((complaint(router),), answer)(incoming, Context(**given))


def is_answered(outcome: Outcome) -> bool:
    return not outcome.tickets and [m.parts for m in outcome.messages] == [(Text("答案"),)]


async def test_a_clear_complaint_opens_a_ticket_and_isnt_answered() -> None:
    outcome = await run(Router(Found()))
    [draft] = outcome.tickets
    assert (draft.department, draft.severity, draft.reason) == ("cards", "P3", "complaint")
    assert draft.before == say("complaints.taken", "zh")
    assert "15天" in draft.before
    assert draft.complaint_due is not None
    assert not draft.joins
    assert outcome.messages == ()
    [entry] = outcome.audit
    assert entry.kind == "complaint.routed"
    assert "年费" not in str(entry.data)


async def test_the_words_follow_the_language() -> None:
    [draft] = (await run(Router(Found()), language="en")).tickets
    assert "15 days" in draft.before


@pytest.mark.parametrize(
    "known",
    [
        {"owner": Owner("staff:1")},
        {"config": Config.model_validate({"complaints": {"route": False}})},
        {"config": Config.model_validate({"complaints": {"at_least": 0.99}})},
        {"risk": Assessment("warn", rules=(Fired("t", 1, "warn", "scam", "caution"),))},
        {"text": "  "},
    ],
)
async def test_what_isnt_for_it_goes_on(known: dict[str, Any]) -> None:
    assert is_answered(await run(Router(Found()), **known))


async def test_a_button_a_command_and_no_router_go_on() -> None:
    router = Router(Found())
    assert is_answered(await run(router, event("年费", kind="button", value="kb:x")))
    assert is_answered(await run(router, event("年费", kind="command", value="/help")))
    assert is_answered(await run(None))
    assert router.asked == []


async def test_a_classifiers_word_of_caution_doesnt_hold_a_complaint_back() -> None:
    outcome = await run(Router(Found()), risk=Assessment("warn", reason="attention", attention=0.95))
    assert len(outcome.tickets) == 1


async def test_a_router_that_fails_loses_nothing() -> None:
    assert is_answered(await run(Router(RuntimeError("no"))))


async def test_an_unknown_department_goes_to_consumer_protection() -> None:
    [draft] = (await run(Router(Found(department="kitchen", severity="P9")))).tickets
    assert (draft.department, draft.severity) == ("consumer_protection", "P3")


async def test_displeasure_without_a_matter_is_asked_once_and_then_handed_over() -> None:
    vague = Router(Found(named=False, reasons=("angry",)))
    first = await run(vague)
    [message] = first.messages
    assert message.parts[0] == Text(say("complaints.what", "zh"))
    assert isinstance(message.parts[1], Buttons)
    assert message.parts[1].choices[0].value == HUMAN
    assert not first.tickets
    assert first.state is not None
    second = await run(vague, state=first.state)
    assert [draft.before for draft in second.tickets] == [say("complaints.taken", "zh")]
    assert not second.tickets[0].joins


async def test_a_bare_wish_to_complain_is_told_the_ways() -> None:
    assert is_answered(await run(Router(Found(named=False, reasons=("demand",)))))


async def test_what_is_added_joins_the_case_for_a_day() -> None:
    first = await run(Router(Found()))
    other = Router(Found(department="contact_center"))
    second = await run(other, state=first.state, now=NOON + timedelta(hours=23))
    assert [(d.joins, d.before) for d in second.tickets] == [(True, say("complaints.added", "zh"))]
    late = await run(other, state=first.state, now=NOON + timedelta(hours=25))
    assert [(d.joins, d.before) for d in late.tickets] == [(False, say("complaints.taken", "zh"))]


async def test_in_a_group_each_member_has_a_case_of_their_own() -> None:
    first = msgspec.structs.replace(
        event("年费乱收"), conversation=Conversation("fake", "test", "g", kind="group"), sender=Sender("a")
    )
    other = msgspec.structs.replace(first, sender=Sender("b"))
    state = (await run(Router(Found()), first)).state
    assert state is not None
    outcome = await run(Router(Found()), other, state=state)
    assert not outcome.tickets[0].joins
    assert outcome.state is not None
    assert len(outcome.state[COMPLAINT]) == 2


async def test_the_memory_of_a_group_stays_small() -> None:
    state: dict[str, Any] = {}
    for number in range(60):
        incoming = msgspec.structs.replace(
            event("年费乱收"),
            conversation=Conversation("fake", "test", "g", kind="group"),
            sender=Sender(f"m{number}"),
        )
        outcome = await run(Router(Found()), incoming, state=state)
        assert outcome.state is not None
        state = outcome.state
    assert len(state[COMPLAINT]) == 50


async def test_money_at_stake_and_a_person_in_need_come_first() -> None:
    hotline = Config().bank.hotline
    [urgent] = (await run(Router(Found(severity="P1", reasons=("funds_moving",))))).tickets
    assert urgent.before.startswith(say("complaints.at_once", "zh", hotline=hotline))
    assert say("complaints.taken", "zh") in urgent.before
    [need] = (await run(Router(Found(severity="P1", reasons=("self_harm", "funds_moving"))))).tickets
    assert need.before == say("complaints.in_need", "zh", hotline=hotline)


# ── with the real router ──

REAL = ComplaintsByMeaning(Complaints.load())


@pytest.mark.parametrize(
    ("text", "department", "severity"),
    [
        ("信用卡年费乱收，说好免的，要求退费！", "cards", "P3"),
        ("催收打我单位电话，恐吓我家人，你们管不管", "collections", "P2"),
        ("再不解决我明天就去银保监会投诉你们", "compliance", "P1"),
        ("Your app has crashed every day since the update and nobody fixes it", "ebank_it", "P3"),
    ],
)
async def test_complaints_reach_their_department(text: str, department: str, severity: str) -> None:
    [draft] = (await run(REAL, event(text))).tickets
    assert (draft.department, draft.severity) == (department, severity)


@pytest.mark.parametrize(
    "text",
    [
        "信用卡年费怎么收的？",
        "收不到验证码怎么办",
        "提前还款要收违约金吗",
        "转账一般多久到账",
        "怎么投诉",
        "我要投诉",
        "谢谢你，解决了",
        "建议增加夜间模式",
        "How do I dispute a charge on my card?",
        "My transfer from this morning isn't there yet, is that normal?",
        "Thanks, great service!",
    ],
)
async def test_questions_and_praise_are_answered(text: str) -> None:
    assert is_answered(await run(REAL, event(text)))


async def test_the_same_turn_run_twice_makes_the_same_draft() -> None:
    incoming = event("柜员态度恶劣，排队三个小时没人管")
    assert await run(REAL, incoming) == await run(REAL, incoming)
    assert replace((await run(REAL, incoming)).tickets[0], cause="") != replace(
        (await run(REAL, event("手机银行闪退，登不上，没人修"))).tickets[0], cause=""
    )
