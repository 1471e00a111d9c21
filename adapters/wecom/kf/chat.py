"""A conversation of 微信客服: one customer with one customer-service account."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bot.errors import SendRefused
from bot.types import Conversation

__all__ = ["Chat", "is_id"]

_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


def is_id(value: object) -> bool:
    """Whether it can be an account's or a customer's id: they become parts of notes' keys."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Chat:
    open_kfid: str
    user: str
    """The customer's external_userid."""

    def __str__(self) -> str:
        return f"{self.open_kfid}/{self.user}"

    @classmethod
    def of(cls, conversation: Conversation) -> Chat:
        """Raises SendRefused where it isn't one of ours."""
        open_kfid, _, user = conversation.chat.partition("/")
        if not (is_id(open_kfid) and is_id(user)):
            raise SendRefused("a chat of 微信客服 is <open_kfid>/<external_userid>; this one isn't")
        return cls(open_kfid, user)
