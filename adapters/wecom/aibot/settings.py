"""What an operator sets for one AI bot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bot.types import Language

__all__ = ["API_BASE", "WS_URL", "WeComAibot"]

WS_URL: Final = "wss://openws.work.weixin.qq.com"
API_BASE: Final = "https://qyapi.weixin.qq.com"


@dataclass(frozen=True, slots=True)
class WeComAibot:
    """One 智能机器人, in one of WeCom's two API modes: with a `bot_id` over a long connection, else by
    callback. WeCom lets a bot have one of them."""

    account: str = "default"
    """The operator's name for it; unique among all WeCom accounts."""
    token: str = field(default="", repr=False)
    """Of the callback (接收消息 Token)."""
    encoding_aes_key: str = field(default="", repr=False)
    """Of the callback (EncodingAESKey)."""
    bot_id: str = ""
    """Of the long connection (Bot ID)."""
    secret: str = field(default="", repr=False)
    """Of the long connection (Secret)."""
    bare_path: bool = False
    """Its callback answers at the path without an account, too (the account `default` always does)."""
    bot_name: str = ""
    """As customers see it: its @mention is taken out of what they write in groups. Without it, a
    mention at the beginning is."""
    welcome_zh: str = ""
    """What a customer who opens the bot is greeted with, once a day. Empty: nothing."""
    welcome_en: str = ""
    language: Language = "zh"
    """Of the greeting, and of what is said where the customer's language can't be known."""
    ws_url: str = WS_URL
    """Where the long connection goes; a private deployment has its own."""
    api_base: str = API_BASE
    """Whose clock `teller check --online` compares with."""
    timeout_s: float = 10.0
    """For one request to WeCom."""

    @property
    def by_connection(self) -> bool:
        return bool(self.bot_id)

    @property
    def welcome(self) -> str:
        return self.welcome_zh if self.language == "zh" else self.welcome_en
