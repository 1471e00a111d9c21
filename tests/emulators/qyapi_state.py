"""What the emulated WeCom remembers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

__all__ = ["Answer", "App", "Call", "Failure", "Group", "Handler", "Shown", "Upload"]


@dataclass
class App:
    """One secret of the corporation, with the callback that belongs to it."""

    agent_id: int = 1000002
    secret: str = "app-secret"
    token: str = "QDG6eK"
    encoding_aes_key: str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
    callback_url: str = ""
    closed: bool = False
    access_token: str = ""
    expires_at: float = 0.0
    stale: set[str] = field(default_factory=set)
    """Tokens that were valid once."""


@dataclass
class Shown:
    """A message that a member, or a group, sees."""

    to: str
    kind: str
    body: Mapping[str, Any]
    """What was sent under the name of its type."""
    msgid: str
    agent_id: int = 0
    at: float = 0.0
    replaced: str = ""
    """The text that took the place of a card's buttons."""

    @property
    def text(self) -> str:
        return str(self.body.get("content", ""))

    @property
    def buttons(self) -> dict[str, str]:
        """A card's buttons: key by face, and by the words that the card lists beside a numbered face."""
        keys = {b["text"]: b["key"] for b in self.body.get("button_list", ())}
        listed = self.body.get("horizontal_content_list", ())
        return keys | {item["value"]: keys[item["keyname"]] for item in listed if item["keyname"] in keys}


@dataclass
class Upload:
    name: str
    mime: str
    data: bytes
    kind: str
    at: float


@dataclass
class Group:
    """A group with a webhook robot."""

    shown: list[Shown] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)


@dataclass
class Call:
    """A call as a handler gets it."""

    path: str
    params: Mapping[str, str]
    body: dict[str, Any]
    app: App
    """Whose access token it carries."""
    upload: Upload | None = None


Answer = Mapping[str, Any] | web.Response
Handler = Callable[[Call], Answer | Awaitable[Answer]]


@dataclass
class Failure:
    """How the next calls of a path fail. `hang`, `garbage`: the call takes effect, but no answer comes, or
    one that can't be read."""

    times: int
    errcode: int = 0
    errmsg: str = "told to fail"
    status: int = 0
    hang: bool = False
    garbage: bytes | None = None
    skip: int = 0
    """Calls that work first."""
