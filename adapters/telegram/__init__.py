"""Telegram, by polling or webhook."""

from adapters.telegram.adapter import TelegramAdapter
from adapters.telegram.settings import MenuCommand, TelegramSettings

__all__ = ["MenuCommand", "TelegramAdapter", "TelegramSettings"]
