"""Masked text keeps what one recognises a number by, and nothing more, however often it is masked."""

# ruff: noqa: E501  (a list of samples)

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.privacy import MaskEvent, find, leaks, mask, mask_event, stated_in
from inference.privacy.fold import fold

HERE = Path(__file__).parent
ROWS = [json.loads(line) for line in (HERE / "cases.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("raw", "masked"),
    [
        ("卡号6217 9900 0123 4567 018被吞", "卡号621799*********7018被吞"),
        ("电话+86 139-1102-7745", "电话139****7745"),
        ("身份证330104198803164513", "身份证3****************3"),
        ("我叫欧阳修文，", "我叫欧阳**，"),
        ("邮箱li.ming_88@mail.example.cn", "邮箱l***@mail.example.cn"),
        ("我家住浙江省杭州市西湖区文三路478号华星大厦12层", "我家住浙江省杭州市西湖区***"),
        ("验证码483920", "验证码[验证码已隐去]"),
        ("The code is 558102", "The code is [one-time code removed]"),
        ("我的密码是Abc@12345登不上", "我的密码是[密码已隐去]登不上"),
        ("CVV 771", "CVV [CVV removed]"),
        ("Hi, I'm Grace O'Hara", "Hi, I'm G** O**"),
    ],
)
def test_each_kind_keeps_what_its_format_says(raw: str, masked: str) -> None:
    assert mask(raw).text == masked


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["text"][:40])
def test_masking_twice_changes_nothing_and_no_value_is_left(row: dict[str, Any]) -> None:
    masked = mask(row["text"])
    assert mask(masked.text).text == masked.text
    assert masked.spans == find(row["text"]) or len(masked.spans) >= len(row["spans"])
    left = re.sub(r"\D", "", fold(masked.text).text)
    for span in row["spans"]:
        value = row["text"][span["start"] : span["end"]]
        assert value not in masked.text
        digits = re.sub(r"\D", "", fold(value).text)
        assert len(digits) < 7 or digits not in left


PIECES = st.sampled_from(
    [
        *(row["text"] for row in ROWS),
        *(row["text"][span["start"] : span["end"]] for row in ROWS for span in row["spans"]),
        "验证码", "密码", "卡号", "我叫", "姓名：", "订单号", "*", "***", "****", "[验证码已隐去]", "，", " ", "-", ".", "\n", "1", "〇", "①",
        "欧阳", "万俟", "我是", "收款人", "转给", "的卡", "地址", "杭州市", "+86", "+1 (", "QQ", "微信号",
        "张", "王芳", "先生", "code", "PIN", "name is ", "@", "\u200b", "️⃣", "6217", "99", "的", "号", "路12号", "\U0001f600",
    ]
)  # fmt: skip
HOSTILE = st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=7).map("".join)


@settings(max_examples=400, deadline=None)
@given(HOSTILE)
def test_masking_is_idempotent_and_keeps_all_else(text: str) -> None:
    masked = mask(text)
    assert mask(masked.text).text == masked.text
    raw_at = masked_at = 0
    for edit in masked.edits:
        assert raw_at <= edit.start < edit.end <= len(text)
        assert text[raw_at : edit.start] == masked.text[masked_at : edit.masked_start]
        raw_at, masked_at = edit.end, edit.masked_end
    assert text[raw_at:] == masked.text[masked_at:]


@settings(max_examples=400, deadline=None)
@given(HOSTILE)
def test_spans_are_ordered_inside_the_text_and_the_same_every_time(text: str) -> None:
    spans = find(text)
    assert spans == find(text)
    at = 0
    for span in spans:
        assert at <= span.start < span.end <= len(text)
        at = span.end


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 10**9 - 1).map(lambda n: f"1{3 + n % 7}{n:09d}"),
    st.sampled_from(["", " ", "-", ".", "·", "\u200b", "😀", "_"]),
    st.sampled_from(
        ["0123456789", "０１２３４５６７８９", "零一二三四五六七八九", "〇幺二三四五六七八九", "⓪①②③④⑤⑥⑦⑧⑨"]
    ),
)
def test_a_mobile_number_is_found_in_every_disguise(number: str, gap: str, look: str) -> None:
    digits = "".join(look[int(digit)] for digit in number)
    shown = gap.join((digits[:3], digits[3:7], digits[7:]))
    text = f"我的手机{shown}，谢谢"
    assert [text[span.start : span.end] for span in find(text)] == [shown]


@settings(max_examples=200, deadline=None)
@given(
    st.decimals(min_value=0, max_value=10**12, places=2),
    st.sampled_from(
        [
            "余额{}元",
            "转账{}元可以吗",
            "¥{}",
            "金额：{}元，利率3.45%",
            "USD {}",
            "I paid {} dollars",
            "手续费{}块",
        ]
    ),
    st.booleans(),
)
def test_amounts_are_never_personal_data(amount: Any, frame: str, grouped: bool) -> None:
    assert find(frame.format(f"{amount:,}" if grouped else str(amount))) == ()


@settings(max_examples=200, deadline=None)
@given(
    st.text("0123456789", min_size=6, max_size=22),
    st.sampled_from(
        [
            "订单号{}",
            "流水号：{}查不到",
            "交易单号 {}",
            "order no. {}",
            "快递单号是{}",
            "工单号{}",
            "合同编号{}",
            "reference {}",
        ]
    ),
)
def test_order_numbers_are_never_personal_data(number: str, frame: str) -> None:
    assert find(frame.format(number)) == ()


@settings(max_examples=100, deadline=None)
@given(
    st.datetimes(),
    st.sampled_from(["%Y-%m-%d %H:%M:%S", "%Y年%m月%d日", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %B %Y"]),
)
def test_dates_are_never_personal_data(moment: Any, shape: str) -> None:
    assert find(f"在{moment.strftime(shape)}扣了我一笔") == ()


def test_what_the_bank_itself_says_is_no_leak() -> None:
    passages = ("挂失请拨打0571-87654321，或写信到care@lanwan.example。",)
    reply = "请打0571 8765 4321，或写信到 care@lanwan.example；您登记的是13911027745。"
    (leak,) = leaks(reply, stated_in(passages))
    assert reply[leak.start : leak.end] == "13911027745"
    assert leaks(mask(reply).text, stated_in(passages)) == ()
    assert len(leaks(reply)) >= 2


def test_a_log_event_is_masked_however_deep() -> None:
    event: dict[str, Any] = {
        "event": "failed for 13911027745",
        "level": "info",
        "n": 3,
        "phone": 13911027745,
        "detail": {"13911027745": ["我叫王芳", {"card": "6217990001234567018"}], "ok": True},
        "error": ValueError("卡号6217990001234567018"),
        "raw": "验证码483920".encode(),
    }
    clean = dict(mask_event(None, "info", event))
    shown = repr(clean)
    assert "13911027745" not in shown
    assert "6217990001234567018" not in shown
    assert "王芳" not in shown
    assert "483920" not in shown
    assert clean["n"] == 3
    assert clean["detail"]["ok"] is True
    assert clean["level"] == "info"


def test_a_long_log_value_is_cut_and_an_exempt_key_kept() -> None:
    processor = MaskEvent(longest=20, exempt=frozenset({"chat"}))
    clean = processor(None, "info", {"event": "a" * 100, "chat": "13911027745"})
    assert clean["event"] == "a" * 20 + "… [80 more]"
    assert clean["chat"] == "13911027745"
