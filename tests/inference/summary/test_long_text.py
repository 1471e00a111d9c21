"""Long texts in a few of their own sentences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.retrieval.embedding import Role, Vectors
from inference.retrieval.text import Analyser
from inference.summary import Summariser

ANALYSER = Analyser()
BUS = """早高峰的站台上挤满了人。公交集团昨天宣布，3月1日起地铁接驳线路增加到42条。
新增的线路主要经过城北的几个大型社区，那里的居民过去换乘要走一公里。
票价保持2元不变，持老年卡的乘客免费。
集团负责人说，接驳线路的想法来自居民的来信。居民在信里写道，冬天走一公里实在太冷。
车辆全部是电动的。为了给车辆充电，三个停车场正在改造，预计2月20日完工。"""
LIGHT = """The harbour was grey that day. Inspectors found that the old lighthouse needs repairs of 240,000.
The old lighthouse has stood on the rock since 1871, and the repairs can't wait for another winter.
Nobody has lived there for years. The council will vote on the repairs of the lighthouse on 14 May.
Gulls cried. If the council agrees, the repairs of the lighthouse begin in June and take nine months."""


@pytest.fixture(scope="module")
def summariser() -> Summariser:
    return Summariser(ANALYSER)


class ByLetters:
    """An encoder of letter counts."""

    name = "letters"

    def encode(self, texts: list[str], role: Role) -> Vectors:
        counts = np.array([[text.count(chr(97 + n)) + 0.1 for n in range(26)] for text in texts], np.float32)
        unit: Vectors = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        return unit


def test_it_keeps_the_texts_own_sentences_in_their_order_and_within_the_length(
    summariser: Summariser,
) -> None:
    found = summariser.summarise(BUS, 90)
    assert len(found) <= 90
    places = [BUS.index(sentence) for sentence in found.replace("。", "。\n").split("\n") if sentence]
    assert len(places) >= 2
    assert places == sorted(places)


def test_sentences_with_figures_are_kept_and_idle_ones_are_not(summariser: Summariser) -> None:
    chinese, english = summariser.summarise(BUS, 90), summariser.summarise(LIGHT, 240)
    assert "42条" in chinese
    assert "早高峰" not in chinese
    assert "240,000" in english or "14 May" in english
    assert "Gulls" not in english


def test_what_is_said_twice_is_kept_once(summariser: Summariser) -> None:
    text = (
        "手续费从4月1日起由每笔5元降到3元。客户可以在手机银行查到新的价目表。"
        "从4月1日起，每笔手续费由5元降到3元。网点的价目牌会在3月25日前换好。今天天气很好，适合出门。"
    )
    found = summariser.summarise(text, 50)
    assert found.count("降到3元") == 1
    assert "3月25日" in found


def test_a_short_text_is_its_own_summary(summariser: Summariser) -> None:
    assert summariser.summarise("  明天放假。\n", 50) == "明天放假。"
    assert summariser.summarise("", 50) == ""


def test_a_sentence_that_is_too_long_is_cut(summariser: Summariser) -> None:
    found = summariser.summarise("这一句话很长" * 50 + "。", 30)
    assert len(found) == 30
    assert found.endswith("…")


def test_a_book_is_summarised_too(summariser: Summariser) -> None:
    filler = "".join(f"第{n}段说的是河边的第{n}棵树和树下的人。" for n in range(1, 700))
    found = summariser.summarise(filler + "总的来说，河边一共种了699棵树，花了35万元。" + filler, 80)
    assert 0 < len(found) <= 80


def test_meaning_may_be_compared_as_well(summariser: Summariser) -> None:
    found = Summariser(ANALYSER, ByLetters()).summarise(LIGHT, 240)
    assert 0 < len(found) <= 240
    assert all(sentence.strip() in LIGHT for sentence in found.split(". ")[:1])


@pytest.mark.parametrize("text", ["1" * 5000, "一" * 5000, "②" * 5000 + "元", "5%" * 20_000, "a." * 9000])
def test_numerals_without_end_are_summarised_like_any_other_text(summariser: Summariser, text: str) -> None:
    assert len(summariser.summarise(f"好消息。{text}。再见了各位，祝好。", 40)) <= 40


def test_a_copy_of_a_sentence_fills_no_room(summariser: Summariser) -> None:
    text = "手续费从4月1日起降到3元。" * 3 + "今天的天气真是很好啊。" + "每个网点都有饮水机可用。"
    assert summariser.summarise(text, 60).count("手续费") == 1


def test_an_abbreviation_ends_no_sentence(summariser: Summariser) -> None:
    kept = "Then Mr. Smith paid 240 dollars for No. 7, e.g. the U.S. stamp."
    assert summariser.summarise(f"Gulls cried over the grey harbour. {kept} It rained.", 80) == kept


def test_a_closing_quote_stays_with_its_sentence(summariser: Summariser) -> None:
    text = "经理说：“手续费从4月1日起降到3元。”随后大家慢慢散去回家了。窗外下着雨，天色很暗。"
    assert summariser.summarise(text, 30) == "经理说：“手续费从4月1日起降到3元。”"


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="天地人。，!?. \nabc1%元", max_size=300), st.integers(0, 120))
def test_no_text_is_too_strange(text: str, longest: int) -> None:
    assert len(Summariser(ANALYSER).summarise(text, longest)) <= max(longest, 1)
