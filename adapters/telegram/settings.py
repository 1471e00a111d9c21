"""What an operator decides about one Telegram bot."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bot.types import Language

__all__ = ["MenuCommand", "TelegramSettings"]

BASE_URL = "https://api.telegram.org"
PATH = "/webhooks/telegram"
FETCH_LIMIT = 20 * 1024 * 1024
"""Bytes: the Bot API hands out no larger file (core.telegram.org/bots/api#getfile)."""

_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{0,256}")


@dataclass(frozen=True, slots=True)
class MenuCommand:
    """One line of the menu beside a customer's input field."""

    command: str
    """Without its slash: 1 to 32 of a–z, 0–9 and _."""
    zh: str
    en: str

    def __post_init__(self) -> None:
        if not _COMMAND.fullmatch(self.command):
            raise ValueError(f"{self.command!r}: a command has 1 to 32 of a-z, 0-9 and _, and no slash")
        if not (1 <= len(self.zh) <= 256 and 1 <= len(self.en) <= 256):
            raise ValueError(f"/{self.command}: a description has 1 to 256 characters")


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    """One bot."""

    token: str = field(repr=False)
    """As @BotFather gave it."""
    account: str = "default"
    receive: Literal["polling", "webhook"] = "polling"
    base_url: str = BASE_URL
    """The Bot API server: `https://host`, `https://host/bot` or with `{token}` in it."""
    base_file_url: str = ""
    """Where files are downloaded from; empty: derived from `base_url`."""
    public_url: str = ""
    """Where Telegram reaches this server (https). The webhook is registered when it is given."""
    webhook_secret: str = field(default="", repr=False)
    """Comes with every webhook request; empty: one derived from the token."""
    webhook_connections: int = 40
    """Webhook requests Telegram makes at once, 1 to 100."""
    proxy: str = ""
    """`http://host:port` through which Telegram is reached; empty: what HTTPS_PROXY says, if anything."""
    timeout_s: float = 10.0
    poll_s: int = 30
    """How long a poll waits for news."""
    silence_s: float = 90.0
    """Polling that has completed nothing for so long is restarted, and `/readyz` says so."""
    fetch_limit_bytes: int = FETCH_LIMIT
    staff_chats: frozenset[str] = frozenset()
    """Chats in which every message is read, mentioned or not (privacy mode must be off)."""
    commands: tuple[MenuCommand, ...] = ()
    """Menu of private chats. An empty menu is left as it is, here and below."""
    group_commands: tuple[MenuCommand, ...] = ()
    staff_commands: tuple[MenuCommand, ...] = ()
    """Menu of the `staff_chats`."""
    language: Language = "zh"
    """Of the menu for customers whose Telegram speaks neither Chinese nor English."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9:_-]+", self.token):
            raise ValueError("token isn't a bot token: copy it from @BotFather")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.account):
            raise ValueError("account must have 1 to 64 of A-Z, a-z, 0-9, _ and -")
        if not _SECRET.fullmatch(self.webhook_secret):
            raise ValueError("webhook_secret may have 256 of A-Z, a-z, 0-9, _ and - at most")
        if not 1 <= self.webhook_connections <= 100:
            raise ValueError("webhook_connections must be 1 to 100")
        for url in (self.base_url, self.base_file_url, self.public_url):
            if url and not re.match(r"https?://[^/]", url):
                raise ValueError(f"{url!r} isn't a URL (http:// or https://)")

        if self.proxy and not re.match(r"https?://[^/]", self.proxy):
            # The library would refuse it only when the counter opens. (Not quoted: it may hold a password.)
            raise ValueError("proxy isn't the address of an HTTP proxy: give http://host:port")

    @property
    def longest_silence_s(self) -> float:
        """`silence_s`, but longer than a quiet poll takes."""
        return max(self.silence_s, (self.poll_s + self.timeout_s) * 1.25)

    @property
    def api_url(self) -> str:
        """`base_url` as the library takes it: the token's place marked or at the end."""
        url = self.base_url.rstrip("/")
        if "{token}" in url or url.endswith("/bot"):
            return url
        return f"{url}/bot"

    @property
    def file_url(self) -> str:
        """`base_file_url` as the library takes it."""
        if not self.base_file_url:
            head, _, tail = self.api_url.rpartition("/bot")
            return f"{head}/file/bot{tail}"
        url = self.base_file_url.rstrip("/")
        if "{token}" in url or url.endswith("/file/bot"):
            return url
        return f"{url}/bot" if url.endswith("/file") else f"{url}/file/bot"

    @property
    def paths(self) -> Sequence[str]:
        """Where webhook requests are taken; the first is the one that is registered."""
        own = f"{PATH}/{self.account}"
        return (PATH, own) if self.account == "default" else (own,)

    def webhook_url(self, public_url: str = "") -> str:
        """The webhook's address; empty without a public URL."""
        base = (public_url or self.public_url).rstrip("/")
        return base + self.paths[0] if base else ""

    @property
    def secret(self) -> str:
        """What the header X-Telegram-Bot-Api-Secret-Token must hold."""
        derived = hmac.new(self.token.encode(), b"teller telegram webhook", hashlib.sha256).hexdigest()
        return self.webhook_secret or derived
