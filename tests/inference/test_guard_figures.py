"""Figures: the same value in any notation compares equal, and nothing with a digit is overlooked."""

# ruff: noqa: E501 (tables of examples read best one a line)
from __future__ import annotations

from itertools import pairwise
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.guard.figures import Figure, compatible, find_figures
from inference.guard.patterns import fold_figures

SAME = [
    ["3.45%", "百分之三点四五", "百分之3.45", "345 bps", "345个基点", "3.45 percent", "3.45 per cent", "３．４５％", "three point four five percent"],
    ["2.5%", "two and a half percent", "two point five per cent"],
    ["CNY 2,500,000", "two and a half million yuan", "250万元"],
    ["0.05%", "万分之五", "万分之5", "0.5‰", "5个基点", "5 basis points"],
    [
        "CNY 200,000", "20万元", "人民币20万元", "人民币贰拾万元", "二十万元", "￥200,000", "¥200000", "CNY 200k",
        "200,000 yuan", "RMB 0.2 million", "￥２００，０００", "20 万元", "two hundred thousand yuan", "２０萬元",
    ],
    ["USD 50,000", "5万美元", "US$50,000", "五万美元", "$50k", "50,000 dollars"],
    ["1.5亿元", "CNY 150 million", "150,000,000元", "一亿五千万元"],
    ["3个工作日", "3 business days", "three working days", "3-business-day", "三个工作日"],
    ["24小时", "24 hours", "twenty-four hours", "24-hour", "7×24小时", "24/7", "二十四小时"],
    ["半年", "6个月", "six months", "half a year"],
    ["1年", "12个月", "one year", "12 months", "一年"],
    ["一成半", "15%", "百分之十五"],
    ["2026-07-01", "2026年7月1日", "1 July 2026", "July 1, 2026", "2026/7/1", "二零二六年七月一日"],
    ["15:00", "下午3点", "3 pm", "3:00 p.m.", "下午三点", "15点", "15：00"],
    ["21:30", "晚上9点半", "9:30pm", "21点30分"],
    ["0:00", "零点", "midnight"],
    ["1个半小时", "一个半小时", "90分钟", "90 minutes"],
    ["II类户", "Ⅱ类户", "二类户", "Class II", "class 2"],
    ["care@lanwan.example", "CARE@lanwan.example"],
    ["www.lanwan.example/help", "www.Lanwan.example/help/"],
    ["16周岁", "16岁", "16 years old"],
    ["每月20日", "每月20号", "the 20th of each month"],
    ["3次", "three times", "3 tries"],
]  # fmt: skip


def stated(text: str) -> list[Figure]:
    return [figure for figure in find_figures(text) if not figure.implicit]


@pytest.mark.parametrize("notations", SAME, ids=lambda notations: notations[0])
def test_one_value_in_many_notations_compares_equal(notations: list[str]) -> None:
    figures = [stated(text) for text in notations]
    assert [len(found) for found in figures] == [1] * len(notations)
    for (one,), (other,) in pairwise(figures):
        assert compatible(one, other), (one, other)
        assert compatible(other, one), (other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3天", "3%"), ("3天", "3个工作日"), ("3天", "3小时"), ("3个月", "3年"), ("20万元", "20元"), ("5万元", "5万美元"),
        ("CNY 50,000", "USD 50,000"), ("3.45%", "34.5%"), ("0.1%", "0.1‰"), ("000-95501", "000-95510"), ("96110", "96100"),
        ("+86 000 95501", "+86 000 95511"), ("R2", "R3"), ("I类户", "II类户"), ("T+1", "T+2"), ("9:00", "9:30"),
        ("https://www.lanwan.example", "http://www.lanwan.example"), ("www.lanwan.example", "www.lanwam.example"),
        ("2026年7月1日", "2026年7月2日"), ("7月1日", "1月7日"), ("LWANCNXX", "LWANCNXA"), ("下午3点", "上午3点"), ("40:00", "16:00"),
        ("1天", "每天"), ("24 hours", "24 minutes"), ("半年", "半天"),
    ],
)  # fmt: skip
def test_another_value_or_unit_is_no_evidence(one: str, other: str) -> None:
    assert not any(compatible(a, b) for a in stated(one) for b in find_figures(other))


