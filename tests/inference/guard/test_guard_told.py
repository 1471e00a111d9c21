"""Lies of every kind are refused, faithful rewordings pass, and nothing of a lie is ever shown."""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answering import Answering, quote
from bot.config import Config
from bot.ids import new_id
from bot.metrics import Metrics
from bot.types import Exchange, Hit, Language, Passage, SearchResult
from inference.fake import FakeModel, Script
from inference.generator.prompt import beginnings
from inference.guard import ReplyGuard
from inference.guard.grounding import language_of
from inference.guard.orders import find_order
from inference.guard.promises import find_promise
from inference.retrieval.knowledge import load_knowledge
from tests.inference.guard.paraphrases import FAITHFUL
from tests.inference.guard.told import EN, LIES, TRUTHS, ZH
from tests.inference.guard_examples import PARAPHRASES

KNOWLEDGE = Path(__file__).parents[3] / "config" / "knowledge"
GUARD = ReplyGuard()
SOURCES: dict[Language, Passage] = {
    "zh": Passage("told.zh", "zh", "转账与产品", ZH, "transfers", "document"),
    "en": Passage("told.en", "en", "Transfers and products", EN, "transfers", "document"),
}


def source(text: str) -> Passage:
    return SOURCES[language_of(text) or "zh"]


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused(lie: str) -> None:
    assert not GUARD.check(lie, [source(lie)]).ok


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_truth_in_other_words_passes(truth: str) -> None:
    assert GUARD.check(truth, [source(truth)]).reason == ""


def test_faithful_rewordings_of_the_knowledge_pass() -> None:
    """The mark is 0.95."""
    knowledge = load_knowledge(KNOWLEDGE)
    languages: tuple[Language, ...] = ("zh", "en")
    by_id = {
        (item.passage.id, language): item.passage
        for language in languages
        for item in knowledge.items(language)
    }
    pairs = [*FAITHFUL, *PARAPHRASES]
    refused = [
        (id, finding.reason)
        for id, reply in pairs
        if not (
            finding := GUARD.check(
                reply,
                [by_id[id, language_of(reply) or "zh"]],
                question=by_id[id, language_of(reply) or "zh"].title,
            )
        ).ok
    ]
    assert len(pairs) >= 195
    assert len(refused) <= 0.05 * len(pairs), refused


class Found:
    version = "test"

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    async def search(
        self, question: str, *, language: Language, history: Sequence[Exchange] = (), limit: int = 5
    ) -> SearchResult:
        return SearchResult((Hit(self._passage, 1.0),), 0.9, question)

    def passage(self, id: str, language: Language) -> Passage | None:
        return None


async def told(lie: str, pieces: int) -> tuple[str, str, list[str]]:
    """(the answer, its source, all drafts) when the model says `lie` in pieces of that many characters."""
    drafts: list[str] = []

    async def show(text: str) -> None:
        drafts.append(text)

    passage = source(lie)
    script = Script(tuple(lie[at : at + pieces] for at in range(0, len(lie), pieces)))
    model = FakeModel([script])
    answering = Answering(Found(passage), GUARD, model, Metrics(), new_id)
    question = "说说转账和产品" if passage.language == "zh" else "Tell me about transfers and products"
    answer = await answering.answer(
        question,
        language=passage.language,
        config=Config.model_validate({"answers": {"generate": "always"}}),
        show=show,
    )
    return answer.text, answer.source, drafts


async def test_the_lying_model_never_reaches_the_customer() -> None:
    """Through the real answer path: every lie becomes the passage's words, and no draft holds what is false."""
    for at, lie in enumerate(LIES):
        lie_text = lie.replace("\\n", "\n")
        text, kind, drafts = await told(lie_text, pieces=(1, 3, 7)[at % 3])
        assert (text, kind) == (quote(source(lie)), "verbatim"), lie
        for draft in drafts:
            assert len(draft) < len(lie_text.rstrip("。.")), (lie, draft)
            assert GUARD.check(draft, [source(lie)]).ok or not draft.strip(), (lie, draft)
            assert not find_promise(draft), (lie, draft)
            assert not find_order(draft), (lie, draft)


async def test_an_honest_model_is_heard() -> None:
    text, kind, _ = await told(TRUTHS[1], pieces=3)
    assert (text, kind) == (TRUTHS[1], "generated")


@pytest.mark.parametrize("language", [0, 1])
def test_no_sentence_of_the_prompt_is_said(language: int) -> None:
    """Nor with punctuation, spaces and case changed, nor inside an honest reply, whatever its language."""
    lines = [line for line in beginnings()[language].splitlines() if len(line) > 30]
    assert len(lines) >= 4
    for line in lines:
        words = line.upper().replace("，", " ").replace(",", " ·")
        for reply in (line, words, f"{TRUTHS[1]}{line}"):
            for passage in SOURCES.values():
                assert not GUARD.check(reply, [passage]).ok, reply


@pytest.mark.parametrize(
    "text",
    [
        "切勿把验证码告诉任何人。", "我们不会向您索要密码。", "凡是要求转到“安全账户”的都是诈骗。", "在手机银行输入交易密码确认。",
        "请设置6位取款密码。", "如果已经把验证码告诉了对方，请马上冻结账户。", "Never share your PIN.",
        "We never ask for your password.", "Anyone who asks you to move money to a safe account is a scammer.",
        "Enter your transaction password in the app.", "If you have already given someone the code, freeze the account.",
    ],
)  # fmt: skip
def test_a_warning_is_no_order(text: str) -> None:
    assert find_order(text) == ""


@given(
    st.integers(1, 10**9),
    st.sampled_from(["{}元", "{}万元", "CNY {}", "{}%", "{}天", "{}个工作日", "{}次", "{} days", "{}小时"]),
)
def test_no_figure_gets_in_that_the_passage_lacks(number: int, form: str) -> None:
    claim = form.format(number)
    if claim in ZH or form.format(f"{number:,}") in ZH:
        return
    finding = GUARD.check(f"手机银行转账单日限额20万元，另外是{claim}。", [SOURCES["zh"]])
    supported = {
        "{}元": {200_000, 500_000}, "CNY {}": {200_000, 500_000}, "{}万元": {20, 50}, "{}小时": {2}, "{}天": {90, 180, 15, 1},
        "{}个工作日": {3}, "{}%": {180, 230}, "{}次": {95501}, "{} days": {90, 180, 15, 1},
    }[form]  # fmt: skip
    assert not finding.ok or number in supported
