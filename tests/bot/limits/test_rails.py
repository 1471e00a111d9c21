"""The two rails: safety sees everything, answers are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.config import Config
from bot.limits.meter import Meter
from bot.locales import LANGUAGES, say
from bot.rails.base import Context, Handler, chain, reply
from bot.rails.limits import Exempt, gate, meter
from bot.rails.normalise import normalise
from bot.rails.owner import owner
from bot.store import AuditEntry, Outcome, Owner
from bot.types import InboundEvent, Sticker, Text
from tests.bot.limits.making import config, said
from tests.bot.limits.test_meter import LISTS, different

TIGHT = config(sender={"per_minute": 1, "burst": 1})
SCAM = "他让我把钱转到安全账户"


class Counter:
    """The chain, with a risk rail that knows one sentence, and an answer that counts its work."""

    def __init__(self, rules: Config, exempt: Exempt = lambda event, context: False) -> None:
        self.rules = rules
        self.answers = 0
        self.read: list[str] = []
        """What reached the risk rail."""
        decide = Meter()
        self.handler = chain((meter(decide), normalise, self.risk, owner, gate(decide, exempt)), self.answer)

    async def risk(self, handler: Handler, event: InboundEvent, context: Context) -> Outcome:
        self.read.append(context.text)
        outcome = await handler(event, context)
        if SCAM not in context.text:
            return outcome
        warning = reply(event, context.language, Text("这是诈骗"), kind="warning", number=1)
        return replace(outcome, messages=(warning, *outcome.messages))

    async def answer(self, event: InboundEvent, context: Context) -> Outcome:
        self.answers += 1
        message = reply(event, context.language, Text("答"))
        return Outcome((message,), ("p",), context.text, audit=(AuditEntry("turn.answered", {}),))

    async def say(self, event: InboundEvent, **context: object) -> Outcome:
        return await self.handler(event, Context(self.rules, **context))  # type: ignore[arg-type]


def words(outcome: Outcome) -> list[str]:
    return [message.text for message in outcome.messages]


async def test_beyond_the_rate_there_is_one_notice_then_silence_and_all_is_recorded() -> None:
    counter = Counter(TIGHT)
    outcomes = [await counter.say(said(different(n))) for n in range(4)]
    hotline = Config().bank.hotline
    assert [words(o) for o in outcomes] == [["答"], [say("limits.rate", "zh", hotline=hotline)], [], []]
    assert [o.seen for o in outcomes] == [different(n) for n in range(4)]
    assert [o.audit[-1].kind for o in outcomes] == ["turn.answered"] + ["limits.refused"] * 3
    assert outcomes[1].audit[-1].data == {"why": "rate", "notice": True}
    assert outcomes[2].messages == ()
    assert counter.answers == 1


@pytest.mark.parametrize("rules", [TIGHT, LISTS], ids=["too fast", "denied"])
async def test_a_limited_sender_is_still_warned(rules: Config) -> None:
    counter = Counter(rules)
    for n in range(3):
        await counter.say(said(different(n), by="12345"))
    outcome = await counter.say(said(SCAM, by="12345"))
    assert words(outcome) == ["这是诈骗"]
    assert counter.read[-1] == SCAM


async def test_what_a_limited_sender_writes_too_long_is_read_to_its_limit() -> None:
    counter = Counter(TIGHT)
    await counter.say(said(different(1)))
    outcome = await counter.say(said(SCAM + "长" * 50_000))
    assert words(outcome)[0] == "这是诈骗"
    assert len(counter.read[-1]) == TIGHT.limits.message_chars
    grows = "ﷺ" * 3000  # each becomes eighteen characters
    assert words(await counter.say(said(grows))) == []


async def test_a_hundred_stickers_get_few_replies() -> None:
    counter = Counter(TIGHT)
    sticker = said("")
    replies = 0
    for n in range(100):
        event = replace_parts(sticker, f"s{n}")
        outcome = await counter.say(event)
        replies += len(outcome.messages)
        assert outcome.audit or n == 0
    assert replies == 2  # what a sticker gets, and the notice


def replace_parts(event: InboundEvent, id: str) -> InboundEvent:
    return InboundEvent(
        id, event.conversation, event.sender, "message", (Sticker("x", "😀"),), event.occurred_at,
        event.received_at, "c",
    )  # fmt: skip


async def test_the_same_question_again_is_said_to_be_answered_and_costs_nothing() -> None:
    counter = Counter(Config())
    first, second, third = [await counter.say(said("How do I open an account?", n)) for n in range(3)]
    assert words(first) == ["答"]
    assert "answered that a moment ago" in words(second)[0]
    assert words(third) == []
    assert counter.answers == 1


async def test_a_repeated_warning_comes_again_although_the_answer_doesn_t() -> None:
    counter = Counter(Config())
    assert words(await counter.say(said(SCAM))) == ["这是诈骗", "答"]
    assert words(await counter.say(said(SCAM, 1)))[0] == "这是诈骗"
    assert counter.answers == 1


async def test_who_asks_for_a_person_is_heard_though_limited_but_not_if_denied() -> None:
    asks = lambda event, context: context.text == "转人工"  # noqa: E731
    counter = Counter(TIGHT, asks)
    await counter.say(said(different(1)))
    assert words(await counter.say(said("转人工"))) == ["答"]
    denied = Counter(LISTS, asks)
    assert words(await denied.say(said("转人工", by="12345"))) == []


async def test_a_turn_that_runs_again_says_the_same() -> None:
    counter = Counter(TIGHT)
    await counter.say(said(different(1)))
    event = said(different(2))
    assert words(await counter.say(event)) == words(await counter.say(event)) != []
    assert words(await counter.say(said(different(3)))) == []


async def test_while_staff_speak_there_is_no_notice() -> None:
    counter = Counter(TIGHT)
    for n in range(4):
        outcome = await counter.say(said(different(n)), owner=Owner("staff", 1))
        assert outcome.messages == ()
        assert outcome.audit[-1].kind == "turn.left_to_staff"


async def test_only_what_will_be_answered_shows_that_somebody_is_typing() -> None:
    shown: list[str] = []

    async def show(text: str) -> None:
        shown.append(text)

    counter = Counter(TIGHT)
    for n in range(3):
        await counter.say(said(different(n)), show=show)
    assert shown == [""]


async def test_a_campaign_is_in_the_audit_without_its_words() -> None:
    counter = Counter(config(campaigns={"senders": 3}))
    rumour = "听说澜湾银行明天要停止取款了是真的吗"
    outcomes = [await counter.say(said(rumour, by=f"p{n}")) for n in range(4)]
    kinds = [[entry.kind for entry in o.audit] for o in outcomes]
    assert kinds == [["turn.answered"]] * 2 + [["limits.campaign", "turn.answered"], ["turn.answered"]]
    data = outcomes[2].audit[0].data
    assert data["senders"] == 3
    assert "取款" not in str(data)


def test_every_reason_has_its_words_in_both_languages() -> None:
    for why in ("denied", "rate", "group_rate", "crowd", "answered", "flood"):
        for language in LANGUAGES:
            assert "000-95501" in say(f"limits.{why}", language, hotline="000-95501")


async def test_a_flood_of_stickers_is_not_answered_over_staff() -> None:
    counter = Counter(TIGHT)
    for n in range(6):
        outcome = await counter.say(said("😀", id=f"s{n}"), owner=Owner("staff-1", 1))
        assert words(outcome) == []