@pytest.mark.parametrize(
    "text",
    [
        "1. 打开手机银行\n2. 选择转账", "1. 打开；2. 选择", "第1步打开", "Step 1: open the app", "(1) open (2) pick",
        "请办一张卡", "一次性付清", "一起办", "万一丢了", "十分方便", "千万别点", "第三方", "同一天到账", "有两种方式", "双十一", "十一假期",
        "one card is enough", "there are two ways", "the one you use", "一些客户", "统一办理", "第一次登录", "一般很快", "早点办",
    ],
)  # fmt: skip
def test_articles_idioms_and_list_markers_are_no_figures(text: str) -> None:
    assert stated(text) == []


def test_a_number_that_ends_a_sentence_is_no_list_marker() -> None:
    assert [figure.value for figure in stated("The limit is 5. Then wait.")] == [5]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("3到10个工作日", ["business_day", "business_day"]), ("3, 6 or 12 months", ["month"] * 3), ("CNY 50 to 260", ["CNY"] * 2),
        ("20-50万元", ["CNY"] * 2), ("1-5 business days", ["business_day"] * 2), ("3.6%至9.9%", ["percent"] * 2),
        ("3.6 to 9.9%", ["percent"] * 2), ("9:00-17:00", ["time"] * 2), ("上午9点到下午5点", ["time"] * 2), ("C1–C5", ["code"] * 2),
    ],
)  # fmt: skip
def test_both_ends_of_a_range_have_its_unit(text: str, kinds: list[str]) -> None:
    assert [figure.kind for figure in stated(text)] == kinds


def test_the_lower_end_of_a_range_takes_the_scale_of_the_upper() -> None:
    assert [figure.value for figure in stated("20-50万元")] == [200_000, 500_000]
    assert [figure.value for figure in stated("3 or 5 years")] == [36, 60]


def test_the_afternoon_holds_for_the_whole_range() -> None:
    assert [figure.value for figure in stated("下午2点到5点")] == [14 * 60, 17 * 60]


@pytest.mark.parametrize(
    "text",
    ["1" * 4301, "一" * 4301, "1." + "2" * 5000, "②" * 5000, "九" * 4301, "百分之" + "1" * 5000],
)
def test_a_run_of_numerals_without_end_is_only_itself(text: str) -> None:
    (figure,) = find_figures(text)
    assert (figure.kind, figure.end - figure.start) == ("code", len(text))
    assert not compatible(figure, find_figures(text[:-1])[0])
    assert compatible(figure, find_figures(f"（{text}）")[0])


def test_an_address_is_looked_for_no_further_than_one_may_reach() -> None:
    """Else a text without spaces is read to its end at each of its figures."""
    assert stated("a" * 64 + "@b.example")[0].kind == "email"
    assert [figure.kind for figure in stated("a" * 65 + "@b.example")] == ["url"]
    started = thread_time()
    assert len(find_figures("5%" * 40_000)) == 40_000
    assert thread_time() - started < 8  # 1 in one pass, 20 if each figure looks at all that follows


hostile = st.text(
    st.one_of(
        st.sampled_from(
            "0123456789０５二十万亿两半点年月日号个天时分%‰.,，:：-~至到或 \n()（）元¥RCIT+@/https://w.第每上下午一"
        ),
        st.characters(codec="utf-8", exclude_categories=["Cs"]),
    ),
    max_size=60,
)


@given(hostile)
def test_every_digit_belongs_to_a_figure_or_a_list_marker(text: str) -> None:
    figures = find_figures(text)
    covered = {at for figure in figures for at in range(figure.start, figure.end)}
    folded = fold_figures(text)
    assert len(folded) == len(text)
    for at, character in enumerate(folded):
        if character.isascii() and character.isdigit() and at not in covered:
            after = folded[at:].lstrip("0123456789").lstrip()
            before = folded[:at].rstrip("0123456789").rstrip()
            assert after[:1] in set(".、)）:：步") or before.endswith(("第", "骤", "p"))


@given(hostile)
def test_positions_are_those_of_the_raw_text_and_in_order(text: str) -> None:
    figures = find_figures(text)
    assert all(0 <= figure.start < figure.end <= len(text) for figure in figures)
    assert all(a.end <= b.start for a, b in pairwise(figures))
    assert all(fold_figures(text)[figure.start : figure.end] == figure.text for figure in figures)
