"""微信客服: nothing that could come in can do harm."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.wecom.kf.chat import Chat
from adapters.wecom.kf.events import Change, Entered, Said, raw_of
from adapters.wecom.kf.nudge import read_nudge
from adapters.wecom.xml import XmlError
from bot.types import InboundEvent, decode, encode
from tests.adapters.wecom.kf_items import KFID, USER, happened, item, read

CASES = 10_000
"""For items, and as many for callbacks."""

_JUNK: Any = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    float("nan"),
    float("inf"),
    -1e300,
    "",
    " ",
    "\x00",
    "\ud800",
    "a" * 300,
    "../x",
    "{",
    '{"text":{"content":7}}',
    "[" * 3000,
    "人" * 50,
    [],
    {},
    [None],
    [[]],
    {"": {}},
    {"content": []},
    KFID,
    USER,
)
_REAL: Any = (
    item("text", {"content": "你好", "menu_id": "b_MZXW6"}),
    item("image", {"media_id": "M"}),
    item("voice", {"media_id": "M"}),
    item("video", {"media_id": "M"}),
    item("file", {"media_id": "M"}),
    item("location", {"latitude": 1.5, "longitude": 2, "name": "n", "address": "a"}),
    item("link", {"title": "t", "desc": "d", "url": "u", "pic_url": "p"}),
    item("business_card", {"userid": "u"}),
    item("miniprogram", {"title": "t", "appid": "a"}),
    item(
        "merged_msg", {"title": "t", "item": [{"sender_name": "s", "msg_content": "{}"}, {"msg_content": {}}]}
    ),
    item("channels_shop_order", {"order_id": "1"}),
    item("text", {"content": "x"}, origin=5, servicer_userid="lisi"),
    happened("enter_session", welcome_code="W", scene="s"),
    happened("session_status_change", change_type=3, msg_code="C", old_servicer_userid="lisi"),
    happened("msg_send_fail", fail_msgid="m", fail_type=10),
    happened("servicer_status_change", status=1),
    happened("user_recall_msg", recall_msgid="m"),
)


def damaged(value: Any, chance: Random) -> Any:
    """A real item with a few of its values lost, exchanged or renamed, at any depth."""
    if chance.random() < 0.12:
        return chance.choice(_JUNK)
    if isinstance(value, dict):
        kept = {name: damaged(inner, chance) for name, inner in value.items() if chance.random() > 0.05}
        if chance.random() < 0.05:
            kept[chance.choice(["event", "text", "item", "msgtype", "zz"])] = chance.choice(_JUNK)
        return kept
    return [damaged(inner, chance) for inner in value] if isinstance(value, list) else value


def harmless(raw: dict[str, Any], value: str) -> None:
    got = read(raw, value)
    assert raw_of(raw)
    if isinstance(got, Said | Entered | Change):
        event = got.event
        assert 0 < len(event.event_id) <= 120
        assert Chat.of(event.conversation) == got.chat
        assert decode(encode(event), InboundEvent) == event


@settings(max_examples=CASES, deadline=None, database=None)
@given(st.integers(0, 2**64), st.sampled_from(_REAL))
def test_no_damaged_item_can_do_harm(seed: int, real: dict[str, Any]) -> None:
    raw = damaged(real, Random(seed))
    harmless(raw if isinstance(raw, dict) else {}, "v")


_scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
_json = st.recursive(
    _scalar, lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=8), c, max_size=3)
)
_item = st.fixed_dictionaries(
    {
        "external_userid": st.just(USER),
        "origin": st.just(3),
        "msgtype": st.sampled_from(["text", "merged_msg", "zz"]),
    },
    optional={"msgid": _json, "send_time": _json, "text": _json, "merged_msg": _json, "zz": _json},
)


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(_item)
def test_no_invented_item_can_do_harm(raw: dict[str, Any]) -> None:
    harmless(raw, "")


_WHOLE = (
    *("<xml>", "<MsgType>", "event", "</MsgType>", "<Event>", "kf_msg_or_event", "</Event>"),
    *("<Token>", "T", "</Token>", "<OpenKfId>", KFID, "</OpenKfId>", "</xml>"),
)
_PIECES = (
    *_WHOLE,
    *("<![CDATA[", "]]>", "<!DOCTYPE x [<!ENTITY e 'e'>]>", "&e;", "&#0;", "\x00", "人", "../", "a" * 200),
    *("<?xml version='1.0' encoding='utf-7'?>", "<a:b/>", "<!--", "-->"),
)


@settings(max_examples=CASES, deadline=None, database=None)
@given(st.integers(0, 2**64), st.binary(max_size=4))
def test_no_callback_can_do_harm(seed: int, noise: bytes) -> None:
    chance = Random(seed)
    pieces = [chance.choice(_PIECES) if chance.random() < 0.1 else piece for piece in _WHOLE]
    xml = "".join(pieces).encode() + (noise if chance.random() < 0.3 else b"")
    try:
        nudge = read_nudge(xml)
    except XmlError:
        return
    if nudge is not None:
        assert len(nudge.token) <= 128
        assert "/" not in nudge.open_kfid
