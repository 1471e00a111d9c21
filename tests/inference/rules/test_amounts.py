"""Sums of money in folded text."""

from __future__ import annotations

import pytest

from inference.rules.amounts import find_amounts
from inference.rules.facts import facts_of_context, money_facts
from inference.rules.folding import fold


@pytest.mark.parametrize(
    ("text", "sums"),
    [
        ("转了20万给他", {"CNY": 20_000_000}),
        ("五十万块", {"CNY": 50_000_000}),
        ("三万五", {"CNY": 3_500_000}),
        ("转账3.5w", {"CNY": 350_000_0}),
        ("$12,000 to my cousin", {"USD": 1_200_000}),
        ("我想汇1万美金到国外", {"USD": 1_000_000}),
        ("ten thousand dollars", {"USD": 1_000_000}),
        ("send 15k", {"USD": 1_500_000}),
        ("先转3千，再转2万", {"CNY": 2_000_000}),
        ("５０，０００元", {"CNY": 5_000_000}),
        ("一百二十万", {"CNY": 120_000_000}),
        ("下午3点", {}),
        ("2026年11月23日", {}),
        ("拨打95588", {}),
        ("卡号6222021234567890123", {}),
        ("验证码是123456", {}),
        ("利率3.45%", {}),
        ("一下子", {}),
    ],
)
def test_sums(text: str, sums: dict[str, int]) -> None:
    assert dict(find_amounts(fold(text))) == sums


def test_the_largest_counts_in_either_currency() -> None:
    facts = money_facts({"CNY": 100_00, "USD": 10_000_00})
    assert facts["amount.currency"] == "USD"
    assert facts["amount.usd"] == 1_000_000
    assert int(facts["amount.cny"]) > 6_000_000


@pytest.mark.parametrize("context", [{"product": {"risk": "high"}}, {"amount": "much"}])
def test_a_context_that_makes_no_sense_is_refused(context: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"high|much"):
        facts_of_context(context)
