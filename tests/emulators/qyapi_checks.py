"""What WeCom says of a message's JSON: parameters that are unknown, missing, of a wrong type or too long.

Sources: 发送应用消息 (developer.work.weixin.qq.com/document/path/90236), 更新模版卡片消息 (94888),
群机器人 (91770). Stricter than WeCom in one thing: a text that WeCom would cut off is an error here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["ApiError", "Cuts", "check_group_message", "check_message", "check_update"]


class ApiError(Exception):
    """Answered as `{"errcode": …, "errmsg": …}`."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(f"{errcode} {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg


@dataclass
class Cuts:
    """What a client would show cut off: WeCom only advises against it."""

    names: list[str] = field(default_factory=list)

    def look(self, name: str, text: str, characters: int) -> None:
        # Its 字 is one 汉字 wide; two Latin letters are as wide.
        if sum(2 if ord(c) > 0x2E80 else 1 for c in text) > 2 * characters:
            self.names.append(name)


Checker = Callable[[Mapping[str, Any]], None]

TASK_ID: Final = re.compile(r"[0-9A-Za-z_\-@]{1,128}")
COMMON: Final = {
    "touser": str,
    "toparty": str,
    "totag": str,
    "msgtype": str,
    "agentid": int,
    "safe": int,
    "enable_id_trans": int,
    "enable_duplicate_check": int,
    "duplicate_check_interval": int,
}


def check_message(body: Mapping[str, Any], cuts: Cuts) -> None:
    """A `message/send`.

    Raises:
        ApiError
    """
    kind = body.get("msgtype")
    checkers: dict[str, Checker] = {
        "text": lambda part: _text(part, 2048),
        "markdown": lambda part: _text(part, 2048),
        "image": _media,
        "file": _media,
        "template_card": lambda part: _card(part, cuts),
    }
    if kind not in checkers:
        raise ApiError(40008, "invalid message type")
    _fields(body, COMMON | {str(kind): dict}, required=("agentid", "msgtype", str(kind)))
    if not any(body.get(name) for name in ("touser", "toparty", "totag")):
        raise ApiError(40003, "invalid userid")
    if not 0 <= body.get("duplicate_check_interval", 0) <= 4 * 3600:
        raise ApiError(40058, "duplicate_check_interval out of range")
    checkers[str(kind)](body[str(kind)])


def check_update(body: Mapping[str, Any]) -> None:
    """A `message/update_template_card`, with its button's text replaced.

    Raises:
        ApiError
    """
    kinds = {
        "userids": list,
        "partyids": list,
        "tagids": list,
        "atall": int,
        "agentid": int,
        "response_code": str,
        "button": dict,
    }
    _fields(body, kinds, required=("agentid", "response_code", "button"))
    _fields(body["button"], {"replace_name": str}, required=("replace_name",))


def check_group_message(body: Mapping[str, Any]) -> None:
    """A `webhook/send`.

    Raises:
        ApiError
    """
    kind = body.get("msgtype")
    checkers: dict[str, Checker] = {
        "text": lambda part: _text(part, 2048, mentions=True),
        "markdown": lambda part: _text(part, 4096),
        "markdown_v2": lambda part: _text(part, 4096),
        "image": _picture,
        "news": _news,
        "file": _media,
    }
    if kind not in checkers:
        raise ApiError(40008, "invalid message type")
    _fields(body, {"msgtype": str, str(kind): dict}, required=("msgtype", str(kind)))
    checkers[str(kind)](body[str(kind)])


def _text(part: Mapping[str, Any], limit: int, *, mentions: bool = False) -> None:
    kinds: dict[str, type] = {"content": str}
    if mentions:
        kinds |= {"mentioned_list": list, "mentioned_mobile_list": list}
    _fields(part, kinds, required=())
    content = part.get("content", "")
    if not content.strip():
        raise ApiError(44004, "empty content")
    if len(content.encode()) > limit:
        raise ApiError(45002, "content size out of limit")


def _media(part: Mapping[str, Any]) -> None:
    _fields(part, {"media_id": str}, required=("media_id",))


def _picture(part: Mapping[str, Any]) -> None:
    _fields(part, {"base64": str, "md5": str}, required=("base64", "md5"))
    data = base64.b64decode(part["base64"], validate=True)
    if len(data) > 2 << 20:
        raise ApiError(40009, "invalid image size")
    if not data.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        raise ApiError(40005, "invalid file type")
    if hashlib.md5(data).hexdigest() != part["md5"]:  # noqa: S324
        raise ApiError(301019, "invalid image md5")


def _news(part: Mapping[str, Any]) -> None:
    _fields(part, {"articles": list}, required=("articles",))
    if not 1 <= len(part["articles"]) <= 8:
        raise ApiError(45008, "article count out of limit")
    for article in part["articles"]:
        kinds = {"title": str, "description": str, "url": str, "picurl": str}
        _fields(article, kinds, required=("title", "url"))
        if len(article["title"].encode()) > 128 or len(article.get("description", "").encode()) > 512:
            raise ApiError(45002, "article size out of limit")


# ── template cards ──


def _card(card: Mapping[str, Any], cuts: Cuts) -> None:
    kind = card.get("card_type")
    kinds: dict[str, type] = {
        "card_type": str,
        "source": dict,
        "action_menu": dict,
        "main_title": dict,
        "quote_area": dict,
        "sub_title_text": str,
        "horizontal_content_list": list,
        "card_action": dict,
        "task_id": str,
    }
    if kind == "text_notice":
        _fields(card, kinds | {"emphasis_content": dict, "jump_list": list}, required=("card_action",))
        if card["card_action"].get("type") not in (1, 2):
            raise ApiError(40058, "card_action.type must be 1 or 2")
    elif kind == "button_interaction":
        more = {"button_selection": dict, "button_list": list}
        _fields(card, kinds | more, required=("main_title", "task_id", "button_list"))
        _buttons(card["button_list"], cuts)
    else:
        raise ApiError(40058, "invalid card_type")
    _face(card, cuts)
    if "task_id" in card and not TASK_ID.fullmatch(card["task_id"]):
        raise ApiError(42014, "invalid task_id")


def _face(card: Mapping[str, Any], cuts: Cuts) -> None:
    title = card.get("main_title", {})
    _fields(title, {"title": str, "desc": str}, required=())
    if not title.get("title") and not card.get("sub_title_text"):
        raise ApiError(40058, "main_title.title or sub_title_text is needed")
    cuts.look("main_title.title", title.get("title", ""), 36)
    cuts.look("sub_title_text", card.get("sub_title_text", ""), 160)
    if len(card.get("horizontal_content_list", ())) > 6:
        raise ApiError(40058, "horizontal_content_list too long")
    for item in card.get("horizontal_content_list", ()):
        _fields(item, {"keyname": str, "value": str, "type": int, "url": str}, required=("keyname",))
        cuts.look("keyname", item["keyname"], 5)
        cuts.look("value", item.get("value", ""), 30)
    action = card.get("card_action", {})
    _fields(action, {"type": int, "url": str, "appid": str, "pagepath": str}, required=())
    if action.get("type") == 1 and not str(action.get("url", "")).startswith(("http://", "https://")):
        raise ApiError(45034, "url must contain protocol")


def _buttons(buttons: Sequence[Mapping[str, Any]], cuts: Cuts) -> None:
    if not 1 <= len(buttons) <= 6:
        raise ApiError(40016, "invalid button count")
    for button in buttons:
        kinds = {"type": int, "text": str, "style": int, "key": str, "url": str}
        _fields(button, kinds, required=("text", "key"))
        if not button["text"]:
            raise ApiError(42020, "missing button name")
        if not 0 < len(button["key"].encode()) <= 1024:
            raise ApiError(42018, "invalid button key")
        cuts.look("button.text", button["text"], 10)
    if len({button["key"] for button in buttons}) < len(buttons):
        raise ApiError(42018, "invalid button key: twice the same")


def _fields(part: Any, kinds: Mapping[str, type], *, required: Sequence[str]) -> None:
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
