"""The callback of 微信客服: it says only that there is something to pull.

Source: 接收消息和事件, 回调事件 (developer.work.weixin.qq.com/document/path/94670).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.wecom.kf.chat import is_id
from adapters.wecom.xml import XmlError, read_xml

__all__ = ["Nudge", "read_nudge"]

LONGEST_TOKEN = 128
"""Bytes, as documented."""


@dataclass(frozen=True, slots=True)
class Nudge:
    open_kfid: str
    """The account that has something; older callbacks don't say which."""
    token: str = field(repr=False)


def read_nudge(xml: bytes) -> Nudge | None:
    """The nudge in a decrypted callback; None if it is about something else.

    Raises:
        XmlError: not a callback's XML, or its ids aren't ids.
    """
    fields = read_xml(xml)
    if (fields.get("MsgType"), fields.get("Event")) != ("event", "kf_msg_or_event"):
        return None
    open_kfid, token = fields.get("OpenKfId", ""), fields.get("Token", "")
    if open_kfid and not is_id(open_kfid):
        raise XmlError("OpenKfId isn't an account's id")
    usable = 0 < len(token) <= LONGEST_TOKEN and token.isascii() and token.isprintable()
    return Nudge(open_kfid, token if usable else "")
