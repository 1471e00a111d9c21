"""From an `OutboundMessage` to 微信客服's messages: texts, menus, pictures and files.

Only five messages may answer one of the customer's, so what belongs together goes together: a text
with its sources and buttons is one menu where it fits (head ≤ 1024 bytes), else a text and a menu.
Where even that is too many, buttons become numbered lines, and at last the end is cut off, with a
line that says so.

Source: 发送消息 (developer.work.weixin.qq.com/document/path/94677).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from adapters.base import Capabilities
from adapters.common.blocks import Block, blocks, numbered
from adapters.common.split import measure, split
from adapters.wecom.kf.menus import menu_id
from adapters.wecom.kf.window import WINDOW_S
from bot.locales import say
from bot.types import Button, FileOut, HandOver, ImageOut, Language, OutboundMessage

__all__ = ["CAPABILITIES", "Call", "Plan", "encode", "spoken"]

TEXT: Final = 2048
HEAD: Final = 1024
"""Bytes of a menu's text above the items."""
ITEM: Final = 128
"""Bytes of an item's label."""
ITEMS: Final = 10

CAPABILITIES: Final = Capabilities(
    repeatable=True,
    buttons=True,
    images=True,
    files=True,
    text_limit=TEXT,
    text_unit="utf8",
    reply_window=WINDOW_S,
)
_WITHOUT_BUTTONS: Final = replace(CAPABILITIES, buttons=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One message. `body` is complete but for the media id of an attachment."""

    msgtype: Literal["text", "msgmenu", "image", "file"]
    body: Mapping[str, Any] = field(default_factory=dict)
    attachment: ImageOut | FileOut | None = None
    values: tuple[str, ...] = ()
    """The values behind a menu's items."""

    @property
    def payload(self) -> dict[str, Any]:
        return {"msgtype": self.msgtype, self.msgtype: dict(self.body)}


@dataclass(frozen=True, slots=True)
class Plan:
    calls: tuple[Call, ...]
    hand_over: HandOver | None = None


def encode(message: OutboundMessage, *, room: int) -> Plan:
    """The messages to send, at most `room`, and whom to hand the conversation to after them."""
    hand_over = next((part for part in message.parts if isinstance(part, HandOver)), None)
    calls = _calls(message, CAPABILITIES)
    if len(calls) > room:
        calls = _calls(message, _WITHOUT_BUTTONS)
    return Plan(tuple(_fitted(calls, room, message.language)), hand_over)


def spoken(message: OutboundMessage, *, menus: bool) -> Call | None:
    """All of the message in one text, or one menu where `menus` are taken, cut if it must be: for a
    code, which is good for one message. None if it shows nothing."""
    shown = _calls(message, CAPABILITIES)
    if len(shown) == 1 and (shown[0].msgtype == "text" or (menus and shown[0].msgtype == "msgmenu")):
        return shown[0]
    texts = [call for call in _calls(message, _WITHOUT_BUTTONS) if call.msgtype == "text"]
    if not texts:
        return None
    return texts[0] if len(texts) == len(shown) == 1 else _fitted(texts, 1, message.language)[0]


def _calls(message: OutboundMessage, capabilities: Capabilities) -> list[Call]:
    # What stands behind a hand-over is shown before it: afterwards nothing is.
    parts = tuple(part for part in message.parts if not isinstance(part, HandOver))
    whole = _with_parts(message, parts)
    calls: list[Call] = []
    for block in blocks(whole, capabilities):
        if isinstance(block.attachment, ImageOut):
            calls.append(Call("image", attachment=block.attachment))
        elif block.attachment is not None:
            calls.append(Call("file", attachment=block.attachment))
        else:
            calls += _text(block, message.language)
    return calls


def _with_parts(message: OutboundMessage, parts: tuple[Any, ...]) -> OutboundMessage:
    return OutboundMessage(
        conversation=message.conversation,
        parts=parts,
        idempotency_key=message.idempotency_key,
        kind=message.kind,
        in_reply_to=message.in_reply_to,
        language=message.language,
    )


def _text(block: Block, language: Language) -> list[Call]:
    text, buttons = _clean(block.plain(language)), block.buttons
    if len(buttons) > ITEMS:
        # Not half a menu: a customer answers by number, and numbers must count from one.
        text, buttons = f"{text}\n{_clean(numbered(buttons))}".strip(), ()
    pieces = split(text, TEXT, "utf8")
    if buttons and pieces and measure(pieces[-1], "utf8") > HEAD:
        pieces[-1:] = split(pieces[-1], HEAD, "utf8")
    head = pieces.pop() if buttons and pieces else ""
    calls = [Call("text", {"content": piece}) for piece in pieces]
    return [*calls, _menu(head, buttons)] if buttons else calls


def _menu(head: str, buttons: Sequence[Button]) -> Call:
    items = [
        {"type": "click", "click": {"id": menu_id(b.value), "content": _label(b.label)}} for b in buttons
    ]
    body = {"head_content": head, "list": items} if head else {"list": items}
    return Call("msgmenu", body, values=tuple(button.value for button in buttons))


def _label(label: str) -> str:
    label = " ".join(_clean(label).split()) or "…"
    return label if measure(label, "utf8") <= ITEM else split(label, ITEM - 3, "utf8")[0] + "…"


def _fitted(calls: Sequence[Call], room: int, language: Language) -> list[Call]:
    """The first `room` calls; if that isn't all, the last of them says so."""
    if len(calls) <= room:
        return list(calls)
    kept, notice = list(calls[:room]), say("wecom_kf.cut", language)
    if kept and kept[-1].msgtype == "msgmenu":
        kept[-1] = replace(kept[-1], body={**kept[-1].body, "tail_content": notice})
    elif kept and kept[-1].msgtype == "text":
        text = str(kept[-1].body["content"])
        left = TEXT - measure(notice, "utf8") - 2
        kept[-1] = Call("text", {"content": f"{split(text, left, 'utf8')[0]}\n\n{notice}"})
    elif kept:
        kept[-1] = Call("text", {"content": notice})
    return kept


def _clean(text: str) -> str:
    """Without the characters that JSON or WeCom refuse (errcode 40033): controls, half surrogates."""
    text = text.replace("\r\n", "\n").replace("\t", " ")
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs"))
