from __future__ import annotations

import pytest

from bot.types import Exchange
from inference.retrieval.follow_up import Context, Dependence, context_of, dependence, kinship


@pytest.mark.parametrize(
    "question",
    ["要多久？", "手续费多少", "利率呢", "需要什么材料", "how long does it take?", "what about the fee?"],
)
def test_a_question_that_names_nothing_certainly_leans(question: str) -> None:
    assert dependence(question) is Dependence.CERTAIN


@pytest.mark.parametrize(
    "question", ["那提前还呢？", "它能挂失吗", "what about other banks", "and if i find it again?"]
)
def test_a_continuation_that_names_something_may_lean(question: str) -> None:
    assert dependence(question) is Dependence.POSSIBLE


@pytest.mark.parametrize(
    "question", ["信用卡丢了怎么办", "手机银行转账限额是多少", "how do i apply for a car loan"]
)
def test_a_question_with_a_subject_of_its_own_stands_alone(question: str) -> None:
    assert dependence(question) is Dependence.NONE


def test_the_context_reaches_back_to_the_last_question_that_stood_alone() -> None:
    history = [
        Exchange("怎么打印流水", "…", ("accounts.statement",)),
        Exchange("房贷怎么申请", "…", ("loans.mortgage.apply",)),
        Exchange("要多久", "…", ("loans.mortgage.progress",)),
    ]
    context = context_of(history)
    assert context == Context("房贷怎么申请 要多久", frozenset({"loans.mortgage.progress"}))
    assert context_of([]) is None


def test_kin_share_a_family_or_a_link() -> None:
    context = Context("", frozenset({"loans.mortgage.apply"}))
    assert kinship("loans.mortgage.prepay", (), context) == 1.0
    assert kinship("loans.car.prepay", (), context) == 0.5
    assert kinship("cards.credit.lost", ("loans.mortgage.apply",), context) == 0.5
    assert kinship("cards.credit.lost", (), context) == 0.0


def test_what_was_just_read_is_less_wanted_than_its_siblings() -> None:
    context = Context("", frozenset({"complaints.how"}))
    assert kinship("complaints.how", (), context) < kinship("complaints.how_long", (), context)
