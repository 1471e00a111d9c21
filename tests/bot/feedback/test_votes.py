"""Votes, corrections and resolutions in the store, on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bot.config import Config
from bot.config.staff import Staff
from bot.config.trust import Retention
from bot.errors import NotAllowed, StoreError
from bot.feedback.desk import FeedbackDesk
from bot.feedback.item import Item
from bot.feedback.vote import votes_under
from bot.limits.admission import Admission
from bot.rails import chain
from bot.rails.base import Context, reply
from bot.rails.choices import choices
from bot.rails.human import HUMAN
from bot.rails.owner import owner
from bot.rails.vote import vote
from bot.store import Outcome, Owner, Store
from bot.store.custody import Custody
from bot.store.retention import steps
from bot.tickets.open import open_ticket
from bot.types import Citation, InboundEvent, Sources, Text
from inference.privacy.leaks import stated_in
from inference.privacy.masker import TextMasker
from tests.bot.trust.rig import group_event, send_all
from tests.make import NOON, T0, event

CONFIG = Config()
ACCOUNT = [("fake", "test")]


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


def desk(store: Store) -> FeedbackDesk:
    return FeedbackDesk(store, TextMasker())


async def answers(incoming: InboundEvent, _context: Context) -> Outcome:
    parts = (Text(f"re: {incoming.text}"), Sources((Citation("cards.fee", "年费", "年费 200 元"),)))
    message = reply(incoming, "zh", *parts, votes_under(incoming))
    return Outcome(messages=(message,), seen=incoming.text, passages=("cards.fee",))


async def handle(store: Store, incoming: InboundEvent, **context: object) -> list[str]:
    """Accept an event and run its turn; what was sent."""
    assert await store.accept(incoming, b"", queue_limit=100, now=T0)
    [claim] = await store.claim(now=T0, lease_s=30, limit=1)
    given = Context(CONFIG, state=claim.state, text=incoming.text, **context)  # type: ignore[arg-type]
    outcome = await chain((choices, vote, owner), answers)(claim.event, given)
    await store.complete(claim, outcome, now=T0)
    sends = await store.claim_sends(ACCOUNT, now=T0, lease_s=30, limit=10)
    for dispatch in sends:
        await store.sent(dispatch, "m", now=T0)
    return [dispatch.message.text for dispatch in sends]


def press(verdict: str, on: str = "q1", *, id: str, chat: str = "wang") -> InboundEvent:
    return event("👍", id=id, chat=chat, kind="button", value=f"vote:{verdict}:{on}")


async def votes(store: Store) -> list[tuple[str, str, str]]:
    return [(item.event_id, item.verdict, item.status) for item in await desk(store).items()]


async def test_a_vote_belongs_to_the_answer_it_stands_under(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    await handle(store, event("别的呢", id="q2"))
    [thanks] = await handle(store, press("down", "q1", id="p1"))
    assert "抱歉" in thanks
    [item] = await desk(store).items()
    assert (item.question, item.reply, item.verdict) == ("年费多少", "re: 年费多少", "down")
    assert item.passages == ("cards.fee",)
    assert item.cited == (("cards.fee", "年费 200 元"),)


async def test_pressing_again_changes_the_vote_and_the_same_again_says_nothing(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    assert len(await handle(store, press("up", id="p1"))) == 1
    assert await handle(store, press("up", id="p2")) == []
    assert await votes(store) == [("q1", "up", "new")]
    [changed] = await handle(store, press("down", id="p3"))
    assert "👎" in changed
    assert await votes(store) == [("q1", "down", "new")]


async def test_an_older_press_that_is_handled_late_undoes_nothing(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    assert await store.accept(press("up", id="p1"), b"", queue_limit=100, now=T0)
    [claim] = await store.claim(now=T0, lease_s=30, limit=1)
    await store.park(claim, "poison", Outcome(), now=T0)
    await handle(store, press("down", id="p2"))
    [letter] = await store.letters()
    assert await store.retry_letter(letter.id)
    [claim] = await store.claim(now=T0, lease_s=30, limit=1)
    outcome = await chain((vote,), answers)(claim.event, Context(CONFIG))
    await store.complete(claim, outcome, now=T0)
    assert await votes(store) == [("q1", "down", "new")]


async def test_a_changed_vote_has_to_be_reviewed_anew_under_a_new_number(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    await handle(store, press("up", id="p1"))
    [item] = await desk(store).items()
    await desk(store).review([item.id], "approved", by="chen", now=T0)
    assert await votes(store) == [("q1", "up", "approved")]
    await handle(store, press("up", id="p2"))
    assert await votes(store) == [("q1", "up", "approved")]
    await handle(store, press("down", id="p3"))
    assert await votes(store) == [("q1", "down", "new")]
    assert await desk(store).reviewed(gap_s=60) == []
    with pytest.raises(StoreError, match=f"no feedback {item.id}"):
        await desk(store).review([item.id], "approved", by="chen", now=T0)


async def test_a_vote_on_what_was_never_answered_is_none(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    assert await handle(store, press("up", "q9", id="p1")) == []
    assert await handle(store, press("up", "q1", id="p2", chat="somebody else")) == []
    assert await votes(store) == []


async def test_only_a_vote_that_counts_is_on_the_record_and_never_what_a_client_made_up(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    words = "我的卡号是 6222021234567890123"
    for number, on in enumerate(("q1", "q1", words, "q9")):
        await handle(store, press("up", on, id=f"p{number}"))
    found = await Custody(store).export("fake:test:wang", by="chen", now=T0)
    cast = [entry["data"] for entry in found["audit"] if entry["kind"] == "feedback.voted"]
    assert [(data["on"], data["cast"]) for data in cast] == [("q1", "new")]
    assert "6222021234567890123" not in str(found["audit"])


async def test_only_a_line_with_votes_under_it_can_be_voted_on(store: Store) -> None:
    await store.accept(event("转人工", id="q1"), b"", queue_limit=100, now=T0)
    [claim] = await store.claim(now=T0, lease_s=30, limit=1)
    plain = reply(claim.event, "zh", Text("请稍等"))
    other = reply(claim.event, "zh", Text("好"), votes_under(event(id="q2")), number=1)
    await store.complete(claim, Outcome(messages=(plain, other)), now=T0)
    await send_all(store)
    assert await handle(store, press("up", "q1", id="p1")) == []
    assert await votes(store) == []


async def test_a_denied_sender_has_no_vote(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    assert await handle(store, press("down", id="p1"), admission=Admission("denied")) == []
    assert await votes(store) == []


async def test_thanks_answer_nothing_and_push_nothing_out_of_the_context(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    await store.accept(event("在吗", id="q2"), b"", queue_limit=100, now=T0)
    [claim] = await store.claim(now=T0, lease_s=30, limit=1)
    await store.complete(claim, Outcome(seen="在吗"), now=T0)
    for number in range(20):
        await handle(store, press("up" if number % 2 else "down", id=f"p{number}"))
    [exchange] = await store.exchanges(event().conversation.key, limit=6, since=0)
    assert (exchange.question, exchange.answer) == ("年费多少", "re: 年费多少")
    # They were said all the same: whoever looks at the conversation sees them.
    lines = await store.transcript(event().conversation.key, limit=2)
    assert ["已改为" in line.message.text for line in lines if line.message] == [True, True]
    assert [line.role for line in lines] == ["bot", "bot"]


async def test_a_vote_is_no_line_of_the_conversation(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    await store.accept(press("up", id="p1"), b"", queue_limit=100, now=T0)
    waiting = await store.transcript(event().conversation.key, limit=10)
    assert [line.role for line in waiting] == ["customer", "bot"]
    [claim] = await store.claim(now=T0, lease_s=30, limit=1)
    outcome = await chain((vote,), answers)(claim.event, Context(CONFIG))
    await store.complete(claim, outcome, now=T0)
    [exchange] = await store.exchanges(event().conversation.key, limit=5, since=0)
    assert (exchange.question, exchange.answer) == ("年费多少", "re: 年费多少")


async def test_what_was_offered_can_still_be_chosen_by_number_after_a_vote() -> None:
    offered = {"choices": [["补卡", "kb:cards.replace"]]}
    context = Context(CONFIG, state=offered)
    voted = await chain((choices, vote), answers)(press("up", id="p1"), context)
    assert voted.vote is not None
    assert voted.state is None


async def test_while_staff_speak_and_for_a_limited_sender_it_is_kept_in_silence(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    assert await handle(store, press("up", id="p1"), owner=Owner("chen", 1)) == []
    limited = Admission("rate", notice=True)
    assert await handle(store, press("down", id="p2"), admission=limited) == []
    assert await votes(store) == [("q1", "down", "new")]


async def test_members_of_a_group_vote_each_for_themselves(store: Store) -> None:
    await handle(store, group_event("年费多少", sender="wang", id="q1"))
    for sender, verdict in (("wang", "up"), ("li", "down")):
        pressed = group_event("", sender=sender, id=f"p-{sender}")
        await handle(store, msgspec.structs.replace(pressed, kind="button", value=f"vote:{verdict}:q1"))
    assert await votes(store) == [("q1", "up", "new"), ("q1", "down", "new")]
    done = await Custody(store).erase("fake:test:li", by="chen", second="zhou", now=T0)
    assert done.rows["feedback"] == 1
    assert await votes(store) == [("q1", "up", "new")]


# ── staff ──


async def answered(store: Store) -> Item:
    """An answer with a vote on it."""
    await handle(store, event("年费多少", id="q1"))
    await handle(store, press("down", id="p1"))
    [item] = await desk(store).items()
    return item


async def test_a_correction_is_masked_and_waits_for_a_colleague(store: Store) -> None:
    item = await answered(store)
    id = await desk(store).correct(str(item.id), "200元，请打13911027745", by="chen", now=T0)
    kept = await desk(store).item(id)
    assert (kept.kind, kept.status, kept.text) == ("correction", "new", "200元，请打139****7745")
    assert kept.passages == ("cards.fee",)
    assert await desk(store).reviewed(gap_s=60) == []
    with pytest.raises(NotAllowed, match="your own"):
        await desk(store).review([id], "approved", by="chen", now=T0)
    await desk(store).review([item.id, id], "approved", by="zhou", now=T0)
    [[one]] = await desk(store).reviewed(gap_s=60)
    assert (one.reply, one.source, one.label) == ("200元，请打139****7745", "correction", "good")


async def test_a_correction_can_name_the_message_and_is_replaced_by_the_same_hand(store: Store) -> None:
    await answered(store)
    first = await desk(store).correct("fake|test|q1|0", "二百元", by="chen", now=T0)
    await desk(store).review([first], "approved", by="zhou", now=T0)
    second = await desk(store).correct("fake|test|q1|0", "200元", by="chen", passages=("a.b",), now=T0)
    found = [item for item in await desk(store).items() if item.kind == "correction"]
    assert [(item.id, item.text, item.status, item.passages) for item in found] == [
        (second, "200元", "new", ("a.b",))
    ]


@pytest.mark.parametrize("message", ["77", "fake|test|none|0", "fake|test|p1|0"])
async def test_what_is_no_answer_can_not_be_corrected(store: Store, message: str) -> None:
    await answered(store)
    with pytest.raises(StoreError):
        await desk(store).correct(message, "200元", by="chen", now=T0)
    assert len(await desk(store).items()) == 1


async def test_a_resolution_answers_what_was_asked_before_the_wish_for_a_person(store: Store) -> None:
    await handle(store, event("年费多少", id="q1"))
    wish = event("转人工", id="q2", kind="button", value=HUMAN)
    await store.accept(wish, b"", queue_limit=100, now=T0)
    [claim] = await store.claim(now=T0, lease_s=30, limit=1)
    draft = open_ticket(
        wish,
        staff=Staff(),
        now=NOON,
        department="cards",
        reason="asked_for_person",
        severity="P3",
        text="转人工",
    )
    [opened] = await store.complete(claim, Outcome(seen="转人工", tickets=(draft,)), now=T0)
    await send_all(store)
    number = opened.ticket.number
    id = await desk(store).resolution(number, "年费200元，刷卡6次免收。", by="chen", now=T0)
    kept = await desk(store).item(id)
    assert (kept.question, kept.text, kept.reply) == ("年费多少", "年费200元，刷卡6次免收。", "")
    await desk(store).review([id], "approved", by="zhou", now=T0)
    [[one]] = await desk(store).reviewed(gap_s=60)
    assert (one.source, one.passages) == ("ticket", ())


async def test_the_banks_own_number_stays_in_an_answer_and_nobody_elses_does(store: Store) -> None:
    await handle(store, event("打13800138000还是13911027745", id="q1"))
    await handle(store, press("up", id="p1"))
    own = FeedbackDesk(store, TextMasker(), stated=stated_in(["网点电话：139-1102-7745"]))
    [item] = await own.items()
    await own.review([item.id], "approved", by="zhou", now=T0)
    [[one]] = await own.reviewed(gap_s=60)
    assert one.question == "打138****8000还是139****7745"
    assert one.reply == "re: 打138****8000还是13911027745"
    id = await own.correct(str(item.id), "张伟，请打13911027745，别打13800138000", by="chen", now=T0)
    assert "请打13911027745，别打138****8000" in (await own.item(id)).text


async def test_what_code_put_under_an_answer_is_not_learnt_whatever_it_would_put_there_now(
    store: Store,
) -> None:
    under = "以本行公告为准。"

    async def appends(incoming: InboundEvent, context: Context) -> Outcome:
        outcome = await answers(incoming, context)
        [said] = outcome.messages
        parts = (Text(f"年费200元。\n\n{under}"), *said.parts[1:])
        return replace(outcome, messages=(msgspec.structs.replace(said, parts=parts, appended=(under,)),))

    await store.accept(event("年费多少", id="q1"), b"", queue_limit=100, now=T0)
    [claim] = await store.claim(now=T0, lease_s=30, limit=1)
    await store.complete(claim, await appends(claim.event, Context(CONFIG)), now=T0)
    await send_all(store)
    await handle(store, press("up", id="p1"))
    [item] = await desk(store).items()
    await desk(store).review([item.id], "approved", by="zhou", now=T0)
    [[one]] = await desk(store).reviewed(gap_s=60, leave_out=("another paragraph",))
    assert one.reply == "年费200元。"


async def test_a_vote_that_is_changed_while_it_is_reviewed_is_not_approved(postgres_url: str) -> None:
    store = await Store.open(postgres_url)
    try:
        item = await answered(store)
        async with store._engine.connect() as other:
            await other.exec_driver_sql("DELETE FROM feedback")
            review = asyncio.create_task(desk(store).review([item.id], "approved", by="zhou", now=T0))
            async with store._engine.connect() as watcher:
                waits = "wait_event_type = 'Lock' AND datname = current_database()"
                look = f"SELECT 1 FROM pg_stat_activity WHERE {waits}"  # noqa: S608
                while (await watcher.exec_driver_sql(look)).first() is None:
                    await watcher.rollback()
                    await asyncio.sleep(0.01)
            await other.commit()
        with pytest.raises(StoreError, match="no feedback"):
            await review
    finally:
        await store.close()


async def test_a_correction_for_somebody_who_was_just_erased_is_one_clear_line(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    try:
        item = await answered(store)
        with closing(sqlite3.connect(tmp_path / "store.db")) as elsewhere, elsewhere:
            elsewhere.execute("DELETE FROM subjects")
        with pytest.raises(StoreError, match="isn't kept any more"):
            await desk(store).correct(str(item.id), "200元", by="chen", now=T0)
    finally:
        await store.close()


async def test_one_that_can_not_be_approved_keeps_all_from_it(store: Store) -> None:
    item = await answered(store)
    with pytest.raises(StoreError, match="no feedback 999"):
        await desk(store).review([item.id, 999], "approved", by="zhou", now=T0)
    assert await votes(store) == [("q1", "down", "new")]


async def test_reviews_are_on_the_record_without_words(store: Store) -> None:
    item = await answered(store)
    await desk(store).review([item.id], "approved", by="zhou", now=T0)
    await desk(store).review([item.id], "rejected", by="zhou", now=T0)
    assert await desk(store).reviewed(gap_s=60) == []
    found = await Custody(store).export("fake:test:wang", by="chen", now=T0)
    kinds = [entry["kind"] for entry in found["audit"]]
    assert [kind for kind in kinds if kind.startswith("feedback.")] == [
        "feedback.voted",
        "feedback.approved",
        "feedback.rejected",
    ]
    assert "年费" not in str(found["audit"])
    assert (await store.verify_audit()).ok


# ── customers' data ──


async def test_feedback_is_handed_out_erased_and_gone_from_training(store: Store) -> None:
    item = await answered(store)
    id = await desk(store).correct(str(item.id), "200元", by="chen", now=T0)
    await desk(store).review([item.id, id], "approved", by="zhou", now=T0)
    found = await Custody(store).export("fake:test:wang", by="chen", now=T0)
    assert [(one["kind"], one["verdict"], one["text"]) for one in found["feedback"]] == [
        ("vote", "down", ""),
        ("correction", "", "200元"),
    ]
    await Custody(store).erase("fake:test:wang", by="chen", second="zhou", now=T0)
    assert await desk(store).items() == []
    assert await desk(store).reviewed(gap_s=60) == []


async def test_it_is_kept_as_long_as_the_conversation(store: Store) -> None:
    await answered(store)
    days = Retention().history
    for after, left in ((days - 1, 1), (days + 1, 0)):
        for step in steps(Retention(), T0 + after * 86400, store.keys.ring.audit):
            if step.name in ("history", "feedback"):
                await store.remove_due(step)
        assert len(await desk(store).items()) == left
