"""What WeCom says of 微信客服's messages: parameters that are unknown, missing, of a wrong type or too long.

Sources: 发送消息 (developer.work.weixin.qq.com/document/path/94677), 发送欢迎语等事件响应消息 (95122).
Where the documents name two limits for a menu item's id (64 and 128 bytes) the smaller one is held.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.emulators.qyapi_checks import ApiError

__all__ = ["MSGID", "check_kf_message", "fields"]

MSGID: Final = re.compile(r"[0-9a-zA-Z_-]{1,32}", re.ASCII)
ENVELOPE: Final = {"touser": str, "open_kfid": str, "msgid": str, "msgtype": str}
ON_EVENT: Final = {"code": str, "msgid": str, "msgtype": str}
CLICKS: Final = 10
ITEMS: Final = 50


def check_kf_message(body: Mapping[str, Any], *, on_event: bool) -> None:
    """A `kf/send_msg`, or a `kf/send_msg_on_event`.

    Raises:
        ApiError
    """
    kind = body.get("msgtype")
    checkers = {"text": _text, "msgmenu": _menu}
    if not on_event:
        checkers |= {"image": _media, "voice": _media, "video": _media, "file": _media}
    if kind not in checkers:
        raise ApiError(40008, "invalid message type")
    envelope = ON_EVENT if on_event else ENVELOPE
    required = [name for name in (*envelope, str(kind)) if name != "msgid"]
    fields(body, {**envelope, str(kind): dict}, required=required)
    if "msgid" in body and not MSGID.fullmatch(body["msgid"]):
        raise ApiError(40058, "invalid msgid")
    checkers[str(kind)](body[str(kind)])


def fields(part: Any, kinds: Mapping[str, type], *, required: Sequence[str] = ()) -> None:
    """Only these, of these types. Raises ApiError."""
    if not isinstance(part, dict):
        raise ApiError(40058, "an object is needed")
    for name, value in part.items():
        if name not in kinds:
            raise ApiError(40058, f"unknown parameter {name}")
        if not isinstance(value, kinds[name]) or isinstance(value, bool):
            raise ApiError(40058, f"{name} has a wrong type. Warning: wrong json format.")
    for name in required:
        if name not in part:
            raise ApiError(40058, f"missing {name}")


def _text(part: Any) -> None:
    fields(part, {"content": str}, required=("content",))
    _size("content", part["content"], 1, 2048)


def _media(part: Any) -> None:
    fields(part, {"media_id": str}, required=("media_id",))


def _menu(part: Any) -> None:
    fields(part, {"head_content": str, "tail_content": str, "list": list}, required=("list",))
    _size("head_content", part.get("head_content", ""), 0, 1024)
    _size("tail_content", part.get("tail_content", ""), 0, 1024)
    if not 1 <= len(part["list"]) <= ITEMS:
        raise ApiError(95008, "invalid menu item count")
    for item in part["list"]:
        if not isinstance(item, dict) or item.get("type") not in ("click", "view", "text"):
            raise ApiError(95009, "invalid menu item type")
        kind = item["type"]
        fields(item, {"type": str, kind: dict}, required=(kind,))
        _MENU_ITEMS[kind](item[kind])
    if sum(item["type"] == "click" for item in part["list"]) > CLICKS:
        raise ApiError(95008, "too many menu items to click")


def _click(item: Any) -> None:
    fields(item, {"id": str, "content": str}, required=("content",))
    _size("id", item.get("id", ""), 0, 64)
    _size("click.content", item["content"], 1, 128)
    if not re.fullmatch(r"\w*", item.get("id", ""), re.ASCII):
        raise ApiError(40058, "a menu id of other than letters, digits and underscores may be cut off")


def _view(item: Any) -> None:
    fields(item, {"url": str, "content": str}, required=("url", "content"))
    _size("url", item["url"], 1, 2048)
    _size("view.content", item["content"], 1, 1024)


def _line(item: Any) -> None:
    fields(item, {"content": str, "no_newline": int}, required=("content",))
    _size("text.content", item["content"], 1, 256)


_MENU_ITEMS: Final = {"click": _click, "view": _view, "text": _line}


def _size(name: str, text: str, least: int, most: int) -> None:
    if not least <= len(text.encode()) <= most or (least and not text.strip()):
        raise ApiError(45002 if least else 40058, f"{name} size out of limit")
