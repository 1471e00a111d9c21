"""The customer's web chat: one page, a small JSON API and a stream of server-sent events."""

from __future__ import annotations

from adapters.web.adapter import WebAdapter
from adapters.web.session import COOKIE, chat_of
from adapters.web.settings import Localized, WebSettings

__all__ = ["COOKIE", "Localized", "WebAdapter", "WebSettings", "chat_of"]
