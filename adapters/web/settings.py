"""What an operator sets for the web chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Localized", "WebSettings"]


@dataclass(frozen=True, slots=True)
class Localized:
    """One text in both languages of the counter."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class WebSettings:
    bank_name: Localized
    greeting: Localized
    """The welcome under the bank's name, before the first message."""
    suggestions: Sequence[Localized] = field(default=())
    """Questions offered before the first message (four to six read well)."""
    upload_limit_bytes: int = 8 * 1024 * 1024
    body_limit_bytes: int = 256 * 1024
    """Largest JSON body; a message's text can be almost as long."""
    attachments_per_message: int = 6
    session_seconds: int = 7 * 24 * 3600
    """How long a browser remembers its conversation after its last page load."""
    secure_cookies: bool = False
    """Mark cookies Secure even where the request reached us as plain http (behind a TLS proxy)."""
    streams_per_conversation: int = 8
    """Open tabs of one conversation that are kept up to date at once."""
    streams_total: int = 5000
