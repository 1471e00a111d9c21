"""What is shown of a growing reply stays true, however the reply is cut and goes on."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bot.types import Passage
from inference.guard import ReplyGuard
from inference.guard.figures import find_figures
from inference.guard.promises import find_promise
from inference.retrieval.knowledge import load_knowledge

GUARD = ReplyGuard()
KNOWLEDGE = Path(__file__).parents[2] / "config" / "knowledge"
_TOKENS = (
    "3|5|20|000|0.5|1.2|,|，|。|. |; |\n|-|~|至|到|或|和|、|/|:|：|%|‰|万|亿|元|美元|个|工作日|天"
    "|小时|个月|月|年|日|号|点|半|分|上午|下午|9:00|am|pm|CNY |USD |¥|人民币|一|二|两|三|十|百|千"
    "|百分之|成|第|每|不|保本|风险|无|没有|收益|guaranteed returns|risk-free|no |not |or |and |to "
    "|per cent|days|business |hours|months|the |one |two |twenty|-four |hundred |thousand |million "
    "|July |1|2026|www.|example|.com|https://|care@|R3|II|类户|T+|+86 |000-95501|电话|您|请|打开"
    "|手机银行|转账|费|free |fee |charge |Step 1|2. |)|(|！|？|? |half an |year|times|次|张|th|零点"
    "|noon| "
)
TOKENS = _TOKENS.split("|")
replies = st.lists(st.sampled_from(TOKENS), max_size=30).map("".join)


def seen(text: str, before: int) -> list[tuple[str, object, int]]:
    return [
        (figure.kind, figure.value, figure.start) for figure in find_figures(text) if figure.start < before
    ]


@given(replies)
def test_a_released_prefix_reads_the_same_whatever_follows(reply: str) -> None:
    shown = 0
    for end in range(len(reply) + 1):
        prefix = GUARD.safe_prefix(reply[:end])
        assert shown <= prefix <= end
        if prefix > shown:
            shown = prefix
            assert seen(reply[:shown], shown) == seen(reply, shown)
            if find_promise(reply[:shown]):
                assert find_promise(reply)


@given(replies, st.lists(st.integers(1, 12), min_size=1))
def test_no_unsupported_figure_is_shown_however_the_reply_is_split(reply: str, sizes: list[int]) -> None:
    passage = Passage(
        id="a.b", language="zh", title="", text="转账20万元以内3天到账，费率0.5%，9:00开始，打000-95501。"
    )
    end = shown = 0
    pieces = iter(sizes * (len(reply) + 1))
    while end < len(reply):
        end += next(pieces)
        prefix = GUARD.safe_prefix(reply[:end])
        if prefix <= shown or not GUARD.check(reply[:prefix], [passage]).ok:
            continue
        shown = prefix
        finding = GUARD.check(reply, [passage])
        for figure in find_figures(reply):
            if figure.end <= shown and not figure.implicit:
                assert not finding.reason.startswith(f"figure: {figure.text.strip()} ({figure.kind})")


def test_the_tail_that_may_become_part_of_a_figure_is_held_back() -> None:
    for partial in (
        "限额是2",
        "限额是20",
        "限额是20万",
        "请打000-",
        "网址是https://www.lanwan",
        "the fee is 3",
        "本产品保本",
        "本产品无",
    ):
        assert GUARD.safe_prefix(partial) <= 8
        assert not find_figures(partial[: GUARD.safe_prefix(partial)])


def test_a_plain_clause_is_shown_word_by_word() -> None:
    assert GUARD.safe_prefix("Open the app and sign in as you always do, then choose transfers") > 30


def test_real_answers_are_shown_as_they_grow() -> None:
    """Latency is the price of holding back: on average less than a clause is held."""
    knowledge = load_knowledge(KNOWLEDGE)
    for language, most in (("zh", 12), ("en", 36)):
        held = [
            end - GUARD.safe_prefix(item.passage.text[:end])
            for item in knowledge.items(language)[:40]
            for end in range(1, len(item.passage.text), 3)
        ]
        assert sum(held) / len(held) < most
