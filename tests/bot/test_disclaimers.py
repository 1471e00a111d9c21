"""Disclaimers: due by topic, place and day, once, and a bad file is refused with its line."""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bot.config.disclaimers import Disclaimers, disclaimers_for, load_disclaimers
from bot.errors import ConfigError
from bot.types import Language, Passage

FILE = Path(__file__).parents[2] / "config" / "disclaimers.yaml"
TODAY = date(2026, 7, 1)


@pytest.fixture(scope="module")
def shipped() -> Disclaimers:
    return load_disclaimers(FILE)


def passage(id: str, topic: str, language: Language = "zh") -> Passage:
    return Passage(id=id, language=language, title="", text="", topic=topic)


@pytest.mark.parametrize(
    ("id", "topic", "language", "text", "says"),
    [
        ("wealth.buy.how", "wealth", "zh", "在手机银行就能买。", ["理财非存款"]),
        ("wealth.buy.how", "wealth", "zh", "在手机银行就能买。理财非存款，产品有风险，投资须谨慎！", []),
        ("wealth.buy.how", "wealth", "en", "You can buy in the app.", ["not deposits"]),
        ("wealth-growth#benchmark", "wealth", "zh", "业绩比较基准是年化2.5%。", ["理财非存款", "不是预期收益率"]),
        ("wealth.fund.buy", "wealth", "zh", "基金10元起购。", ["理财非存款", "过往业绩"]),
        ("wealth.insurance.agency", "wealth", "zh", "可以在网点办理。", ["保险公司承保"]),
        ("wealth.gold.buy", "wealth", "en", "From 1 gram.", ["not deposits", "prices go up and down"]),
        ("loans.consumer.rate", "loans", "zh", "年利率从3.6%到9.9%。", ["以审批结果和合同为准"]),
        ("loans.consumer.rate", "loans", "zh", "年利率从3.6%到9.9%，以审批结果为准。", []),
        ("loans.repay.how", "loans", "zh", "在手机银行点还款。", []),
        ("fx.rate.lookup", "fx", "en", "See the exchange rate in the app.", ["move with the market"]),
        ("cards.credit.lost", "cards", "zh", "补卡费15元。", []),
        ("general.about", "general", "zh", "这款理财产品怎么买，请看手机银行。", ["理财非存款"]),
    ],
)  # fmt: skip
def test_what_the_answer_is_about_decides(
    shipped: Disclaimers, id: str, topic: str, language: Language, text: str, says: list[str]
) -> None:
    found = disclaimers_for([passage(id, topic, language)], text, language, disclaimers=shipped, today=TODAY)
    assert len(found) == len(says), found
    assert all(words in sentence for words, sentence in zip(says, found, strict=True))


def test_another_jurisdiction_has_its_own(shipped: Disclaimers) -> None:
    found = disclaimers_for(
        [passage("wealth.buy.how", "wealth")], "How to buy.", "en", "SG", disclaimers=shipped, today=TODAY
    )
    assert found == (
        "Investment products are not deposits; their value can fall as well as rise and you may lose money.",
    )


def test_nothing_is_due_before_its_day(shipped: Disclaimers) -> None:
    early = disclaimers_for(
        [passage("wealth.buy.how", "wealth")], "怎么买", "zh", disclaimers=shipped, today=date(2000, 1, 1)
    )
    assert early == ()


def test_appending_twice_adds_nothing(shipped: Disclaimers) -> None:
    passages = [passage("wealth-growth#x", "wealth"), passage("wealth.fund.buy", "wealth")]
    for language in ("zh", "en"):
        text = "业绩比较基准 benchmark"
        for _ in range(2):
            due = disclaimers_for(passages, text, language, disclaimers=shipped, today=TODAY)  # type: ignore[arg-type]
            text = "\n".join([text, *due])
        assert due == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("topics:", "topic:", 6, "did you mean 'topics'"),
        ("2018-09-26", "26.9.2018", 4, "must be a date"),
        ("    topics: [wealth]\n", "", 2, "say when it is due"),
        ("jurisdiction: CN", "jurisdiction: China", 3, "jurisdiction"),
        ("      en: With care.\n", "", 7, "'disclaimers.0.text.en' is missing"),
        ("disclaimers:\n", "disclaimers:\n  - {id: a.b, jurisdiction: CN, effective_from: 2018-09-26, source: s, topics: [fx], "
         "text: {zh: 一, en: b}}\n", 3, "is taken in line 2"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    text = (
        "disclaimers:\n  - id: a.b\n    jurisdiction: CN\n    effective_from: 2018-09-26\n    source: s\n"
        "    topics: [wealth]\n    text:\n      zh: 须谨慎。\n      en: With care.\n"
    )
    assert old in text
    path = tmp_path / "disclaimers.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as failure:
        load_disclaimers(path)
    assert [(problem.line, says in problem.message) for problem in failure.value.problems] == [
        (line, True)
    ], failure.value.problems
