"""The web chat as a platform."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from aiohttp import web

from adapters.base import Attachment, Capabilities, Finding, Health, Host
from adapters.web.lines import line_json
from adapters.web.messages import read_posted, to_event
from adapters.web.page import Page
from adapters.web.refusals import Refusal, answered, reply
from adapters.web.session import chat_of, new_token, remember, require_same_origin, token_of
from adapters.web.settings import WebSettings
from adapters.web.stream import TOPIC, Push, Streams
from adapters.web.uploads import read_upload, served
from bot.errors import AttachmentRefused, RetryLater, SendError, UnknownAttachment
from bot.types import Conversation, Delivery, Draft, Language, OutboundMessage, encode

__all__ = ["Admit", "WebAdapter"]

log = logging.getLogger(__name__)

Admit = Callable[[Conversation], float]
"""Asked before a customer's message or file is taken: 0 to take it, or the seconds to wait."""

_LAST_NUMBER: Final = 2**53 - 1
"""Above any message number, and exact in every JSON reader and database."""
_START_SECONDS: Final = 5.0


class WebAdapter:
    """Serves the page and speaks with it.

    Args:
        account: names this chat among several of one bank.
        tokens: makes cookie values; 128 random bits at least.
        admit: a customer's rate limit.
        heartbeat: seconds of silence after which a stream is checked.
        stall: seconds after which a page that doesn't read its stream is disconnected.
    """

    name = "web"
    capabilities = Capabilities(
        repeatable=True,
        streaming=True,
        buttons=True,
        votes=True,
        cards=True,
        images=True,
        files=True,
        typing=True,
        proactive=True,
        text_limit=20_000,
    )

    def __init__(
        self,
        settings: WebSettings,
        *,
        account: str = "web",
        tokens: Callable[[], str] = new_token,
        admit: Admit = lambda conversation: 0.0,
        heartbeat: float = 15.0,
        stall: float = 20.0,
    ) -> None:
        self.account = account
        self._settings = settings
        self._tokens = tokens
        self._admit = admit
        self._page: Page | None = None
        self._streams = Streams(settings, account, heartbeat=heartbeat, stall=stall)
        self._host: Host | None = None
        self._receiving = False
        self._listener: asyncio.Task[None] | None = None

    @property
    def accounts(self) -> tuple[str, ...]:
        return (self.account,)

    # ── as an adapter ────────────────────────────────────────────────────────────────────────────

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", answered(self._get_page)),
            web.get("/static/{name}", answered(self._get_file)),
            web.get("/static/{version}/{name}", answered(self._get_file)),
            web.post("/api/session/reset", answered(self._post_reset)),
            web.post("/api/messages", answered(self._post_message)),
            web.post("/api/uploads", answered(self._post_upload)),
            web.get("/api/uploads/{ref}", answered(self._get_upload)),
            web.get("/api/history", answered(self._get_history)),
            web.get("/api/stream", answered(self._get_stream), allow_head=False),
        ]

    async def start(self, host: Host, *, receive: bool = True) -> None:
        self._page = await asyncio.to_thread(Page, self._settings)
        self._host = host
        self._receiving = receive
        listening = asyncio.Event()
        self._listener = asyncio.create_task(self._streams.listen(host, listening), name="web-pushes")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                await listening.wait()

    async def stop(self) -> None:
        self._receiving = False
        await self._streams.close()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
            self._listener = None

    async def close(self) -> None:
        self._host = None

    async def send(self, message: OutboundMessage) -> Delivery:
        """Nothing is sent: the message is in the store, and its page is told to look there.

        Raises:
            RetryLater: not started yet.
        """
        if self._host is None:
            raise RetryLater("the web chat isn't started; call start() first", retry_after=1.0)
        conversation = message.conversation
        await self._push(Push(conversation.account, conversation.chat, "message"))
        return Delivery(message.idempotency_key)

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        if self._host is None:
            raise SendError("the web chat isn't started; call start() first")
        return await self._host.attachment(conversation, ref)

    async def check(self, public_url: str) -> list[Finding]:
        """The web chat is this very server: there is nobody to ask."""
        return []

    async def draft(self, draft: Draft) -> None:
        conversation = draft.conversation
        await self._push(
            Push(
                conversation.account,
                conversation.chat,
                "draft",
                key=draft.idempotency_key,
                text=draft.text,
                sequence=draft.sequence,
            )
        )

    async def typing(self, conversation: Conversation, language: Language) -> None:
        await self._push(Push(conversation.account, conversation.chat, "typing"))

    async def health(self) -> Health:
        if self._listener is None or self._listener.done():
            return Health(ok=False, detail="not started")
        return Health(ok=True, detail=f"{len(self._streams)} open pages")

    async def _push(self, push: Push) -> None:
        if self._host is None:
            return
        try:
            await self._host.push(TOPIC, encode(push))
        except Exception as error:
            # A hint: the next heartbeat finds the message without it.
            log.warning("a web push (%s) was lost: %s", push.type, type(error).__name__)

    # ── as a server ──────────────────────────────────────────────────────────────────────────────

    async def _get_page(self, request: web.Request) -> web.StreamResponse:
        response = self._served_page().render(request)
        # Set again on each load, so that a conversation in use doesn't end.
        remember(response, request, token_of(request) or self._tokens(), self._settings)
        return response

    async def _get_file(self, request: web.Request) -> web.StreamResponse:
        return self._served_page().file(request.match_info["name"], request.match_info.get("version", ""))

    async def _post_reset(self, request: web.Request) -> web.StreamResponse:
        require_same_origin(request)
        response = reply({"reset": True})
        remember(response, request, self._tokens(), self._settings)
        return response

    async def _post_message(self, request: web.Request) -> web.StreamResponse:
        host, conversation = self._asked(request)
        self._require_admitted(conversation)
        posted, raw = await read_posted(request, self._settings)
        event = await to_event(posted, conversation, host)
        # A duplicate was answered before, and that answer was lost: the page hears it again.
        await host.accept(event, raw)
        return reply({"accepted": True}, 202)

    async def _post_upload(self, request: web.Request) -> web.StreamResponse:
        host, conversation = self._asked(request)
        self._require_admitted(conversation)
        attachment = await read_upload(request, self._settings)
        try:
            ref = await host.keep_attachment(conversation, attachment)
        except AttachmentRefused:
            # Why stays between us: who tries things out needn't learn from it.
            raise Refusal(415, "upload_unsafe") from None
        size = len(attachment.data)
        return reply({"ref": ref, "name": attachment.name, "mime": attachment.mime, "size": size}, 201)

    async def _get_upload(self, request: web.Request) -> web.StreamResponse:
        host, conversation = self._asked(request)
        try:
            attachment = await host.attachment(conversation, request.match_info["ref"])
        except UnknownAttachment:
            raise Refusal(404, "not_found") from None
        return served(attachment, request)

    async def _get_history(self, request: web.Request) -> web.StreamResponse:
        host, conversation = self._asked(request)
        # Numbers first: a message released in between then comes once more by the stream, which the
        # page notices, rather than not at all.
        numbers = {m.idempotency_key: n for n, m in await host.outgoing(conversation, after=0)}
        lines = await host.transcript(conversation)
        shown = [line_json(line, chat=conversation.chat, n=numbers.get(line.id)) for line in lines]
        return reply({"lines": shown, "last": max(numbers.values(), default=0)})

    async def _get_stream(self, request: web.Request) -> web.StreamResponse:
        host, conversation = self._asked(request)
        # A browser that reconnects keeps the URL and adds the header, so the header is newer.
        after = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        number = int(after) if after.isascii() and after.isdigit() and len(after) <= 16 else 0
        return await self._streams.serve(request, conversation, host, min(number, _LAST_NUMBER))

    def _served_page(self) -> Page:
        """
        Raises:
            Refusal: 503 when not started.
        """
        if self._page is None:
            raise Refusal(503, "busy", retry_after=2.0)
        return self._page

    def _asked(self, request: web.Request) -> tuple[Host, Conversation]:
        """The host, and the conversation of the browser that asks.

        Raises:
            Refusal: 403 for another site's page, 401 without a session, 503 when not started.
        """
        if request.method != "GET":
            require_same_origin(request)
        if self._host is None or not self._receiving:
            raise Refusal(503, "busy", retry_after=2.0)
        token = token_of(request)
        if token is None:
            raise Refusal(401, "no_session")
        return self._host, Conversation("web", self.account, chat_of(token))

    def _require_admitted(self, conversation: Conversation) -> None:
        if (seconds := self._admit(conversation)) > 0:
            raise Refusal(429, "too_often", retry_after=seconds)
