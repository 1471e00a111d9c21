"""What the emulated Slack remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.emulators.slack_blocks import seen_in_blocks, seen_in_markdown, seen_in_mrkdwn

__all__ = ["SCOPES", "Call", "Failure", "Message", "Team"]

SCOPES = (
    "app_mentions:read,assistant:write,channels:history,chat:write,commands,files:read,files:write,"
    "groups:history,im:history,mpim:history,users:read"
)


@dataclass
class Team:
    """One workspace that the app is installed in."""

    id: str = "T0001"
    token: str = "xoxb-emulator-1"
    bot_user: str = "U0BOT"
    bot_id: str = "B0BOT"
    scopes: str = SCOPES
    locales: dict[str, str] = field(default_factory=dict)
    archived: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    """Channels the bot isn't in."""
    revoked: bool = False


@dataclass
class Message:
    """One message of a channel."""

    channel: str
    ts: str
    user: str
    text: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread: str = ""
    metadata: dict[str, Any] | None = None
    files: list[dict[str, Any]] = field(default_factory=list)
    stream: str | None = None
    """The Markdown streamed so far; None for a message that never was a stream."""
    streaming: bool = False
    started: float = 0.0
    edits: int = 0

    @property
    def seen(self) -> str:
        """What a person reads in it."""
        shown = seen_in_blocks(self.blocks)
        if self.stream is not None:
            return "\n".join(part for part in (seen_in_markdown(self.stream), shown) if part)
        return shown or seen_in_mrkdwn(self.text)

    @property
    def buttons(self) -> list[dict[str, Any]]:
        return [e for block in self.blocks if block["type"] == "actions" for e in block["elements"]]

    def shown(self, *, metadata: bool) -> dict[str, Any]:
        """As the Web API gives it."""
        made: dict[str, Any] = {"type": "message", "ts": self.ts, "user": self.user, "text": self.text}
        made |= {"thread_ts": self.thread} if self.thread else {}
        made |= {"blocks": self.blocks} if self.blocks else {}
        made |= {"files": self.files} if self.files else {}
        made |= {"metadata": self.metadata} if metadata and self.metadata else {}
        return made


@dataclass(frozen=True)
class Call:
    """One call of the Web API that was taken (well-formed, with a good token)."""

    method: str
    arguments: dict[str, Any]
    team: str
    at: float


@dataclass
class Failure:
    """How the next calls of a method go wrong.

    `how` is one of Slack's error codes; or `ratelimited`, `http_500`, `http_503`, `garbage` (a page that
    isn't Slack's), `hang` (carried out, never answered), `drop` (carried out, the connection cut),
    `refuse` (cut before it is carried out).
    """

    how: str
    times: int = 1
    """-1: for ever."""
    retry_after: int = 1
    channel: str = ""
    """Only for calls about it; empty: all."""
