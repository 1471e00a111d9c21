"""The AI bot over a long connection: what customers write comes, and answers go, on one socket.

WeCom delivers a message once on this wire: nothing is acknowledged and nothing comes again. So what was
read is held in memory until it is stored, in order, however long the store takes; what a process that is
killed meanwhile held is lost, and `health` says when it comes to that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog
from aiohttp import web

from adapters.base import Attachment, Capabilities, Finding, Health, Host, Notes
from adapters.common.drafts import Drafts
from adapters.wecom.aibot.cards import TemplateCard, pressed
from adapters.wecom.aibot.clock import skew_of
from adapters.wecom.aibot.files import fetch
from adapters.wecom.aibot.frames import Frame
from adapters.wecom.aibot.incoming import Incoming, Malformed, Reader
from adapters.wecom.aibot.link import Link, Timing
from adapters.wecom.aibot.markdown import CONTENT_LIMIT
from adapters.wecom.aibot.settings import WeComAibot
from adapters.wecom.aibot.talk import Talk
from adapters.wecom.checks import check_clock
from bot.errors import QueueFull, SendError, StoreBusy
from bot.types import Conversation, Delivery, Draft, Language, OutboundMessage

__all__ = ["ConnectionBot"]

log = structlog.get_logger(__name__)

HELD: Final = 1000
"""Messages held in memory while the store can't take them; after that none are read."""
DRAFT_EVERY_S: Final = 2.5
RETRY_S: Final = (0.2, 15.0)
"""First and longest pause before the store is asked again."""
DRAIN_S: Final = 10.0
"""How long `stop` waits for what was read to be stored."""


