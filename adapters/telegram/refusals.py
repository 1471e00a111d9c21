"""What Telegram's errors mean for a message."""

from __future__ import annotations

import re

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from adapters.telegram.api import seconds
from bot.errors import RetryLater, SendAmbiguous, SendError, SendRefused

__all__ = ["said", "translate"]

LONGEST_RETRY_S = 3600.0
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
UNAUTHORIZED = (
    "Telegram refuses the bot's token: take the present one from @BotFather (/token) and set it "
    "under platforms.telegram.bots"
)

_TOKEN = re.compile(r"\d{3,}:[A-Za-z0-9_-]{20,}")
_ADVICE = (
    ("chat not found", "the customer never started the bot, or the chat is gone"),
    ("blocked by the user", "the customer blocked the bot; it can write again when they unblock it"),
    ("user is deactivated", "the customer's Telegram account is gone"),
    ("can't initiate conversation", "the customer must write to the bot first"),
    ("kicked", "the bot was removed from the group; add it again"),
    ("not a member", "the bot isn't in the chat; add it"),
    ("not enough rights", "the bot may not write there; give it the right in the group's settings"),
    ("write_forbidden", "the bot may not write there; give it the right in the group's settings"),
    ("topic_closed", "the topic is closed; reopen it or let the bot manage topics"),
    ("thread not found", "the topic was deleted"),
    ("topic_deleted", "the topic was deleted"),
)


def said(error: BaseException) -> str:
    """Telegram's own words, without the token and the whole answers that some of them quote."""
    words = str(error).partition(". Parsing the server response")[0]
    return _TOKEN.sub("<token>", words)[:300]


def translate(error: Exception) -> SendError:
    """The error of ours that an error of a call stands for."""
    words = said(error)
    match error:
        case RetryAfter():
            wait = min(max(seconds(error.retry_after), 1.0), LONGEST_RETRY_S)
            return RetryLater(f"Telegram asks for {wait:.0f} s of patience with this chat", wait)
        case Forbidden() | BadRequest():
            return SendRefused(_advised(words))
        case InvalidToken():
            return SendError(UNAUTHORIZED)
        case ChatMigrated():
            return SendError(words)
        case NetworkError():
            return _network(error, words)
        case TelegramError():
            return SendAmbiguous(f"Telegram answered what can't be read: {words}")
    return SendAmbiguous(f"the call broke off: {type(error).__name__}")


def _network(error: NetworkError, words: str) -> SendError:
    cause = error.__cause__
    if isinstance(cause, NEVER_SENT):
        return SendError(f"Telegram can't be reached: {type(cause).__name__}; see base_url, proxy, network")
    if isinstance(error, TimedOut) or isinstance(cause, httpx.TransportError):
        return SendAmbiguous("no answer from Telegram after the request was sent")
    if words.lower().startswith("too many requests"):
        return RetryLater("Telegram asks for patience", 5.0)
    return SendError(f"Telegram failed: {words}")


def _advised(words: str) -> str:
    low = words.lower()
    advice = next((advice for sign, advice in _ADVICE if sign in low), "")
    return f"{words}: {advice}" if advice else words
