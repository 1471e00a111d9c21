"""The pure parts of the AI bot: what is read, what is written, and how Markdown is kept plain."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.base import Capabilities
from adapters.common.split import measure
from adapters.wecom.aibot.cards import buttons_card, fields_card, pressed
from adapters.wecom.aibot.connection import ConnectionBot
from adapters.wecom.aibot.encode import encode, encode_plain, task_id
from adapters.wecom.aibot.frames import BadFrame, read_frame
from adapters.wecom.aibot.incoming import Malformed, Reader
from adapters.wecom.aibot.markdown import CONTENT_LIMIT, escape, pieces
from adapters.wecom.aibot.webhook import CallbackBot
from bot.types import (
    Button,
    Buttons,
    Card,
    Citation,
    Conversation,
    FileOut,
    HandOver,
    ImageOut,
    OutboundMessage,
    OutPart,
    Sources,
    Text,
)
from tests.emulators.aibot_wire import check_card, message

FUZZ = 10_000
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
ids = count()
READER = Reader("wecom", "aibot", new_id=lambda: f"id-{next(ids)}", clock=lambda: NOW)
NAMED = Reader("wecom", "aibot", bot_name="小 澜", new_id=lambda: "id", clock=lambda: NOW)
TO = Conversation("wecom", "aibot", "wang")


def read(body: Any, reader: Reader = READER) -> Any:
    return reader.read(json.dumps(body).encode())


def text(content: str, **more: Any) -> dict[str, Any]:
    return message("text", {"content": content}, msgid="M1", user="wang") | more


# ── reading ──


@pytest.mark.parametrize(
    ("reader", "content", "bare"),
    [
        (READER, "@小澜 你好", "你好"),
        (READER, "@小澜\u2005你好", "你好"),
        (READER, "你好 @小澜 吗", "你好 @小澜 吗"),
        (READER, "写信到 a@b.com", "写信到 a@b.com"),
        (READER, "@小澜", ""),
        (NAMED, "@小 澜 你好", "你好"),
        (NAMED, "你好 @小 澜", "你好"),
        (NAMED, "@小李 你好", "@小李 你好"),
    ],
)
def test_mentions_in_groups(reader: Reader, content: str, bare: str) -> None:
    assert read(text(content, chattype="group", chatid="wr1"), reader).event.text == bare


def test_control_characters_are_left_out() -> None:
    assert read(text("a\x00b\x07\tc\nd")).event.text == "ab\tc\nd"


def test_in_a_direct_chat_nothing_is_taken_out() -> None:
    assert read(text("@小澜 你好")).event.text == "@小澜 你好"


@pytest.mark.parametrize(
    ("content", "value", "rest"),
    [("/help", "/help", ""), ("/lang en", "/lang", "en"), ("/start@teller 你 好", "/start", "你 好")],
)
def test_commands(content: str, value: str, rest: str) -> None:
    event = read(text(content)).event
    assert (event.kind, event.value, event.text) == ("command", value, rest)


@pytest.mark.parametrize("content", ["/", "//x", "/帮助", "1/2", "/a/b"])
def test_what_only_looks_like_a_command_is_a_message(content: str) -> None:
    assert read(text(content)).event.kind == "message"


@pytest.mark.parametrize(
    ("at", "known"),
    [
        (int(NOW.timestamp()) - 60, True),
        (0, False),
        ("soon", False),
        (None, False),
        (1e300, False),
        (10**400, False),
    ],
)
def test_an_odd_time_is_no_reason_to_lose_a_message(at: Any, known: bool) -> None:
    event = read(text("你好", create_time=at)).event
    assert (event.occurred_at == NOW) is not known
    assert event.received_at == NOW


@pytest.mark.parametrize(
    "change",
    [
        {"msgid": ""},
        {"msgid": None},
        {"msgid": "x" * 129},
        {"msgid": "a\nb"},
        {"from": {}},
        {"from": None},
        {"from": {"userid": "x" * 121}},
        {"chattype": "group"},
        {"chattype": "crowd"},
        {"msgid": 7},
        {"text": "you"},
        {"msgtype": "image", "image": {"url": "javascript:x"}},
        {"msgtype": "image", "image": {"url": "https://x", "aeskey": "k" * 101}},
        {"msgtype": "mixed", "mixed": {"msg_item": [{"msgtype": "text"}] * 101}},
        {"msgtype": "event", "event": {"eventtype": "template_card_event"}},
        {"msgtype": "stream", "stream": {}},
    ],
)
def test_what_lacks_an_identity_is_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read(text("你好") | change)


def test_a_pressed_button_is_read_nested_and_flat() -> None:
    base = {"msgid": "E", "msgtype": "event", "from": {"userid": "w"}, "chattype": "single"}
    nested = {"eventtype": "template_card_event", "template_card_event": {"event_key": "k", "task_id": "t"}}
    flat = {"eventtype": "template_card_event", "event_key": "k", "task_id": "t"}
    for event in (nested, flat):
        incoming = read(base | {"event": event})
        assert (incoming.kind, incoming.event.value, incoming.task_id) == ("pressed", "k", "t")


# Drawn from lists, as ten thousand freely grown trees would take a minute.
ODD: list[Any] = [
    *(None, True, False, 0, -1, 7, 1e300, 10**30, "", " ", "x", "\x00", "\ud83d\ude00", "a\nb", "x" * 300),
    *([], [None], [[]], {}, {"": None}, {"userid": 7}, {"userid": "w"}, {"content": "x"}, {"content": None}),
    *(
        {"url": "https://x"},
        {"url": 1},
        {"id": "s"},
        {"msg_item": [{"msgtype": "text", "text": {"content": "y"}}]},
    ),
    *({"msg_item": 1}, {"eventtype": "template_card_event", "event_key": "k"}, {"eventtype": "enter_chat"}),
    *(
        {"eventtype": "disconnected_event"},
        {"eventtype": {}},
        "single",
        "group",
        [1] * 50,
        {"a": {"b": {"c": []}}},
    ),
    *("text", "image", "mixed", "voice", "file", "video", "event", "stream", "@小澜 你好", "/help x"),
]
FIELDS = (
    *("msgid", "from", "chatid", "chattype", "msgtype", "text", "image", "mixed", "voice", "file", "video"),
    *("event", "stream", "create_time", "response_url", "quote", "aibotid", "no such field"),
)
GOOD: list[dict[str, Any]] = [text("你好"), text("x", chattype="group", chatid="wr"), {}]
HEADERS: list[Any] = [*ODD, {"req_id": "r"}, {"req_id": 1}, "aibot_msg_callback"]


def _picked(data: bytes, names: tuple[str, ...], values: list[Any]) -> dict[str, Any]:
    """An object whose members the bytes pick, two bytes each."""
    pairs = zip(data[::2], data[1::2], strict=False)
    return {names[name % len(names)]: values[value % len(values)] for name, value in pairs}


BODIES = st.binary(min_size=1, max_size=9).map(
    lambda data: json.dumps(GOOD[data[0] % 3] | _picked(data[1:], FIELDS, ODD)).encode()
)
FRAMES = st.binary(max_size=8).map(
    lambda data: json.dumps(_picked(data, ("cmd", "headers", "body", "errcode", "errmsg"), HEADERS))
)


@given(st.one_of(st.binary(max_size=60), BODIES))
@settings(max_examples=FUZZ, deadline=None)
def test_whatever_comes_is_read_or_malformed(data: bytes) -> None:
    try:
        incoming = READER.read(data)
    except Malformed:
        return
    if incoming.event is not None:
        assert 0 < len(incoming.event.event_id) <= 128
        assert 0 < len(incoming.event.conversation.chat) <= 120
    else:
        assert incoming.kind in ("poll", "entered", "evicted", "own", "unknown")


@given(
    st.one_of(
        st.text(max_size=60),
        FRAMES,
    )
)
@settings(max_examples=FUZZ, deadline=None)
def test_whatever_comes_on_the_socket_is_a_frame_or_a_bad_one(data: str) -> None:
    try:
        frame = read_frame(data)
    except BadFrame:
        return
    assert isinstance(frame.req_id, str)


# ── Markdown ──


@pytest.mark.parametrize(
    ("plain", "markdown"),
    [
        ("尾号 6222****1234 的卡", "尾号 6222****1234 的卡"),
        ("*重要* 与 **提示**", "\\*重要\\* 与 \\*\\*提示\\*\\*"),
        ("# 标题", "\\# 标题"),
        ("#1 号柜台", "#1 号柜台"),
        ("> 引用", "\\> 引用"),
        ("3 > 2", "3 > 2"),
        ("a<b", "a\\<b"),
        ("5 < 6", "5 < 6"),
        ("<@wang>", "\\<@wang>"),
        ("[点这里](http://x)", "\\[点这里](http://x)"),
        ("[1] 见附注", "[1] 见附注"),
        ("`a` 和 `b`", "\\`a\\` 和 \\`b\\`"),
        ("~~作废~~", "\\~\\~作废\\~\\~"),
        ("3~5 天", "3~5 天"),
        ("file_name_x", "file_name_x"),
        ("_a_", "\\_a\\_"),
        ("a\\*b", "a\\\\*b"),
        ("&lt;", "\\&lt;"),
        ("A&B", "A&B"),
        ("---", "\\---"),
        ("1. 第一\n2. 第二", "1. 第一\n2. 第二"),
        ("- 甲\n- 乙", "- 甲\n- 乙"),
        ("    缩进", "\u3000缩进"),
        ("一*\n\n二*", "一*\n\n二*"),
        ("| 甲 | 乙 |", "\\| 甲 | 乙 |"),
    ],
)
def test_only_what_would_format_is_escaped(plain: str, markdown: str) -> None:
    assert escape(plain) == markdown


@given(st.text(alphabet="ab*_`[]()<>#&;\\~|- \n。", max_size=80))
@settings(max_examples=1_000, deadline=None)
def test_escapes_add_backslashes_and_nothing_else(plain: str) -> None:
    kept = escape(plain).replace("\\", "").replace("\u3000", "").replace(" ", "")
    assert kept == plain.replace("\\", "").replace("\u3000", "").replace(" ", "")


@given(st.text(alphabet="字a*_`<[ 。\n", min_size=1, max_size=400), st.integers(30, 200))
@settings(max_examples=500, deadline=None)
def test_pieces_fit_and_no_escape_is_cut_from_its_character(plain: str, limit: int) -> None:
    made = pieces(plain, limit)
    assert all(0 < measure(piece, "utf8") <= limit for piece in made)
    assert all((len(piece) - len(piece.rstrip("\\"))) % 2 == 0 or "\\" in plain for piece in made)


# ── cards ──


def buttons(*labels: str) -> tuple[Button, ...]:
    return tuple(Button(label, f"v{number}") for number, label in enumerate(labels))


@pytest.mark.parametrize(
    "made",
    [
        buttons_card("请选择", buttons("挂失", "年费"), "t1"),
        fields_card(Card("标题", (("金额", "100元"),), "说明", buttons("确认")), "t2"),
        fields_card(Card("标题", (("金额", "100元"),), uri="https://bank.example/x"), "t3"),
    ],
)
def test_cards_are_what_wecom_takes(made: Any) -> None:
    check_card(made)


@pytest.mark.parametrize(
    "made",
    [
        buttons_card("", buttons("挂失"), "t"),
        buttons_card("请选择", (), "t"),
        buttons_card("请选择", buttons(*"一二三四五六七"), "t"),
        buttons_card("请选择", buttons("怎样在境外紧急补办一张信用卡"), "t"),
        buttons_card("请选择", (Button("甲", "v"), Button("乙", "v")), "t"),
        buttons_card("请选择", (Button("甲", "v" * 1025),), "t"),
        buttons_card("题" * 27, buttons("挂失"), "t"),
        fields_card(Card("标题", text="既无按钮也无链接"), "t"),
        fields_card(Card("标题", (("很长很长的名称", "值"),), buttons=buttons("确认")), "t"),
        fields_card(Card("标题", (("名", "值" * 27),), buttons=buttons("确认")), "t"),
        fields_card(Card("标题", (("名", "值"),) * 7, buttons=buttons("确认")), "t"),
        fields_card(Card("标题", text="字" * 113, buttons=buttons("确认")), "t"),
        fields_card(Card("标题", uri="ftp://x"), "t"),
    ],
)
def test_what_would_be_cut_off_is_no_card(made: Any) -> None:
    assert made is None


def test_a_pressed_card_keeps_its_task_and_ticks_the_button() -> None:
    card = buttons_card("请选择", buttons("挂失", "年费"), "t1")
    assert card is not None
    ticked = pressed(card, "v1")
    assert ticked is not None
    check_card(ticked)
    assert [button["text"] for button in ticked["button_list"]] == ["挂失", "✓ 年费"]
    assert ticked["task_id"] == "t1"
    assert pressed(card, "nothing") is None


# ── writing: what goes over the wire, pinned ──


def out(*parts: OutPart, language: Any = "zh") -> OutboundMessage:
    return OutboundMessage(TO, parts, "wecom|aibot|M1|0", "answer", "M1", language)


def test_an_answer_with_sources_and_buttons() -> None:
    answer = encode(
        out(
            Text("首年免年费，*刷满 5 次*再免。"),
            Sources((Citation("a", "信用卡年费"),)),
            Buttons(buttons("挂失"), "您可能还想问："),
        ),
        CallbackBot.capabilities,
    )
    assert answer.texts == ("首年免年费，\\*刷满 5 次\\*再免。\n\n来源：《信用卡年费》",)
    assert answer.card == {
        "card_type": "button_interaction",
        "main_title": {"title": "您可能还想问："},
        "button_list": [{"text": "挂失", "style": 1, "key": "v0"}],
        "task_id": task_id(out()),
    }


def test_one_card_is_shown_and_the_others_are_written_out() -> None:
    card = Card("转账确认", (("金额", "100元"),), "请核对。", buttons("确认"))
    answer = encode(out(card, Buttons(buttons("甲", "乙"), "还是：")), ConnectionBot.capabilities)
    assert answer.card is not None
    assert answer.card["main_title"]["title"] == "转账确认"
    assert answer.texts == ("还是：\n1. 甲\n2. 乙",)


def test_without_words_the_bubble_says_what_stands_beside_it() -> None:
    assert encode(out(Buttons(buttons("甲"))), CallbackBot.capabilities).texts == ("请选择：",)
    assert encode(out(ImageOut("r", "走势图")), CallbackBot.capabilities).texts == ("走势图",)
    assert encode(out(FileOut("r", "条款.pdf")), ConnectionBot.capabilities).texts == ("条款.pdf",)


def test_nothing_to_show_is_no_message() -> None:
    assert encode(out(HandOver()), CallbackBot.capabilities).texts == ()
    assert encode(out(), ConnectionBot.capabilities).texts == ()


def test_by_callback_files_are_named_and_over_the_connection_sent() -> None:
    message = out(Text("请看。"), FileOut("r", "条款.pdf"))
    assert encode(message, CallbackBot.capabilities).texts == ("请看。\n\n[文件] 条款.pdf",)
    assert encode(message, ConnectionBot.capabilities).files == (FileOut("r", "条款.pdf"),)


def test_written_out_in_english() -> None:
    card = Card("Transfer", (("Amount", "100"),), buttons=buttons("Confirm"))
    parts = (Text("Please check."), card, ImageOut("r", "chart"), Sources((Citation("a", "Fees"),)))
    [written] = encode_plain(out(*parts, language="en")).texts
    assert written == "Please check.\n\nTransfer\nAmount: 100\n1. Confirm\n\n[Picture] chart\n\nSource: Fees"


@given(
    st.lists(
        st.one_of(
            st.builds(Text, st.text(max_size=60)),
            st.builds(
                lambda labels, prompt: Buttons(buttons(*labels), prompt),
                st.lists(st.text(max_size=20), max_size=8),
                st.text(max_size=40),
            ),
            st.builds(
                lambda title, text, labels, uri: Card(title, (), text, buttons(*labels), uri),
                st.text(max_size=40),
                st.text(max_size=40),
                st.lists(st.text(max_size=12), max_size=3),
                st.sampled_from(["", "https://x"]),
            ),
        ),
        max_size=5,
    )
)
@settings(max_examples=600, deadline=None)
def test_every_message_becomes_what_wecom_takes(parts: list[OutPart]) -> None:
    answer = encode(out(*parts), ConnectionBot.capabilities)
    assert all(0 < measure(text, "utf8") <= CONTENT_LIMIT for text in answer.texts)
    if answer.card is not None:
        check_card(answer.card)
        assert answer.texts


def test_capabilities_are_what_the_wires_can_do() -> None:
    assert ConnectionBot.capabilities.connection_bound
    assert not CallbackBot.capabilities.connection_bound
    assert CallbackBot.capabilities.reply_window == 3600
    assert isinstance(ConnectionBot.capabilities, Capabilities)
