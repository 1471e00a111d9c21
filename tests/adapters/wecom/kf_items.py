"""Items as `sync_msg` gives them, and their reader."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

from adapters.wecom.kf.events import Item, Reader

__all__ = ["KFID", "NOW", "USER", "happened", "item", "read"]

KFID, USER = "wkbankAAAA", "wmcustomerAAAA"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
_ids = count(1)
READER = Reader("kf", lambda: NOW, lambda: f"c-{next(_ids)}")


def item(kind: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "msgid": "kfmsg_1",
        "open_kfid": KFID,
        "external_userid": USER,
        "send_time": 1_615_478_585,
        "origin": 3,
        "msgtype": kind,
        kind: body,
        **more,
    }


def happened(event_type: str, **fields: Any) -> dict[str, Any]:
    event = {"event_type": event_type, "open_kfid": KFID, "external_userid": USER, **fields}
    return {"msgid": "ev1", "send_time": 1_615_478_585, "origin": 4, "msgtype": "event", "event": event}


def read(raw: dict[str, Any], value: str = "") -> Item:
    return READER.read(raw, open_kfid=KFID, value=value)
