"""Delivering one message: its posts and uploads in order, each once."""

from __future__ import annotations

import re
from functools import partial
from urllib.parse import urlsplit

import aiohttp
import structlog

from adapters.base import Host
from adapters.common.drafts import Drafts
from adapters.common.pace import Pace
from adapters.common.steps import Step, in_steps
from adapters.slack.api import Refusal, code_of
from adapters.slack.encode import Call, Post, Upload, encode
from adapters.slack.posting import Posting
from adapters.slack.streams import Streams
from adapters.slack.threads import Threads
from adapters.slack.workspace import Workspace
from bot.errors import RetryLater, SendRefused, UnknownAttachment
from bot.types import Conversation, Delivery, OutboundMessage

__all__ = ["Deliveries", "trusted"]

log = structlog.get_logger(__name__)

_OUTSIDE = frozenset({"not_in_channel", "channel_not_found"})


class Deliveries:
    """The way out of one Slack app."""

    def __init__(
        self,
        host: Host,
        session: aiohttp.ClientSession,
        base_url: str,
        posting: Posting,
        streams: Streams,
        drafts: Drafts,
        threads: Threads,
        pace: Pace,
    ) -> None:
        self._host = host
        self._session = session
        self._base_url = base_url
        self._posting = posting
        self._streams = streams
        self._drafts = drafts
        self._threads = threads
        self._pace = pace

    async def send(self, message: OutboundMessage) -> Delivery:
        conversation, key = message.conversation, message.idempotency_key
        workspace = self._streams.workspace(conversation)
        calls = encode(message)
        handle = await self._drafts.finish(conversation, key)
        if not calls:
            if handle is not None:
                await self._streams.abandon(conversation, handle)
            # A hand-over by itself: there is no desk here to hand over to, and nothing to show.
            return Delivery("")
        await self._threads.answered(conversation)
        place = f"{conversation.account}|{conversation.chat}"
        finishes = handle is not None and isinstance(calls[0], Post)
        if handle is not None and not finishes:
            await self._streams.abandon(conversation, handle)
        if not finishes and (wait := self._pace.take(place)) > 0:
            raise RetryLater("one message a second and channel", wait)
        placed = True

        async def step(number: int, call: Call) -> str:
            nonlocal placed
            if not placed:
                await self._pace.wait(place)
            placed = False
            mark = f"{key}#{number}"
            if isinstance(call, Upload):
                return await self._upload(workspace, conversation, call)
            if number == 0 and handle is not None:
                return await self._streams.finish(conversation, handle, call, mark)
            return await self._post(workspace, message, call, mark)

        steps: list[Step] = [partial(step, number, call) for number, call in enumerate(calls)]
        return Delivery(await in_steps(workspace.notes, key, steps))

    async def _post(self, workspace: Workspace, message: OutboundMessage, post: Post, mark: str) -> str:
        try:
            return await self._posting.post(workspace, message.conversation, post, mark)
        except Refusal as error:
            if code_of(error) not in _OUTSIDE or not await self._respond(workspace, message, post):
                raise
            return ""

    async def _respond(self, workspace: Workspace, message: OutboundMessage, post: Post) -> bool:
        """Answer a command from a channel the bot isn't in by its response_url, to that person alone."""
        note = f"response:{message.in_reply_to}"
        uses, _, url = ((await workspace.notes.get(note)) or "0|").partition("|")
        if int(uses) < 1 or not trusted(url, self._base_url):
            return False
        body = {"text": post.text, "blocks": post.blocks, "response_type": "ephemeral"}
        try:
            async with self._session.post(url, json=body, allow_redirects=False) as response:
                await response.read()
                done = response.status == 200
        except (TimeoutError, aiohttp.ClientError) as error:
            log.info("slack.no_response", workspace=workspace.name, reason=type(error).__name__)
            return False
        if done and int(uses) > 1:
            await workspace.notes.put(note, f"{int(uses) - 1}|{url}", ttl_s=1800.0)
        elif done:
            await workspace.notes.drop(note)
        return done

    async def _upload(self, workspace: Workspace, conversation: Conversation, upload: Upload) -> str:
        try:
            attachment = await self._host.attachment(conversation, upload.ref)
        except UnknownAttachment as error:
            raise SendRefused(f"the attachment isn't kept any more: {error}") from None
        name = upload.name or _file_name(attachment.name, upload.title, attachment.mime)
        done = await workspace.ask(
            workspace.client.files_upload_v2(
                filename=name,
                content=attachment.data,
                title=upload.title or name,
                alt_txt=upload.title[:1000] if upload.is_image and upload.title else None,
                channel=conversation.chat,
                thread_ts=conversation.thread or None,
            )
        )
        files = done.get("files")
        return str(files[0].get("id", "")) if isinstance(files, list) and files else ""


def trusted(url: str, base_url: str) -> bool:
    """Whether an address is Slack's own, so that it may be given what is Slack's: the Web API's host,
    a host below it (files.slack.com), or, behind a proxy of our own, one below slack.com."""
    try:
        target, base = urlsplit(url), urlsplit(base_url)
        host = target.hostname or ""
        if (target.scheme, target.port) == (base.scheme, base.port) and _below(host, base.hostname or ""):
            return True
        return (target.scheme, target.port) == ("https", None) and _below(host, "slack.com")
    except ValueError:
        return False


def _below(host: str, domain: str) -> bool:
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _file_name(kept: str, title: str, mime: str) -> str:
    if kept:
        return kept
    ending = {"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "application/pdf": ".pdf"}
    return (re.sub(r"[^\w.-]+", "_", title)[:60] or "attachment") + ending.get(mime, "")
