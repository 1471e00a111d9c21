"""Turns and sender over a real store: retries, dead letters, fencing, order, pauses, shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.fake import FakePlatform
from bot.bus import MemoryBus
from bot.config import Config, LiveConfig, Loaded
from bot.config.staff import Staff, StaffFile
from bot.errors import RetryLater, SendAmbiguous, SendError, SendRefused
from bot.host import CounterHost
from bot.metrics import Metrics
from bot.rails.base import Context, reply
from bot.rails.human import escalation
from bot.sender import TRIES, Sender
from bot.store import Outcome, Store
from bot.turns import CRASHES, Turns
from bot.types import Card, Conversation, InboundEvent, Text
from inference.privacy.masker import TextMasker
from inference.privacy.masking import Masked
from tests.conftest import eventually
from tests.make import NOON


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


async def echo(event: InboundEvent, _context: Context) -> Outcome:
    return Outcome(messages=(reply(event, "zh", Text(f"re: {event.text}")),), seen=event.text)


class Bench:
    """Turns and a sender between a store and a fake platform."""

    def __init__(self, store: Store, platform: FakePlatform) -> None:
        self.store = store
        self.platform = platform
        self.clock = Clock()
        self.bus = MemoryBus()
        self.metrics = Metrics()
        config = Config()
        self.live = LiveConfig(Loaded(config, Path("teller.yaml"), "test"))
        self.fallback: Conversation | None = None
        """Where staff are told if a department's own channel can't be reached."""
        self.host = CounterHost(
            store, self.bus, self.live, self.metrics, self.clock, lambda: "id", TextMasker()
        )

    @asynccontextmanager
    async def working(self, handler: Callable[..., object] = echo) -> AsyncIterator[Bench]:
        await self.platform.start(self.host)
        turns = Turns(self.store, self.bus, self.live, handler, self.metrics, self.clock, masker=TextMasker())  # type: ignore[arg-type]
        platforms = {("fake", "test"): self.platform}
        sender = Sender(
            self.store,
            self.bus,
            platforms,
            self.metrics,
            self.clock,
            mask=lambda t: TextMasker().mask(t).text,
            fallback=lambda: self.fallback,
        )
        tasks = [asyncio.create_task(turns.run()), asyncio.create_task(sender.run())]
        await asyncio.sleep(0)
        yield self
        await turns.stop(1)
        await sender.stop(1)
        await asyncio.gather(*tasks)

    async def texts(self, count: int) -> list[str]:
        return [(await self.platform.reply()).text for _ in range(count)]

    async def recorded(self, condition: str, patience: float = 20) -> None:
        """Wait until the store holds a row for `condition`: only then may the clock move on."""
        async with asyncio.timeout(patience):
            while True:
                async with self.store._engine.connect() as connection:
                    query = f"SELECT 1 FROM {condition}"  # noqa: S608
                    if (await connection.exec_driver_sql(query)).first():
                        return
                await asyncio.sleep(0.01)

    async def open_letters(self) -> int:
        return (await self.store.depths()).dead_letters


@pytest.fixture
async def bench(store_url: str) -> AsyncIterator[Bench]:
    store = await Store.open(store_url)
    yield Bench(store, FakePlatform())
    await store.close()


async def test_each_message_gets_one_reply_in_order(bench: Bench) -> None:
    async with bench.working():
        for number in range(20):
            assert await bench.platform.say(str(number), id=f"m{number}")
            assert not await bench.platform.say(str(number), id=f"m{number}")
        assert await bench.texts(20) == [f"re: {number}" for number in range(20)]
    assert len(bench.platform.sent) == 20


async def test_conversations_don_t_wait_for_each_other(bench: Bench) -> None:
    release = asyncio.Event()

    async def slow_for_wang(event: InboundEvent, context: Context) -> Outcome:
        if event.conversation.chat == "wang":
            await release.wait()
        return await echo(event, context)

    async with bench.working(slow_for_wang):
        await bench.platform.say("slow", chat="wang")
        await bench.platform.say("quick", chat="li")
        assert await bench.texts(1) == ["re: quick"]
        release.set()
        assert await bench.texts(1) == ["re: slow"]


async def test_a_turn_that_fails_is_tried_again_and_later_messages_wait(bench: Bench) -> None:
    tries = []

    async def flaky(event: InboundEvent, context: Context) -> Outcome:
        tries.append(event.text)
        if event.text == "1" and tries.count("1") < 3:
            raise RuntimeError("hiccup")
        return await echo(event, context)

    async with bench.working(flaky):
        await bench.platform.say("1")
        await bench.platform.say("2")
        for done in (1, 2):
            await bench.recorded(f"inbox WHERE tries = {done}")
            bench.clock.forward(60)
        assert await bench.texts(2) == ["re: 1", "re: 2"]
    assert tries == ["1", "1", "1", "2"]


async def test_a_poisonous_message_is_parked_with_an_apology_and_the_conversation_goes_on(
    bench: Bench,
) -> None:
    tries = []

    async def poisonous(event: InboundEvent, context: Context) -> Outcome:
        if event.text == "poison":
            tries.append(1)
            raise ValueError("secret detail")
        return await echo(event, context)

    async with bench.working(poisonous):
        await bench.platform.say("poison")
        await bench.platform.say("next")
        for done in range(1, 5):
            await bench.recorded(f"inbox WHERE tries = {done}")
            bench.clock.forward(60)
        apology, following = await bench.texts(2)
    assert len(tries) == 5
    assert "抱歉" in apology or "sorry" in apology
    assert "secret detail" not in apology
    assert following == "re: next"
    assert await bench.open_letters() == 1
    # A person hears of it too, and the customer is told so.
    await bench.recorded("tickets WHERE severity = 'P2' AND department = 'contact_center'")
    [ticket] = await bench.store.read(lambda c: c.exec_driver_sql("SELECT number FROM tickets").all())
    assert ticket.number in apology


async def test_a_vote_that_fails_is_a_dead_letter_and_nothing_that_was_said(bench: Bench) -> None:
    async def failing(event: InboundEvent, context: Context) -> Outcome:
        if event.kind == "button":
            raise ValueError("broken")
        return await echo(event, context)

    async with bench.working(failing):
        await bench.platform.say("👍", kind="button", value="vote:up:m1")
        for done in range(1, 5):
            await bench.recorded(f"inbox WHERE tries = {done}")
            bench.clock.forward(60)
        await bench.recorded("dead_letters")
        await bench.platform.say("next")
        assert await bench.texts(1) == ["re: next"]
    await bench.recorded("audit WHERE kind = 'turn.parked'")
    key = bench.platform.conversation().key
    lines = await bench.store.transcript(key, limit=9)
    assert [line.event.text for line in lines if line.event] == ["next"]
    assert await bench.store.tickets(every=True) == []


async def test_a_parked_message_that_is_retried_by_hand_gets_its_real_answer(bench: Bench) -> None:
    broken = True

    async def mended_later(event: InboundEvent, context: Context) -> Outcome:
        if broken:
            raise ValueError("not yet")
        return await echo(event, context)

    async with bench.working(mended_later):
        await bench.platform.say("1")
        for done in range(1, 5):
            await bench.recorded(f"inbox WHERE tries = {done}")
            bench.clock.forward(60)
        [apology] = await bench.texts(1)
        broken = False
        [letter] = await bench.store.letters()
        assert await bench.store.retry_letter(letter.id)
        assert await bench.texts(1) == ["re: 1"]
    assert apology != "re: 1"
    lines = await bench.store.transcript(bench.platform.conversation().key, limit=10)
    assert [line.role for line in lines] == ["customer", "bot", "bot"]


async def test_a_message_that_can_t_even_be_masked_is_parked_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = TextMasker.mask

    def broken(masker: TextMasker, text: str) -> Masked:
        if "poison" in text:
            raise ValueError("no")
        return mask(masker, text)

    async def masks(event: InboundEvent, context: Context) -> Outcome:
        TextMasker().mask(event.text)
        return await echo(event, context)

    monkeypatch.setattr(TextMasker, "mask", broken)
    async with bench.working(masks):
        await bench.platform.say("poison")
        await bench.platform.say("next")
        for done in range(1, 5):
            await bench.recorded(f"inbox WHERE tries = {done}")
            bench.clock.forward(60)
        apology, following = await bench.texts(2)
    assert "抱歉" in apology or "sorry" in apology
    assert following == "re: next"
    assert await bench.open_letters() == 1


async def test_what_is_kept_in_clear_of_a_parked_message_is_masked_and_the_rest_is_in_the_vault(
    bench: Bench,
) -> None:
    card = "6222021234567890128"

    async def quotes(event: InboundEvent, context: Context) -> Outcome:
        raise ValueError(f"can't read {event.text}")

    async with bench.working(quotes):
        await bench.platform.say(f"我的卡号 {card}")
        for done in range(1, 5):
            await bench.recorded(f"inbox WHERE tries = {done}")
            bench.clock.forward(60)
        await bench.texts(1)
    [letter] = await bench.store.letters()
    assert letter.reason.startswith("ValueError: can't read")
    assert card not in letter.reason
    [row] = await bench.store.read(lambda c: c.exec_driver_sql("SELECT kind, masked FROM vault").all())
    assert row.kind == "BANK_CARD"
    assert card not in row.masked


async def test_a_parked_message_that_is_retried_by_hand_reaches_the_right_department(bench: Bench) -> None:
    broken = True

    async def mended_later(event: InboundEvent, context: Context) -> Outcome:
        if broken:
            raise ValueError("not yet")
        ticket = escalation(
            event, context, department="fraud_risk", reason="scammed", severity="P1", before="先别再转"
        )
        return Outcome(seen=event.text, tickets=(ticket,))

    async with bench.working(mended_later):
        await bench.platform.say("1")
        for done in range(1, 5):
            await bench.recorded(f"inbox WHERE tries = {done}")
            bench.clock.forward(60)
        await bench.texts(1)
        broken = False
        [letter] = await bench.store.letters()
        assert await bench.store.retry_letter(letter.id)
        [told] = await bench.texts(1)
    assert told.startswith("先别再转")
    await bench.recorded("tickets WHERE severity = 'P1' AND department = 'fraud_risk'")


async def test_what_a_platform_quotes_in_its_refusal_is_masked(bench: Bench) -> None:
    bench.platform.failures.append(SendRefused("can't send 13911027745"))
    async with bench.working():
        await bench.platform.say("hello")
        await bench.recorded("outbox WHERE status = 'refused'")
    [row] = await bench.store.read(lambda c: c.exec_driver_sql("SELECT error FROM outbox").all())
    assert row.error.startswith("SendRefused: can't send")
    assert "13911027745" not in row.error


async def test_all_that_is_said_is_on_the_record_even_where_no_rail_noted_anything(bench: Bench) -> None:
    async with bench.working():
        await bench.platform.say("hello")
        await bench.texts(1)
    await bench.recorded("audit WHERE kind = 'turn.replied'")


async def test_a_platform_that_asks_for_patience_is_asked_again_then_and_only_that_chat_waits(
    bench: Bench,
) -> None:
    bench.platform.failures.append(RetryLater("429", 30))
    async with bench.working():
        await bench.platform.say("first", chat="wang")
        await bench.recorded("outbox WHERE status = 'pending' AND tries = 1")
        await bench.platform.say("other", chat="li")
        assert await bench.texts(1) == ["re: other"]
        bench.clock.forward(29)
        await asyncio.sleep(0.05)
        assert len(bench.platform.sent) == 1
        bench.clock.forward(2)
        assert await bench.texts(1) == ["re: first"]


async def test_a_refused_message_is_not_sent_again_and_the_next_one_is(bench: Bench) -> None:
    bench.platform.failures.append(SendRefused("blocked by the user"))
    async with bench.working():
        await bench.platform.say("1")
        await bench.platform.say("2")
        assert await bench.texts(1) == ["re: 2"]
    assert (await bench.store.depths()).outbox == 0


@pytest.mark.parametrize("failure", [SendError("502"), SendAmbiguous("timeout"), OSError("reset")])
async def test_an_answer_whose_send_failed_is_sent_again(bench: Bench, failure: Exception) -> None:
    bench.platform.failures.append(failure)
    async with bench.working():
        await bench.platform.say("1")
        await bench.recorded("outbox WHERE status = 'pending' AND tries = 1")
        bench.clock.forward(5)
        assert await bench.texts(1) == ["re: 1"]


async def test_a_message_that_never_gets_through_becomes_a_dead_letter(bench: Bench) -> None:
    bench.platform.failures.extend([SendError("502")] * 6)
    async with bench.working():
        await bench.platform.say("1")
        for done in range(1, 6):
            await bench.recorded(f"outbox WHERE status = 'pending' AND tries = {done}")
            bench.clock.forward(120)
        await bench.platform.say("2")
        assert await bench.texts(1) == ["re: 2"]
    assert await bench.open_letters() == 1


FRAUD = Conversation("fake", "test", "fraud", kind="group")
DESK = Conversation("fake", "test", "desk", kind="group")


async def fetch_a_person(event: InboundEvent, context: Context) -> Outcome:
    """Opens a P1 ticket in a department whose channel is FRAUD."""
    channel = {"platform": "fake", "account": "test", "chat": "fraud"}
    staff = Staff(StaffFile.model_validate({"departments": {"fraud_risk": {"channel": channel}}}))
    ticket = escalation(
        event, replace(context, staff=staff), department="fraud_risk", reason="scam_police", severity="P1"
    )
    return Outcome(seen=event.text, tickets=(ticket,))


@pytest.mark.parametrize(
    ("failures", "tries"), [([SendRefused("channel_not_found")], 1), ([SendError("502")] * TRIES, TRIES)]
)
async def test_staff_who_cant_be_told_in_their_own_channel_are_told_in_the_default_one(
    bench: Bench, failures: list[Exception], tries: int
) -> None:
    bench.fallback = DESK
    bench.platform.failures.extend([None, *failures])
    async with bench.working(fetch_a_person):
        await bench.platform.say("钱被骗走了")
        promise = await bench.platform.reply()
        assert "15分钟内" in promise.text
        for done in range(1, tries):
            await bench.recorded(f"outbox WHERE status = 'pending' AND tries = {done}")
            bench.clock.forward(120)
        told = await bench.platform.reply()
        await bench.recorded("outbox WHERE idempotency_key LIKE '%|staff|default' AND status = 'sent'")
    assert told.conversation == DESK
    assert "没能送达" in told.text
    [card] = [part for part in told.parts if isinstance(part, Card)]
    [ticket] = await bench.store.tickets()
    assert ticket.number in card.title
    [letter] = await bench.store.letters()
    assert letter.conversation == FRAUD.key
    assert bench.metrics.staff_untold.labels("default")._value.get() == 1
    # What staff were told of a customer is the customer's, wherever it was told.
    [mine, there] = await bench.store.read(
        lambda c: c.exec_driver_sql("SELECT subject FROM outbox WHERE idempotency_key LIKE '%|staff%'").all()
    )
    assert mine == there
    # Once the channel is put right, the letter is sent to it after all.
    async with bench.working():
        assert await bench.store.retry_letter(letter.id)
        assert (await bench.platform.reply()).conversation == FRAUD


@pytest.mark.parametrize("fallback", [None, FRAUD, DESK])
async def test_staff_who_can_be_told_nowhere_are_a_dead_letter(
    bench: Bench, fallback: Conversation | None
) -> None:
    bench.fallback = fallback
    bench.platform.failures.extend([None, SendRefused("channel_not_found"), SendRefused("not_in_channel")])
    async with bench.working(fetch_a_person):
        await bench.platform.say("钱被骗走了")
        await bench.platform.reply()
        tried = 2 if fallback == DESK else 1
        await bench.recorded(f"(SELECT count(*) AS n FROM dead_letters) AS letters WHERE n = {tried}")  # noqa: S608
    assert [message.conversation.chat for message in bench.platform.sent] == ["customer"]
    assert await bench.open_letters() == tried
    assert bench.metrics.staff_untold.labels("none")._value.get() == 1
    assert (await bench.store.depths()).outbox == 0


async def confirm(event: InboundEvent, _context: Context) -> Outcome:
    return Outcome(messages=(reply(event, "zh", Text("转账确认"), kind="confirmation"),))


async def test_a_money_confirmation_is_never_sent_again_by_itself(bench: Bench) -> None:
    bench.platform.failures.append(SendAmbiguous("timeout"))
    async with bench.working(confirm):
        await bench.platform.say("转账")
        await eventually(lambda: not bench.platform.failures)
        await asyncio.sleep(0.1)
        bench.clock.forward(600)
        await asyncio.sleep(0.1)
    assert bench.platform.sent == []
    assert await bench.open_letters() == 1


async def test_a_confirmation_that_a_crash_interrupted_is_left_to_a_person(bench: Bench) -> None:
    hanging = asyncio.Event()

    async def hang(_message: object) -> None:
        hanging.set()
        await asyncio.sleep(3600)

    send, bench.platform.send = bench.platform.send, hang  # type: ignore[assignment,method-assign]
    async with bench.working(confirm):
        await bench.platform.say("转账")
        await hanging.wait()
    bench.platform.send = send  # type: ignore[method-assign]
    bench.clock.forward(600)
    async with bench.working(confirm):
        await asyncio.sleep(0.2)
    assert bench.platform.sent == []
    assert await bench.open_letters() == 1


async def test_an_answer_is_withheld_when_staff_take_over_while_it_is_written(bench: Bench) -> None:
    writing, release = asyncio.Event(), asyncio.Event()

    async def slow(event: InboundEvent, context: Context) -> Outcome:
        writing.set()
        await release.wait()
        return await echo(event, context)

    async with bench.working(slow):
        await bench.platform.say("1")
        await writing.wait()
        await bench.store.set_owner(bench.platform.conversation(), "staff-1", now=0)
        release.set()
        await asyncio.sleep(0.3)
    assert bench.platform.sent == []


async def test_typing_is_shown_before_and_drafts_while_an_answer_is_made(bench: Bench) -> None:
    async def writes(event: InboundEvent, context: Context) -> Outcome:
        await context.show("")
        await context.show("一")
        await context.show("一二")
        return await echo(event, context)

    async with bench.working(writes):
        await bench.platform.say("1")
        final = await bench.platform.reply()
        await eventually(lambda: len(bench.platform.drafts) == 2)
    assert [d.text for d in bench.platform.drafts] == ["一", "一二"]
    assert {d.idempotency_key for d in bench.platform.drafts} == {final.idempotency_key}
    assert bench.platform.typed == [bench.platform.conversation()]


async def test_at_shutdown_a_turn_that_takes_too_long_is_given_back_uncounted(bench: Bench) -> None:
    started = asyncio.Event()

    async def endless(_event: InboundEvent, _context: Context) -> Outcome:
        started.set()
        await asyncio.sleep(3600)
        return Outcome()

    async with bench.working(endless):
        await bench.platform.say("1")
        await started.wait()
    async with bench.working():
        assert await bench.texts(1) == ["re: 1"]


async def test_a_turn_longer_than_its_lease_keeps_it(bench: Bench) -> None:
    turns = bench.live.config.turns.model_copy(update={"lease_s": 0.3})
    bench.live.current = Loaded(bench.live.config.model_copy(update={"turns": turns}), Path("x"), "test")
    runs = []

    async def long(event: InboundEvent, context: Context) -> Outcome:
        runs.append(1)
        for _ in range(10):
            await asyncio.sleep(0.05)
            bench.clock.forward(0.05)
        return await echo(event, context)

    async with bench.working(long):
        await bench.platform.say("1")
        assert await bench.texts(1) == ["re: 1"]
    assert runs == [1]


async def test_an_event_that_keeps_killing_its_process_is_parked(bench: Bench) -> None:
    await bench.platform.start(bench.host)
    await bench.platform.say("deadly")
    for _ in range(CRASHES):
        assert await bench.store.claim(now=bench.clock().timestamp(), lease_s=10, limit=1)
        bench.clock.forward(11)
    async with bench.working():
        assert "re:" not in (await bench.platform.reply()).text
        await bench.platform.say("next")
        assert await bench.texts(1) == ["re: next"]
    assert await bench.open_letters() == 1


async def test_any_number_of_pauses_gives_no_message_up(bench: Bench) -> None:
    bench.platform.failures.extend(RetryLater("slow", 60.0) for _ in range(TRIES * 2))
    async with bench.working():
        await bench.platform.say("hello")
        for tries in range(1, TRIES * 2 + 1):
            await bench.recorded(f"outbox WHERE status = 'pending' AND tries = {tries}")
            bench.clock.forward(61)
        assert await bench.texts(1) == ["re: hello"]


async def test_a_slow_preview_holds_up_nothing(bench: Bench) -> None:
    hanging = asyncio.Event()

    async def hang(*_: object) -> None:
        await hanging.wait()

    bench.platform.typing = hang  # type: ignore[method-assign]
    bench.platform.draft = hang  # type: ignore[method-assign]

    async def drafting(event: InboundEvent, context: Context) -> Outcome:
        await context.show("so far")
        return await echo(event, context)

    async with bench.working(drafting):
        for number in range(3):
            await bench.platform.say(str(number), chat=str(number))
        assert sorted(await bench.texts(3)) == ["re: 0", "re: 1", "re: 2"]
