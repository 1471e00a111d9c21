"""The guard's verdicts: grounded replies pass, inventions, promises and broken output don't."""

# ruff: noqa: E501 (tables of examples read best one a line)
from __future__ import annotations

import os
import random
import re
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from bot.types import Passage
from inference.guard import ReplyGuard
from inference.guard.grounding import language_of
from inference.guard.promises import find_promise
from inference.retrieval.knowledge import load_knowledge
from tests.inference.guard_examples import FLIPS, INVENTIONS, PARAPHRASES
from tests.inference.guard_lies import lies, rewordings

KNOWLEDGE = Path(__file__).parents[2] / "config" / "knowledge"
LIES = int(os.environ.get("TELLER_LIES", "2000"))


@pytest.fixture(scope="module")
def passages() -> list[Passage]:
    knowledge = load_knowledge(KNOWLEDGE)
    return [item.passage for language in ("zh", "en") for item in knowledge.items(language)]


@pytest.fixture(scope="module")
def by_id(passages: list[Passage]) -> dict[tuple[str, str | None], Passage]:
    return {(passage.id, passage.language): passage for passage in passages}


@pytest.fixture(scope="module")
def guard() -> ReplyGuard:
    return ReplyGuard()


def passage(text: str, title: str = "") -> Passage:
    return Passage(id="a.b", language=language_of(text) or "zh", title=title, text=text)


FEE = passage(
    "手机银行转账免费，单日限额20万元，2小时内到账。打000-95501查询，网址https://www.lanwan.example。",
    "转账收费吗？",
)


def test_no_lie_about_a_figure_passes(guard: ReplyGuard, passages: list[Passage]) -> None:
    """TELLER_LIES sets how many are tried."""
    tried: Counter[str] = Counter()
    passed = []
    for source, lie, how in islice(lies(passages, seed=20260701), LIES):
        tried[how] += 1
        if guard.check(lie, [source], question=source.title).ok:
            passed.append((how, source.id, lie))
    assert passed == []
    assert len(tried) == 9


