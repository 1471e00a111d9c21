"""What both emulators of the AI bot know: WeCom's encryption in code of their own, and what WeCom takes.

Limits are those of developer.work.weixin.qq.com/document/path/101031, 101032, 101138 and 101463.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TOKEN = "hJqcu3uJ9Tn2gXPmxx2w9kkCkCE2EPYo"
AES_KEY = "6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt"
CONTENT = 20480
PICTURE = 10 << 20


class Refused(Exception):
    """What WeCom would answer with an error code."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(f"{errcode}: {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg


# ── encryption ───────────────────────────────────────────────────────────────────────────────────


def signature(token: str, *parts: str) -> str:
    return hashlib.sha1("".join(sorted([token, *parts])).encode()).hexdigest()  # noqa: S324


def encrypt(plain: bytes, aes_key: str = AES_KEY, receive_id: str = "") -> str:
    body = os.urandom(16) + struct.pack(">I", len(plain)) + plain + receive_id.encode()
    return base64.b64encode(encrypt_bytes(body, base64.b64decode(aes_key + "="))).decode()


def encrypt_bytes(data: bytes, key: bytes) -> bytes:
    padder = padding.PKCS7(256).padder()
    sealer = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return sealer.update(padder.update(data) + padder.finalize()) + sealer.finalize()


def decrypt(cipher: str, aes_key: str = AES_KEY) -> tuple[bytes, str]:
    """The message and the receiver's id."""
    key = base64.b64decode(aes_key + "=")
    opener = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    unpadder = padding.PKCS7(256).unpadder()
    padded = opener.update(base64.b64decode(cipher)) + opener.finalize()
    plain = unpadder.update(padded) + unpadder.finalize()
    (length,) = struct.unpack(">I", plain[16:20])
    return plain[20 : 20 + length], plain[20 + length :].decode()


# ── what WeCom takes ─────────────────────────────────────────────────────────────────────────────


def need(condition: bool, errcode: int, errmsg: str) -> None:
    if not condition:
        raise Refused(errcode, errmsg)


def check_keys(value: Any, required: dict[str, type], optional: dict[str, type] | None = None) -> None:
    need(isinstance(value, dict), 40058, "must be an object")
    known = {**required, **(optional or {})}
    for name, wanted in known.items():
        need(name in value or name not in required, 40058, f"missing {name}")
        if name in value:
            right = isinstance(value[name], wanted) and not (wanted is int and isinstance(value[name], bool))
            need(right, 40058, f"{name} must be {wanted.__name__}")
    for name in value:
        need(name in known, 40058, f"unknown parameter {name}")


def check_content(text: str) -> None:
    need(len(text.encode()) <= CONTENT, 45002, "content size out of limit")


def check_stream(stream: Any, *, items: bool) -> None:
    check_keys(stream, {"id": str}, {"finish": bool, "content": str, "msg_item": list, "feedback": dict})
    need(0 < len(stream["id"].encode()) <= 256, 40058, "stream.id")
    check_content(stream.get("content", ""))
    found = stream.get("msg_item", [])
    need(not found or items, 40008, "msg_item isn't supported over the long connection")
    need(not found or stream.get("finish") is True, 40058, "msg_item with finish only")
    need(len(found) <= 10, 40058, "msg_item has 10 at most")
    for item in found:
        check_keys(item, {"msgtype": str, "image": dict})
        check_keys(item["image"], {"base64": str, "md5": str})
        data = base64.b64decode(item["image"]["base64"], validate=True)
        need(hashlib.md5(data).hexdigest() == item["image"]["md5"], 301019, "media MD5 not match")  # noqa: S324
        need(len(data) <= PICTURE, 40009, "invalid image size")
        need(data[:3] == b"\xff\xd8\xff" or data[:8] == b"\x89PNG\r\n\x1a\n", 40008, "JPG or PNG")


def check_card(card: Any) -> None:
    common = {
        "source": dict,
        "main_title": dict,
        "sub_title_text": str,
        "horizontal_content_list": list,
        "jump_list": list,
        "card_action": dict,
        "task_id": str,
        "feedback": dict,
        "quote_area": dict,
        "action_menu": dict,
    }
    kind = card.get("card_type") if isinstance(card, dict) else None
    need(kind in ("text_notice", "button_interaction"), 42013, "card_type")
    own = {"button_list": list, "button_selection": dict} if kind == "button_interaction" else {}
    check_keys(card, {"card_type": str}, {**common, **own})
    if "main_title" in card:
        check_keys(card["main_title"], {}, {"title": str, "desc": str})
    title = card.get("main_title", {}).get("title", "")
    need(bool(title or card.get("sub_title_text")), 41048, "main_title.title and sub_title_text are empty")
    listed = card.get("horizontal_content_list", [])
    need(len(listed) <= 6, 42015, "horizontal_content_list has 6 at most")
    for line in listed:
        check_keys(line, {"keyname": str}, {"value": str, "type": int, "url": str, "userid": str})
    task = card.get("task_id", "")
    need(re.fullmatch(r"[\w@-]{0,128}", task, re.A) is not None, 42014, "task_id")
    action = card.get("card_action")
    if kind == "text_notice":
        need(action is not None and action.get("type") in (1, 2), 42017, "card_action is needed")
    if action is not None and action.get("type") == 1:
        need(str(action.get("url", "")).startswith("http"), 42018, "card_action.url")
    if kind == "button_interaction":
        _check_buttons(card)


def _check_buttons(card: dict[str, Any]) -> None:
    need(bool(card.get("task_id")), 42014, "task_id is needed")
    buttons = card.get("button_list", [])
    need(1 <= len(buttons) <= 6, 42015, "button_list has 1 to 6")
    for button in buttons:
        check_keys(button, {"text": str, "key": str}, {"style": int})
        need(bool(button["text"]) and 0 < len(button["key"].encode()) <= 1024, 40058, "button")
    need(len({button["key"] for button in buttons}) == len(buttons), 42016, "button keys repeat")


def check_markdown(body: Any) -> None:
    check_keys(body["markdown"], {"content": str}, {"feedback": dict})
    need(bool(body["markdown"]["content"].strip()), 44004, "empty content")
    check_content(body["markdown"]["content"])


# ── what a customer sees ─────────────────────────────────────────────────────────────────────────


@dataclass
class Bubble:
    """The answer to one message, as it grows before the customer's eyes."""

    id: str = ""
    states: list[str] = field(default_factory=list)
    """Each text that was shown, in order."""
    finished: bool = False
    pictures: list[bytes] = field(default_factory=list)
    card: dict[str, Any] | None = None
    user: str = ""

    @property
    def text(self) -> str:
        return self.states[-1] if self.states else ""

    def show(self, stream: dict[str, Any]) -> None:
        text = stream.get("content", "")
        if not self.states or self.states[-1] != text:
            self.states.append(text)
        self.finished = bool(stream.get("finish"))
        self.pictures = [base64.b64decode(item["image"]["base64"]) for item in stream.get("msg_item", [])]


class Watched:
    """An emulated server that tests wait for."""

    _server: TestServer

    def __init__(self) -> None:
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    @property
    def base_url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    async def changed(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, what: Callable[[], Any], timeout: float = 5.0) -> None:
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(what)


def message(kind: str, content: dict[str, Any], *, msgid: str, user: str, chat: str = "") -> dict[str, Any]:
    """The JSON of a customer's message."""
    return {
        "msgid": msgid,
        "aibotid": "AIBOTID",
        **({"chatid": chat} if chat else {}),
        "chattype": "group" if chat else "single",
        "from": {"userid": user},
        "msgtype": kind,
        **({kind: content} if kind else {}),
    }


def event(eventtype: str, details: dict[str, Any], *, msgid: str, user: str, at: int) -> dict[str, Any]:
    """The JSON of an event."""
    return {
        "msgid": msgid,
        "create_time": at,
        "aibotid": "AIBOTID",
        "chattype": "single",
        "from": {"userid": user},
        "msgtype": "event",
        "event": {"eventtype": eventtype, **({eventtype: details} if details else {})},
    }


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
