"""Answers: when the bank is quoted, when the model writes, what the guard stops, and "I don't know"."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from bot.answering import LONGEST_QUOTE, Answering, quote
from bot.config import Config
from bot.config.disclaimers import Disclaimer, Disclaimers
from bot.ids import new_id
from bot.metrics import Metrics
from bot.rails import Context, Handler, chain
from bot.rails.answer import AnswerRail
from bot.rails.normalise import normalise
from bot.types import Buttons, Exchange, Hit, Language, Passage, SearchResult, Sources, Votes
from inference.fake import FakeModel, Script
from inference.guard import ReplyGuard
from tests.make import event

CONFIG = Config()
LOST = Passage(
    "cards.lost",
    "zh",
    "信用卡丢了怎么办？",
    "请马上在手机银行挂失，补卡费15元，7个工作日寄到。",
    "cards",
    related=("cards.replace", "nowhere"),
)
REPLACE = Passage("cards.replace", "zh", "怎么补卡？", "在手机银行“补卡”里申请。", "cards")
GUIDE = Passage(
    "loan-guide#prepay",
    "zh",
    "提前还款",
    "提前还款须提前15天预约，最低1万元。可以在手机银行的贷款页面里申请，也可以到网点办理。",
    "loans",
    "document",
)


class Found:
    """A retriever that finds what it is told."""

    version = "test"

    def __init__(self, *passages: Passage, confidence: float = 0.9, query: str = "") -> None:
        self._passages = passages
        self._confidence = confidence
        self._query = query

    async def search(
        self, question: str, *, language: Language, history: Sequence[Exchange] = (), limit: int = 5
    ) -> SearchResult:
        hits = tuple(Hit(passage, 1.0 - at / 10) for at, passage in enumerate(self._passages))
        return SearchResult(hits, self._confidence, self._query or question)

    def passage(self, id: str, language: Language) -> Passage | None:
        return {p.id: p for p in (LOST, REPLACE, GUIDE)}.get(id)


def counter(found: Found, model: FakeModel | None = None) -> Answering:
    return Answering(found, ReplyGuard(), model, Metrics(), new_id)


async def ask(answering: Answering, question: str = "卡丢了", **more: object):  # type: ignore[no-untyped-def]
    return await answering.answer(question, language="zh", config=CONFIG, **more)  # type: ignore[arg-type]


async def test_an_entry_is_quoted_in_the_banks_own_words_even_when_the_model_could_write() -> None:
    model = FakeModel(["something else"])
    answer = await ask(counter(Found(LOST, REPLACE), model))
    assert (answer.source, answer.text, answer.passages) == ("verbatim", LOST.text, (LOST,))
    assert answer.choices == (REPLACE,)
    assert model.requests == []


async def test_a_document_section_is_put_into_words_and_shown_while_it_grows() -> None:
    model = FakeModel([Script(("提前还款须", "提前15天", "预约，", "可以在手机银行的贷款页面", "里申请。"))])
    shown: list[str] = []

    async def show(text: str) -> None:
        shown.append(text)

    answer = await ask(counter(Found(GUIDE), model), "房贷怎么提前还", show=show)
    assert (answer.source, answer.text) == (
        "generated",
        "提前还款须提前15天预约，可以在手机银行的贷款页面里申请。",
    )
    assert answer.passages == (GUIDE,)
    assert shown
    assert all(answer.text.startswith(text) for text in shown)


async def test_a_wrong_figure_is_never_shown_and_the_passage_is_quoted_instead() -> None:
    model = FakeModel([Script(("提前还款须提前", "30", "天预约", "，最低1万元。"))])
    shown: list[str] = []

    async def show(text: str) -> None:
        shown.append(text)

    answer = await ask(counter(Found(GUIDE), model), "房贷怎么提前还", show=show)
    assert (answer.source, answer.text) == ("verbatim", GUIDE.text)
    assert answer.guard.startswith("figure")
    assert not any("30" in text for text in shown)
    # The rest of the reply wasn't waited for.
    assert model.cancelled


@pytest.mark.parametrize(
    "lie",
    [
        "提前还款须提前15天预约，拨打400-111-2222办理。",
        "提前还款保证收益，无风险。",
        "Please book 15 days ahead for a prepayment.",
        "",
        "客户：提前还款",
    ],
)
async def test_what_the_guard_refuses_becomes_the_passages_own_words(lie: str) -> None:
    answer = await ask(counter(Found(GUIDE), FakeModel([lie])), "房贷怎么提前还")
    assert (answer.source, answer.text) == ("verbatim", GUIDE.text)
    assert answer.guard


@pytest.mark.parametrize(
    "model",
    [
        None,
        FakeModel(["x"], ready=False),
        FakeModel([Script(("提前还款",), failure="the worker died")]),
        FakeModel([]),
    ],
)
async def test_without_the_model_the_passage_is_quoted(model: FakeModel | None) -> None:
    answer = await ask(counter(Found(GUIDE), model), "房贷怎么提前还")
    assert (answer.source, answer.text) == ("verbatim", GUIDE.text)


async def test_a_reply_that_gives_up_gives_way_to_the_passage_and_is_never_shown() -> None:
    drafts: list[str] = []

    async def show(text: str) -> None:
        drafts.append(text)

    refusal = ("很抱歉，资料里没有写这一点，", "您回复“人工”，", "我请同事帮您确认。")
    answer = await ask(counter(Found(GUIDE), FakeModel([Script(refusal)])), "房贷怎么提前还", show=show)
    assert answer.source == "verbatim"
    assert answer.text == GUIDE.text
    assert answer.guard.startswith("refused")
    assert drafts == []


async def test_more_about_what_was_just_said_is_written_from_the_same_passage() -> None:
    model = FakeModel(["补卡费15元。"])
    history = (Exchange("信用卡丢了怎么办", LOST.text, (LOST.id,)),)
    found = Found(LOST, query="信用卡丢了怎么办 那要多少钱")
    answer = await ask(counter(found, model), "那要多少钱", history=history)
    assert (answer.source, answer.text) == ("generated", "补卡费15元。")
    assert model.requests[0].history == history


async def test_never_generating_is_respected() -> None:
    config = CONFIG.model_copy(update={"answers": CONFIG.answers.model_copy(update={"generate": "never"})})
    model = FakeModel(["提前还款须提前15天预约。"])
    answer = await counter(Found(GUIDE), model).answer("提前还款", language="zh", config=config)
    assert answer.source == "verbatim"


@pytest.mark.parametrize(
    ("confidence", "source"), [(0.9, "verbatim"), (0.6, "verbatim"), (0.59, "choices"), (0.1, "unknown")]
)
async def test_the_less_sure_the_search_is_the_less_is_claimed(confidence: float, source: str) -> None:
    answer = await ask(counter(Found(LOST, REPLACE, confidence=confidence)))
    assert answer.source == source
    assert bool(answer.passages) == (source == "verbatim")


async def test_nothing_found_is_an_honest_i_dont_know() -> None:
    assert (await ask(counter(Found(confidence=0.99)))).source == "unknown"


class Marks:
    """A reader that marks where a passage has the first figure, and notes what it was asked."""

    def __init__(self, broken: bool = False) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self._broken = broken

    def mark(self, question: str, text: str, *, earlier: str = "", reply: str = "") -> tuple[int, int] | None:
        self.asked.append((question, earlier, reply))
        if self._broken:
            raise ValueError("a broken reader")
        found = re.search(r"\d+\w", text)
        return found.span() if found else None


def marking(found: Found, reader: Marks, model: FakeModel | None = None) -> Answering:
    return Answering(found, ReplyGuard(), model, Metrics(), new_id, reader=reader)


async def test_a_source_shows_where_the_answer_stands() -> None:
    reader = Marks()
    history = (Exchange("信用卡的事", "请说。"),)
    handler = build_handler_of(marking(Found(LOST), reader))
    outcome = await handler(event("补卡多少钱"), Context(CONFIG, history=history))
    sources = outcome.messages[0].parts[1]
    assert isinstance(sources, Sources)
    [citation] = sources.citations
    assert citation.mark is not None
    assert citation.excerpt[slice(*citation.mark)] == "15元"
    assert reader.asked == [("补卡多少钱", "信用卡的事", "")]


async def test_of_what_the_model_wrote_the_source_shows_what_it_stands_on() -> None:
    reader = Marks()
    said = "提前还款须提前15天预约。"
    answer = await ask(marking(Found(GUIDE), reader, FakeModel([said])), "怎么提前还款")
    assert answer.source == "generated"
    assert reader.asked == [("怎么提前还款", "", said)]
    assert answer.marks[GUIDE.id] == (GUIDE.text.index("15天"), GUIDE.text.index("15天") + 3)


async def test_a_reader_that_breaks_costs_the_mark_and_not_the_answer() -> None:
    answer = await ask(marking(Found(LOST), Marks(broken=True)))
    assert (answer.text, answer.marks) == (LOST.text, {})


def build_handler_of(answering: Answering) -> Handler:
    return chain((normalise,), AnswerRail(answering))


async def test_the_message_carries_text_sources_and_what_may_come_next() -> None:
    handler = build_handler_of(counter(Found(LOST)))
    outcome = await handler(event("卡丢了"), Context(CONFIG))
    _, sources, buttons, votes = outcome.messages[0].parts
    assert isinstance(votes, Votes)
    assert isinstance(sources, Sources)
    assert [c.id for c in sources.citations] == [LOST.id]
    assert isinstance(buttons, Buttons)
    assert [b.value for b in buttons.choices] == ["kb:cards.replace"]
    assert outcome.passages == (LOST.id,)
    [audit] = outcome.audit
    assert audit.data["source"] == "verbatim"
    assert LOST.text not in str(audit.data)


async def test_what_stands_under_an_answer_is_told_apart_from_it() -> None:
    under = {
        "id": "cards",
        "jurisdiction": "*",
        "effective_from": "2026-01-01",
        "source": "made up",
        "passages": [LOST.id],
        "text": {"zh": "以公告为准。", "en": "See our notices."},
    }
    due = Disclaimers((Disclaimer.model_validate(under),), "v")
    handler = build_handler_of(counter(Found(LOST)))
    [message] = (await handler(event("卡丢了"), Context(CONFIG, disclaimers=due))).messages
    assert message.appended == ("以公告为准。",)
    assert message.text == f"{LOST.text}\n\n以公告为准。"


async def test_a_pressed_choice_is_answered_without_a_search_and_remembered_as_its_question() -> None:
    handler = build_handler_of(counter(Found(confidence=0.0)))
    outcome = await handler(event("", kind="button", value="kb:cards.replace"), Context(CONFIG))
    assert outcome.messages[0].text == REPLACE.text
    assert outcome.seen == REPLACE.title


@pytest.mark.parametrize("value", ["kb:gone", "", "nonsense"])
async def test_a_stale_or_foreign_button_gets_an_honest_answer(value: str) -> None:
    handler = build_handler_of(counter(Found(confidence=0.0)))
    outcome = await handler(event("", kind="button", value=value), Context(CONFIG))
    assert "不想随便答错" in outcome.messages[0].text


async def test_a_suggestion_is_asked_as_if_it_were_typed() -> None:
    handler = build_handler_of(counter(Found(LOST)))
    outcome = await handler(event("", kind="button", value="say:信用卡丢了怎么办？"), Context(CONFIG))
    assert outcome.messages[0].text == LOST.text
    assert outcome.seen == "信用卡丢了怎么办?"


def test_a_long_section_is_quoted_up_to_a_whole_sentence() -> None:
    long = Passage("d#s", "zh", "t", "这是一句话。" * 200, kind="document")
    quoted = quote(long)
    assert len(quoted) <= LONGEST_QUOTE
    assert quoted.endswith("。")
    entry = Passage("e", "zh", "t", "这是一句话。" * 200)
    assert quote(entry) == entry.text