class ConnectionBot:
    """One AI bot in long-connection mode.

    Args:
        clock: seconds since the epoch.
        timing: of the connection.
    """

    name = "wecom"
    capabilities = Capabilities(
        streaming=True,
        buttons=True,
        cards=True,
        images=True,
        files=True,
        typing=True,
        proactive=True,
        text_limit=CONTENT_LIMIT,
        text_unit="utf8",
        connection_bound=True,
    )

    def __init__(
        self,
        settings: WeComAibot,
        *,
        clock: Callable[[], float] = time.time,
        timing: Timing | None = None,
        draft_every_s: float = DRAFT_EVERY_S,
    ) -> None:
        self.account = settings.account
        self._settings = settings
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._link = Link(
            settings.ws_url,
            settings.bot_id,
            settings.secret,
            session=self._http,
            on_frame=self._on_frame,
            on_rubbish=self._on_rubbish,
            timing=timing,
        )
        self._drafts = Drafts(self._open_draft, self._grow_draft, self._notes, every_s=draft_every_s)
        self._inbox: asyncio.Queue[tuple[Frame, Incoming]] = asyncio.Queue(HELD)
        self._host: Host | None = None
        self._talk: Talk | None = None
        self._storing: asyncio.Task[None] | None = None
        self._quick: set[asyncio.Task[None]] = set()
        self._store_failed = False

    @property
    def accounts(self) -> Collection[str]:
        return (self.account,)

    def routes(self) -> list[web.RouteDef]:
        return []

    async def start(self, host: Host, *, receive: bool = True) -> None:
        self._host = host
        self._reader = Reader(
            self.name,
            self.account,
            bot_name=self._settings.bot_name,
            new_id=host.new_id,
            clock=lambda: datetime.fromtimestamp(self._clock(), UTC),
        )
        notes = self._own_notes = host.notes(self.name, self.account)
        self._talk = Talk(host, notes, self.account, self.capabilities, self._link, self._clock)
        if receive and self._storing is None:
            self._storing = asyncio.create_task(self._store(host, self._talk), name="wecom-aibot-store")
            self._link.start()

    async def stop(self) -> None:
        """Hang up: what came later could not be stored. Answers that are sent now go out after the next
        start."""
        await self._link.stop()
        storing, self._storing = self._storing, None
        if storing is None:
            return
        try:
            await asyncio.wait_for(self._inbox.join(), DRAIN_S)
        except TimeoutError:
            log.error("wecom.messages_lost", account=self.account, count=self._inbox.qsize() + 1)
        storing.cancel()
        await asyncio.gather(storing, return_exceptions=True)

    async def close(self) -> None:
        await self.stop()
        await self._drafts.close()
        for task in self._quick:
            task.cancel()
        await asyncio.gather(*self._quick, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def health(self) -> Health:
        if self._store_failed:
            return Health(
                False, f"the store takes nothing; {self._inbox.qsize() + 1} messages are only in memory"
            )
        return self._link.health()

    async def check(self, public_url: str) -> list[Finding]:
        where = urlsplit(self._settings.ws_url)
        plain = f"{'https' if where.scheme == 'wss' else 'http'}://{where.netloc}"
        skew = await skew_of(self._http(), plain, self._clock)
        if skew is None:
            detail = (
                f"{self._settings.ws_url} can't be reached, or says no time; is outgoing HTTPS to it allowed?"
            )
            return [Finding("connection", False, detail)]
        detail = (
            f"{where.netloc} can be reached; bot_id and secret were not tried: WeCom allows one connection, "
            "and that would cut off the running Teller, whose /readyz says whether they are right"
        )
        return [Finding("connection", True, detail), check_clock(skew)]

    # ── in ──

    async def _on_frame(self, frame: Frame) -> None:
        """Called for each callback, in order; everything slow is left to others."""
        host, talk = self._host, self._talk
        if host is None or talk is None:
            return
        if frame.cmd not in ("aibot_msg_callback", "aibot_event_callback"):
            host.refused(self.name, "unknown_type")
            return
        try:
            incoming = self._reader.read(bytes(frame.body))
        except Malformed:
            host.refused(self.name, "malformed")
            return
        if incoming.kind == "evicted":
            await self._link.evicted()
        elif incoming.kind == "entered":
            self._soon(partial(self._welcome, frame.req_id))
        elif incoming.event is None:
            host.refused(self.name, "own_message" if incoming.kind == "own" else "unknown_type")
            log.info("wecom.ignored", account=self.account, kind=incoming.what or incoming.kind)
        else:
            await self._inbox.put((frame, incoming))

    def _on_rubbish(self) -> None:
        if self._host is not None:
            self._host.refused(self.name, "malformed")

    async def _store(self, host: Host, talk: Talk) -> None:
        while True:
            frame, incoming = await self._inbox.get()
            try:
                await self._accept(host, talk, frame, incoming)
            except Exception as error:
                log.error("wecom.message_lost", account=self.account, exc_info=error)
            finally:
                self._inbox.task_done()

    async def _accept(self, host: Host, talk: Talk, frame: Frame, incoming: Incoming) -> None:
        event, pause = incoming.event, RETRY_S[0]
        if event is None:
            return
        while True:
            try:
                # Before it is accepted, so that the answer, however quick, finds its way.
                if incoming.kind == "message":
                    await talk.asked(event.event_id, frame.req_id)
                new = await host.accept(event, bytes(frame.body))
                break
            except (StoreBusy, QueueFull):
                self._store_failed = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_S[1])
        self._store_failed = False
        if incoming.kind == "pressed":
            self._soon(partial(self._tick, frame.req_id, incoming.task_id, event.value))
        elif new:
            talk.unanswered(event.conversation.chat, event.event_id)

    async def _welcome(self, req_id: str) -> None:
        """Within 5 s, or WeCom doesn't take it."""
        if self._settings.welcome:
            body = {"msgtype": "text", "text": {"content": self._settings.welcome}}
            await self._link.request("aibot_respond_welcome_msg", body, req_id)

    async def _tick(self, req_id: str, task_id: str, key: str) -> None:
        """Show on the card which button was pressed; within 5 s, or WeCom doesn't take it."""
        kept = await self._own_notes.get(f"card:{task_id}") if 0 < len(task_id) <= 128 else None
        card = pressed(msgspec.json.decode(kept, type=TemplateCard), key) if kept else None
        if card is not None:
            body = {"response_type": "update_template_card", "template_card": card}
            await self._link.request("aibot_respond_update_msg", body, req_id)

    def _soon(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it beside everything else; it is an extra, and its failure is only noted."""

        async def guarded() -> None:
            try:
                await work()
            except (SendError, StoreBusy) as error:
                log.info("wecom.extra_failed", account=self.account, reason=type(error).__name__)

        task = asyncio.create_task(guarded())
        self._quick.add(task)
        task.add_done_callback(self._quick.discard)

    # ── out ──

    async def send(self, message: OutboundMessage) -> Delivery:
        if self._talk is None:
            raise SendError("the adapter isn't started")
        await self._drafts.finish(message.conversation, message.idempotency_key)
        return Delivery(await self._talk.send(message))

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        return await fetch(self._http(), ref, None)

    async def draft(self, draft: Draft) -> None:
        if self._talk is not None:
            self._drafts.show(draft)

    async def typing(self, conversation: Conversation, language: Language) -> None:
        if self._talk is not None:
            self._soon(partial(self._talk.typing, conversation))

    async def _open_draft(self, draft: Draft) -> str:
        if self._talk is None:
            raise SendError("the adapter isn't started")
        return await self._talk.open_draft(draft)

    async def _grow_draft(self, draft: Draft, handle: str) -> None:
        if self._talk is not None:
            await self._talk.grow_draft(draft, handle)

    def _notes(self, conversation: Conversation) -> Notes:
        return self._own_notes

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._settings.timeout_s)
            self._session = aiohttp.ClientSession(timeout=timeout)
        return self._session
