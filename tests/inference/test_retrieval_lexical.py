from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.retrieval.lexical import LexicalField, idf_of
from inference.retrieval.text import Analyser, script, strip_courtesies


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser()


def test_a_rare_term_counts_more_than_a_common_one() -> None:
    texts = [["卡", "丢"], ["卡", "激活"], ["卡", "注销"]]
    field = LexicalField(texts, idf_of([set(text) for text in texts]), unknown=1.0)
    assert field.scores(["卡", "激活"]).argmax() == 1


def test_an_unknown_term_lowers_coverage() -> None:
    texts = [["卡", "丢"], ["贷款"]]
    field = LexicalField(texts, idf_of([set(text) for text in texts]), unknown=1.0)
    assert field.scores(["丢", "天气"])[0] < field.scores(["丢"])[0]


def test_overlap_falls_where_the_text_says_more_than_was_asked() -> None:
    texts = [["卡", "丢"], ["卡", "丢", "境外", "补办"]]
    field = LexicalField(texts, idf_of([set(text) for text in texts]), unknown=1.0)
    short, long = field.dice(["卡", "丢"])
    assert short == pytest.approx(1.0)
    assert long < short


def test_folding_makes_one_form_of_many(analyser: Analyser) -> None:
    assert analyser.fold("ＡＴＭ　轉帳\u200b  失敗") == analyser.fold("atm 转帐 失败")


def test_finance_words_stay_whole(analyser: Analyser) -> None:
    assert "滞纳金" in analyser.words("滞纳金怎么算")
    assert "三方存管" in analyser.words("三方存管怎么签约")


def test_grams_see_through_a_typo(analyser: Analyser) -> None:
    shared = set(analyser.grams("信用卡挂失")) & set(analyser.grams("信用卡挂矢"))
    assert {"信用", "用卡", "卡挂"} <= shared


def test_english_word_forms_meet(analyser: Analyser) -> None:
    assert analyser.words("transferring fees") == analyser.words("transfer fee")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("credit card 丢了", "zh"),
        ("信用卡", "zh"),
        ("lost my card", "en"),
        ("how do I use 澜易贷 abroad please", "en"),
    ],
)
def test_the_script_of_a_question_is_that_of_most_of_its_words(text: str, language: str) -> None:
    assert script(text) == language


def test_a_greeting_alone_is_left_as_it_is() -> None:
    assert strip_courtesies("你好") == "你好"
    assert strip_courtesies("你好,请问怎么开户") == "怎么开户"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_no_text_breaks_the_analysis(analyser: Analyser, text: str) -> None:
    folded = analyser.fold(text)
    strip_courtesies(folded)
    assert all(analyser.words(folded))
    assert all(analyser.grams(folded))