def test_other_notation_and_order_pass(guard: ReplyGuard, passages: list[Passage]) -> None:
    tried = list(islice(rewordings(passages, seed=20260701), LIES // 2))
    refused = [
        (how, source.id, finding.reason)
        for source, text, how in tried
        if not (finding := guard.check(text, [source], question=source.title)).ok
    ]
    assert len(refused) <= 0.05 * len(tried), refused


def test_every_passage_bears_itself_out(guard: ReplyGuard, passages: list[Passage]) -> None:
    refused = [
        (source.id, source.language, finding.reason)
        for source in passages
        if not (finding := guard.check(source.text, [source], question=source.title)).ok
    ]
    assert refused == []


@pytest.mark.parametrize(("id", "reply"), PARAPHRASES)
def test_a_paraphrase_passes(
    guard: ReplyGuard, by_id: dict[tuple[str, str | None], Passage], id: str, reply: str
) -> None:
    source = by_id[id, language_of(reply)]
    assert guard.check(reply, [source], question=source.title).reason == ""


@pytest.mark.parametrize(("id", "reply"), INVENTIONS)
def test_an_invention_is_refused(
    guard: ReplyGuard, by_id: dict[tuple[str, str | None], Passage], id: str, reply: str
) -> None:
    source = by_id[id, language_of(reply)]
    assert guard.check(reply, [source], question=source.title).reason.startswith(
        ("grounding", "figure", "term")
    )


@pytest.mark.parametrize(("truth", "lie"), FLIPS)
def test_a_statement_turned_round_is_refused(guard: ReplyGuard, truth: str, lie: str) -> None:
    assert guard.check(truth, [passage(truth)]).ok
    assert guard.check(lie, [passage(truth)]).reason.startswith("flip")


RATES = passage(
    "整存整取年利率：3个月0.85%，6个月1.05%，1年1.15%。咨询打000-95501，投诉打000-95509。", "定期利率"
)
FEES = passage("The fee is 0.8% for 3 instalments, 0.7% for 6 and 0.6% for 12. Replacement of a debit card costs CNY 10; "
               "replacement of a credit card costs CNY 15.")  # fmt: skip


@pytest.mark.parametrize(
    ("source", "reply", "ok"),
    [
        (RATES, "1年期的年利率是1.15%。", True), (RATES, "1年期的年利率是0.85%。", False), (RATES, "6个月1.05%，3个月0.85%。", True),
        (RATES, "6个月0.85%，3个月1.05%。", False), (FEES, "Replacement of a credit card costs CNY 15.", True),
        (FEES, "A credit card replacement costs CNY 15, a debit card replacement CNY 10.", True),
    ],
)  # fmt: skip
def test_a_figure_stays_with_what_it_belongs_to(
    guard: ReplyGuard, source: Passage, reply: str, ok: bool
) -> None:
    finding = guard.check(reply, [source], question=source.title)
    assert finding.ok is ok
    assert ok or finding.reason.startswith("misuse")


LIMITS = passage(
    "手机银行取款限额每天5万元，转账限额每天20万元。账户管理费每月5元，年费每年10元。活期存款年利率0.35%，一年期定期年利率1.75%。"
)
TERMS = passage("The savings rate is 1.75% a year. The service fee is CNY 5 a month; the card costs CNY 10 per year. "
                "The daily cash withdrawal limit is CNY 50,000 and the daily transfer limit is CNY 200,000.")  # fmt: skip


@pytest.mark.parametrize(
    ("source", "replies"),
    [
        (LIMITS, ["账户管理费每天5元。", "账户管理费每年5元。", "年费每月10元。", "账户管理费5元/天。", "账户管理费5元一年。", "管理费一天5元。",
                  "月利率1.75%。", "定期日利率1.75%。", "取款限额每天20万元。", "手机银行转账限额每天5万元。", "每天可取款20万元。", "转账限额5万元。",
                  "活期利率1.75%。", "活期存款年利率1.75%。"]),
        (TERMS, ["The rate is 1.75% per month.", "The rate is 1.75% for each month.", "The service fee is CNY 5 for each day.",
                 "The service fee is CNY 5 a year.", "The card costs CNY 10 a month.", "The monthly rate is 1.75%.",
                 "The daily cash withdrawal limit is CNY 200,000.", "The transfer limit is CNY 50,000."]),
    ],
)  # fmt: skip
def test_a_figure_stays_with_its_period_and_its_subject(
    guard: ReplyGuard, source: Passage, replies: list[str]
) -> None:
    assert [reply for reply in replies if guard.check(reply, [source]).ok] == []


@pytest.mark.parametrize(
    ("source", "replies"),
    [
        (LIMITS, ["账户管理费是5元/月。", "每月收5元管理费，每年收10元年费。", "一年定期利率1.75%。", "每个月的账户管理费为五元。", "转账日限额20万元。",
                  "每日取款限额是5万元。", "转账限额每日20万，取款5万。", "取款限额一天5万元。", "定期的年利率是1.75%，活期0.35%。"]),
        (TERMS, ["The rate is 1.75% per year.", "The service fee is CNY 5 every month.", "The card costs CNY 10 yearly.",
                 "The yearly rate is 1.75%.", "The limit is CNY 50,000 a day for withdrawals and CNY 200,000 a day for transfers.",
                 "The monthly service fee is CNY 5."]),
    ],
)  # fmt: skip
def test_the_same_period_and_subject_in_other_words_pass(
    guard: ReplyGuard, source: Passage, replies: list[str]
) -> None:
    refused = [
        (reply, finding.reason) for reply in replies if not (finding := guard.check(reply, [source])).ok
    ]
    assert refused == []


def test_most_figures_that_change_places_are_noticed(guard: ReplyGuard, passages: list[Passage]) -> None:
    """Two figures of a kind, both from the passage, swapped in its own text."""
    rng = random.Random(20260701)
    swapped = []
    for source in passages:
        found = re.findall(r"(?<![\d.])\d+(?:\.\d+)?%|CNY \d[\d,]*\d|(?<![\d.])\d+万?元", source.text)
        pairs = [
            (a, b) for a in found for b in found if a < b and (a[-1] == b[-1] or a[:3] == b[:3] == "CNY")
        ]
        for one, other in pairs[:3]:
            if (
                source.text.count(one) == source.text.count(other) == 1
                and one not in other
                and other not in one
            ):
                text = source.text.replace(one, "\0").replace(other, one).replace("\0", other)
                swapped.append((source, text))
    sample = rng.sample(swapped, min(150, len(swapped)))
    noticed = sum(not guard.check(text, [source]).ok for source, text in sample)
    assert noticed >= 0.7 * len(sample)


@pytest.mark.parametrize(
    "text",
    [
        "本产品保本保收益。", "这款理财无风险。", "零风险，放心买", "稳赚不赔", "包赚", "只涨不跌", "百分百安全", "不是不保本",
        "我行保证本金不受损失", "本金绝对安全", "一定会赚钱", "收益有保障", "没有任何风险", "不会亏损", "承诺保本", "我们不是骗子，稳赚不赔",
        "This product has guaranteed returns.", "It is risk-free.", "There is no risk.", "You can't lose.", "Your principal is guaranteed.",
        "We don't just offer service, returns are guaranteed.", "This isn't a scam, it's risk-free.", "Not only guaranteed returns but bonuses",
        "Returns are always guaranteed", "A capital-protected product",
    ],
)  # fmt: skip
def test_a_promise_is_found(text: str) -> None:
    assert find_promise(text)


@pytest.mark.parametrize(
    "text",
    [
        "本产品非保本", "不保本", "不承诺保本", "本产品不保本不保收益", "不保本保收益", "理财非存款、产品有风险", "不存在无风险的投资", "并非稳赚", "并不是不会亏",
        "任何理财都不能保证收益", "声称稳赚不赔的都是骗局", "警惕“保本高收益”的宣传", "凡是承诺保本、稳赚的都是诈骗", "它不是零风险产品",
        "Returns are not guaranteed", "It is not risk-free.", "No product is risk-free", "Nothing is risk-free", "The principal is not protected",
        "Beware of anyone offering guaranteed returns", "We do not guarantee returns", "Both principal and return can be lost",
        "Anyone who promises guaranteed profit is running a scam", "Wealth products don't protect your principal",
    ],
)  # fmt: skip
def test_a_promise_denied_or_warned_of_is_none(text: str) -> None:
    assert find_promise(text) == ""


def test_a_promise_is_refused_even_if_a_passage_makes_it(guard: ReplyGuard) -> None:
    assert guard.check("这款产品保本。", [passage("这款产品保本。")]).reason == "promise: 保本"


def test_the_customers_figure_is_no_evidence(guard: ReplyGuard) -> None:
    assert guard.check("可以转30万元。", [FEE], question="我能转30万元吗？").reason.startswith(
        "figure: 30万元"
    )


def test_the_customers_figure_may_be_said_back_as_theirs(guard: ReplyGuard) -> None:
    assert guard.check("单日限额20万元，您提到的30万元超过了限额。", [FEE], question="我能转30万元吗？").ok
    assert not guard.check(
        "单日限额20万元，您提到的40万元超过了限额。", [FEE], question="我能转30万元吗？"
    ).ok


@pytest.mark.parametrize(
    ("reply", "check"),
    [
        ("", "empty"), (" \n", "empty"), ("转账免费。\n客户：那限额呢？", "degenerate"), ("转账免费。<end_of_turn>", "degenerate"),
        ("Passage 1: 转账免费。", "degenerate"), ("转账免费转账免费转账免费转账免费", "degenerate"), ("转账免费\u202e。", "degenerate"),
        ("手机银行转账免费。手机银行转账免费。", "degenerate"), ("……………………", "degenerate"), ("Transfers in the app are free of charge.", "language"),
        ("请拨打95588。", "figure"), ("请打开 http://www.lanwan.example", "figure"), ("手机银行转账收费。", "flip"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(guard: ReplyGuard, reply: str, check: str) -> None:
    assert guard.check(reply, [FEE], question="转账收费吗？").reason.partition(":")[0] == check


def test_without_a_passage_nothing_of_substance_passes(guard: ReplyGuard) -> None:
    assert not guard.check("手机银行支持指纹登录，忘记密码可刷脸重置。", [], question="怎么登录").ok


def test_a_reason_never_repeats_the_message(guard: ReplyGuard) -> None:
    reply = "我们的合作伙伴会为您提供海外置业顾问以及私人飞机接送服务还有豪华游艇派对入场券并且赠送一套别墅给您全家。"
    assert len(guard.check(reply, [FEE]).reason) < 70
