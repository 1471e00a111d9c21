"""One message, posted once.

Each post carries its idempotency key as message metadata. After a call whose answer never came, or
wasn't waited for, the next attempt first looks whether that message is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from adapters.slack.api import answer
from adapters.slack.encode import Post
from adapters.slack.workspace import Workspace
from bot.errors import SendAmbiguous, SendError
from bot.types import Conversation

__all__ = ["LOOK_BACK_S", "Posting", "metadata_of"]

log = structlog.get_logger(__name__)

EVENT_TYPE = "teller_message"
DOUBT_S = 3 * 24 * 3600.0
LOOK_BACK_S = 120.0
"""How far before a call its message is looked for: clocks differ."""
SEEN = 15
"""Messages looked through; what Slack gives apps of every kind at once."""


class Posting:
    """Posts and rewrites messages of one app."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    async def post(self, workspace: Workspace, conversation: Conversation, post: Post, key: str) -> str:
        """Post it unless an earlier attempt under this key did; its timestamp."""
        note = f"doubt:{key}"
        doubt = await workspace.notes.get(note)
        if doubt is not None:
            found = await self.find(workspace, conversation, float(doubt), key)
            if found:
                return found
        try:
            made = await workspace.ask(
                workspace.client.chat_postMessage(
                    channel=conversation.chat,
                    thread_ts=conversation.thread or None,
                    text=post.text,
                    blocks=post.blocks,
                    metadata=metadata_of(key),
                    unfurl_links=False,
                    unfurl_media=False,
                )
            )
        except (SendAmbiguous, asyncio.CancelledError):
            # Broken off from outside (a deadline, a stop) it may have been posted just as well.
            if doubt is None:
                await workspace.notes.put(note, str(self._clock()), ttl_s=DOUBT_S)
            raise
        return str(made.get("ts", ""))

    async def rewrite(self, workspace: Workspace, chat: str, ts: str, post: Post, key: str) -> str:
        """Put it in the place of the message `ts`."""
        await workspace.ask(
            workspace.client.chat_update(
                channel=chat, ts=ts, text=post.text, blocks=post.blocks, metadata=metadata_of(key)
            )
        )
        return ts

    async def latest(
        self, workspace: Workspace, conversation: Conversation, since: float
    ) -> list[dict[str, Any]]:
        """What was said in a conversation since some seconds, newest first as far as Slack gives it."""
        client, chat, thread = workspace.client, conversation.chat, conversation.thread
        span: dict[str, Any] = {
            "oldest": f"{since - LOOK_BACK_S:.6f}",
            "limit": SEEN,
            "include_all_metadata": True,
        }
        if thread:
            call = client.conversations_replies(channel=chat, ts=thread, **span)
        else:
            call = client.conversations_history(channel=chat, **span)
        # Not the workspace's own `ask`: without the scope to look back it is well all the same.
        messages = (await answer(call)).get("messages")
        found = [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
        return sorted(found, key=lambda m: str(m.get("ts", "")), reverse=True)

    async def find(self, workspace: Workspace, conversation: Conversation, since: float, key: str) -> str:
        """The timestamp of the message that was posted under this key since then, or empty."""
        try:
            messages = await self.latest(workspace, conversation, since)
        except SendError as error:
            # Unable to look: rather twice than never.
            log.warning("slack.doubt_not_resolved", workspace=workspace.name, reason=str(error))
            return ""
        for message in messages:
            metadata = message.get("metadata")
            payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
            if isinstance(payload, dict) and payload.get("id") == key:
                return str(message.get("ts", ""))
        return ""


def metadata_of(key: str) -> dict[str, Any]:
    """The mark by which a message is found again; it holds nothing but the key."""
    return {"event_type": EVENT_TYPE, "event_payload": {"id": key}}
