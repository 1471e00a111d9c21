"""What goes over the wire for each kind of part, pinned; and Slack's limits, held for any message."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack.encode import Post, Upload, encode
from adapters.slack.text import mentions, unescape
from bot.types import (
    Button,
    Buttons,
    Card,
    Citation,
    FileOut,
    HandOver,
    ImageOut,
    OutPart,
    Sources,
    Text,
    Votes,
)
from tests.adapters.slack.bench import message, place
from tests.emulators.slack_blocks import check_blocks, seen_in_blocks


def blocks(*parts: OutPart | str) -> list[dict[str, Any]]:
    (post,) = encode(message(place(), *parts))
    assert isinstance(post, Post)
    return post.blocks


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    section = {"type": "rich_text_section", "elements": list(elements)}
    return {"type": "rich_text", "elements": [section]}


def test_a_text_with_its_sources_and_buttons_is_one_message() -> None:
    made = blocks(
        "年费 200 元，详见 https://bank.example/fee。",
        Sources((Citation("fee", "信用卡年费"),)),
        Buttons((Button("办卡", "apply"), Button("人工", "person"))),
    )
    assert made == [
        rich(
            {"type": "text", "text": "年费 200 元，详见 "},
            {"type": "link", "url": "https://bank.example/fee"},
            {"type": "text", "text": "。"},
        ),
        {"type": "context", "elements": [plain("来源：《信用卡年费》")]},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "action_id": "teller-0", "text": plain("办卡"), "value": "apply"},
                {"type": "button", "action_id": "teller-1", "text": plain("人工"), "value": "person"},
            ],
        },
    ]


def test_votes_are_two_small_buttons_below_the_others() -> None:
    made = blocks("年费 200 元。", Buttons((Button("办卡", "apply"),)), Votes("vote:up:1", "vote:down:1"))
    check_blocks(made)
    assert made[-1] == {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "teller-up", "text": plain("👍"), "value": "vote:up:1"},
            {"type": "button", "action_id": "teller-down", "text": plain("👎"), "value": "vote:down:1"},
        ],
    }
    assert [block["type"] for block in made] == ["rich_text", "actions", "actions"]


def test_a_source_with_an_address_is_a_link_that_formats_nothing() -> None:
    (context,) = blocks(Sources((Citation("1", "*费用*|<a>", uri="https://b.example/?a=1&b=2"),)))
    assert context["elements"] == [
        plain("来源："),
        {"type": "mrkdwn", "text": "<https://b.example/?a=1&amp;b=2|＊费用＊｜&lt;a&gt;>"},
    ]


def test_a_card_is_a_header_fields_a_text_and_buttons() -> None:
    fields = (("金额", "1,000.00"), ("卡号", "**** 1234"))
    made = blocks(Card("转账", fields, "请核对", (Button("确认", "c"),), "https://b.example"))
    assert made == [
        {"type": "header", "text": plain("转账")},
        {
            "type": "section",
            "fields": [
                {"type": "mrkdwn", "text": "*金额*\n1,000.00", "verbatim": True},
                plain("卡号\n**** 1234"),
            ],
        },
        rich({"type": "text", "text": "请核对\n"}, {"type": "link", "url": "https://b.example"}),
        {
            "type": "actions",
            "elements": [{"type": "button", "action_id": "teller-0", "text": plain("确认"), "value": "c"}],
        },
    ]


def test_a_label_that_does_not_fit_is_told_in_full() -> None:
    label = "很长的选项" * 20
    made = blocks(Buttons((Button(label, "a"), Button("短", "b")), "请选"))
    assert label in seen_in_blocks(made)
    assert [len(e["text"]["text"]) for e in made[-1]["elements"]] == [75, 1]
    assert made[-1]["elements"][0]["value"] == "a"


def test_pictures_and_files_are_uploads_and_a_handover_is_nothing() -> None:
    made = encode(message(place(), ImageOut("r1", "走势"), FileOut("r2", "a.pdf"), HandOver()))
    assert made == [Upload("r1", "", "走势", is_image=True), Upload("r2", "a.pdf", "a.pdf")]


def test_an_empty_message_is_nothing() -> None:
    assert encode(message(place(), "", Sources(()), Buttons(()))) == []


_words = st.text(max_size=60) | st.sampled_from(
    ["", "x" * 4000, "&" * 3000, "汉" * 7000, "<!channel>", "😀" * 90]
)
_buttons = st.lists(st.builds(Button, _words, _words), max_size=30).map(tuple)
_fields = st.lists(st.tuples(_words, _words), max_size=45).map(tuple)
_uris = st.sampled_from(["", "https://bank.example/a", "javascript:alert(1)", "https://" + "a" * 5000])
_parts = st.one_of(
    st.builds(Text, _words),
    st.builds(Buttons, _buttons, _words),
    st.builds(Card, _words, _fields, _words, _buttons, _uris),
    st.builds(Sources, st.lists(st.builds(Citation, _words, _words, _words, _uris), max_size=14).map(tuple)),
    st.builds(HandOver, _words),
    st.builds(Votes, _words, _words),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_parts, max_size=4))
def test_whatever_the_message_slack_takes_it(parts: list[OutPart]) -> None:
    for call in encode(message(place(), *parts)):
        assert isinstance(call, Post)
        check_blocks(call.blocks)
        assert call.blocks
        assert 1 <= len(call.text) <= 4000
        assert "<" not in call.text


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="甲乙 a。\n", max_size=9000))
def test_no_word_of_a_text_is_lost(text: str) -> None:
    calls = encode(message(place(), text))
    seen = "".join(seen_in_blocks(call.blocks) for call in calls if isinstance(call, Post))
    assert "".join(seen.split()) == "".join(text.split())


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="<>&@#!|U1:/.;ltgamp ", max_size=60))
def test_incoming_text_is_read_whatever_it_is(text: str) -> None:
    assert isinstance(unescape(text, "U1"), str)
    assert mentions(f"{text}<@U1>", "U1")
