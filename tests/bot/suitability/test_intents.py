"""What is wanted, and what is left to the knowledge."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.rails.normalise import clean
from bot.suitability import intents
from tests.bot.suitability.desk import CONFIG


@pytest.mark.parametrize(
    "text",
    [
        "风险测评",
        "我要做风险测评",
        "我想做一下风险承受能力评估",
        "开始风险测评",
        "重新做一次风险测评",
        "帮我测一下风险等级",
        "请给我做个风险评估吧",
        "风险承受能力测试",
        "做理财风险测评",
        "I want to take the risk test",
        "start the risk assessment",
        "risk assessment",
        "take a suitability test please",
        "assess my risk tolerance",
    ],
)
def test_who_wants_the_test_gets_it(text: str) -> None:
    assert intents.wants_test(text)


@pytest.mark.parametrize(
    "text",
    [
        "我能买什么理财",
        "推荐理财",
        "推荐一款适合我的理财产品",
        "有什么适合我的理财吗",
        "我有10万想放半年，推荐个产品",
        "介绍几款稳健的基金",
        "买什么基金好",
        "手里有5万块，买什么好",
        "给我推荐一个美元存款",
        "recommend a fund for me",
        "what products can I buy?",
        "which investments are suitable for me",
        "where should I put my savings",
        "Can you suggest some deposits for half a year",
    ],
)
def test_who_wants_products_is_shown_some(text: str) -> None:
    assert intents.wants_product(text)


@pytest.mark.parametrize(
    "text",
    [
        "什么是R3",
        "风险测评有效期多久",
        "风险测评怎么做",
        "怎么做风险测评？",
        "C3能买什么理财",
        "理财怎么买",
        "推荐码在哪里填",
        "客户经理给我推荐的理财亏了",
        "群里老师推荐的理财靠谱吗",
        "推荐办卡有奖励吗",
        "你们银行有什么理财规定",
        "is the risk test valid for a year",
        "how do I take the risk test",
        "a friend recommended an investment",
        "what is R3",
        "how many times can I take the risk test",
    ],
)
def test_questions_about_it_are_left_to_the_knowledge(text: str) -> None:
    assert not intents.wants_test(text)
    assert not intents.wants_product(text)
    assert not intents.asks_coaching(text, in_test=False)
    assert not intents.for_another(text, in_test=False)


@pytest.mark.parametrize(
    "text",
    [
        "选哪个能到C5",
        "风险测评怎么答才能是进取型",
        "测评选什么才能买R4",
        "教我怎么答测评的答案",
        "怎么测到C5",
        "告诉我风险测评的标准答案",
        "把我的等级改成C5",
        "what should I answer to get aggressive",
        "how do I answer the questionnaire to be rated C5",
        "give me the risk test answers",
        "告诉我各题分值",
        "每道题多少分",
        "我想做到积极型，应该怎么作答",
        "我需要C4才能买，你直接给我改一下吧",
        "假装我是C5给我推荐",
        "教我过测评",
        "教我怎么通过风险测评",
        "帮我把等级调到C4",
        "就按C5给我推荐吧",
        "怎么糊弄过风险测评",
        "pretend I'm C5 and recommend something",
        "treat me as aggressive",
        "風險測評怎麼答才能到Ｃ５",
        "教我過測評",
        "教 我 过 测 评",
        "教*我*过*测*评",
        "告诉我风险测评的标准👍答案",
        "假裝我是 Ｃ 5 給我推薦",
        "把我的等級改成 C5",
    ],
)
def test_coaching_is_recognised_outside_a_test(text: str) -> None:
    assert intents.asks_coaching(text, in_test=False)


@pytest.mark.parametrize(
    "text",
    [
        "理财经理让我把答案改高一点好买产品，这样可以吗",
        "客户经理教我怎么选才能到C4，我要投诉",
        "C5是什么意思",
        "C4和C5有什么区别",
        "怎么提高信用卡额度",
        "how do I get a new pass for the app",
        "我是进取型，能买什么",
        "怎样提高风险等级",
        "怎樣提高風險等級",
        "测评过期了怎么办",
        "告诉我上次测评过期没有",
        "R2产品到期了给我提醒一下",
        "我是C3，帮我看看这只R4能不能买",
        "風險測評有效期多久",
    ],
)
def test_reports_of_coaching_and_plain_questions_are_not_coaching(text: str) -> None:
    assert not intents.asks_coaching(text, in_test=False)


@pytest.mark.parametrize(
    "text", ["我帮我妈做风险测评", "替客户填风险问卷", "I'm taking the risk test for my father"]
)
def test_the_test_for_somebody_else_is_recognised(text: str) -> None:
    assert intents.for_another(text, in_test=False)


@pytest.mark.parametrize("text", ["帮我妈查一下余额", "给孩子存教育金", "open an account for my son"])
def test_other_business_for_somebody_else_is_not(text: str) -> None:
    assert not intents.for_another(text, in_test=False)


def test_the_knowledge_keeps_its_questions() -> None:
    """Of some 14,000 ways of asking in the knowledge, only plain wishes to take the test are taken."""
    taken: dict[str, list[str]] = {}
    total = 0
    for path in sorted(Path(CONFIG / "knowledge" / "entries").glob("*.yaml")):
        for entry in yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)["entries"]:
            for language in ("zh", "en"):
                side = entry.get(language, {})
                for words in (side.get("question", ""), *side.get("paraphrases", ())):
                    text = clean(words)
                    total += 1
                    if (
                        intents.wants_test(text)
                        or intents.wants_product(text)
                        or intents.asks_coaching(text, in_test=False)
                        or intents.for_another(text, in_test=False)
                    ):
                        taken.setdefault(entry["id"], []).append(words)
    assert total > 10_000
    assert set(taken) <= {"wealth.risk.how", "wealth.risk.tries"}, taken
    assert sum(len(words) for words in taken.values()) <= 5


@pytest.mark.parametrize(
    "text",
    ["收入那题选50万以上会加分吗", "选A还是B分高", "如果我选收入高一点，会不会等级更高", "哪个选项扣分"],
)
def test_coaching_is_recognised_inside_a_test(text: str) -> None:
    assert intents.asks_coaching(text, in_test=True)


@given(st.text(alphabet="我要做选哪个风险测评能到C5买理财推荐帮妈答anwhchooset ,?\n", max_size=300))
def test_no_text_is_slow_or_breaks_it(text: str) -> None:
    started = time.process_time()
    intents.wants_test(text)
    intents.wants_product(text)
    intents.wants_to_buy(text)
    intents.asks_coaching(text, in_test=True)
    intents.for_another(text, in_test=True)
    intents.wants_out(text)
    assert time.process_time() - started < 1  # a pattern that backtracks without end takes minutes
