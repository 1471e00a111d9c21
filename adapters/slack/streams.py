"""Growing answers: Slack's own text streaming where it can be had, else a message that is rewritten.

A stream only grows; `chat.update` is refused while it is open; Slack closes it by itself some five
minutes after its start, busy or not. So whatever goes wrong with a stream ends in the one way that
always works and may be repeated: stop it, then put the whole text in its place.
Sources: https://docs.slack.dev/reference/methods/chat.startStream,
https://github.com/slackapi/python-slack-sdk/issues/1859
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from adapters.common.pace import Pace, Window
from adapters.slack.api import Refusal, Unwell, answer, code_of
from adapters.slack.encode import Post, preview
from adapters.slack.posting import Posting, metadata_of
from adapters.slack.text import escape, formats, literal_markdown
from adapters.slack.threads import Threads
from adapters.slack.workspace import Workspace
from bot.errors import RetryLater, SendAmbiguous, SendError
from bot.types import Conversation, Draft

__all__ = ["Streams"]

log = structlog.get_logger(__name__)

OLDEST_S = 270.0
"""A stream this old isn't touched any more: Slack closes it at about 300 s."""
REFUSED_S = 3600.0
"""How long a workspace that has no streaming isn't asked again."""
REMEMBERED = 10_000
CLOCKS_S = 5.0
"""How far Slack's clock may be behind ours when a lost stream is looked for."""
# Under Slack's tiers, a workspace and minute: startStream and stopStream 20 (tier 2), appendStream 100
# (tier 4), chat.update 50 (tier 3). Each stream may need an update at its end, each rewritten message
# needs one: 16 + 20 + 12 updates at most. What finds no place has no preview, and its answer is posted.
STREAMS, APPENDS, MESSAGES, REWRITES = (Window(count, 60.0) for count in (16, 80, 20, 12))
REWRITE_EVERY = Window(1, 1.5)

_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
# Nothing about this message: streaming as such isn't to be had.
_UNAVAILABLE = frozenset(
    {
        "unknown_method",
        "method_deprecated",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "channel_type_not_supported",
        "feature_not_enabled",
        "team_access_not_granted",
    }
)


@dataclass(slots=True)
class _Stream:
    """What this process knows of one it started."""

    started: float
    shown: str
    whole: bool = True
    """Nothing went wrong yet: `shown` is exactly what the customer sees."""


@dataclass(slots=True)
class Streams:
    """Opens, grows and finishes the drafts of one app. A handle is `kind|ts|start`."""

    posting: Posting
    threads: Threads
    pace: Pace
    """Of `chat.postMessage`, by channel."""
    workspace: Callable[[Conversation], Workspace]
    clock: Callable[[], float]
    _live: OrderedDict[str, _Stream] = field(default_factory=OrderedDict)
    _refused: dict[tuple[str, str], float] = field(default_factory=dict)
    _starts: Pace = field(init=False)
    _appends: Pace = field(init=False)
    _messages: Pace = field(init=False)
    _rewrites: Pace = field(init=False)
    _each: Pace = field(init=False)

    def __post_init__(self) -> None:
        self._starts = Pace(STREAMS, clock=self.clock)
        self._appends = Pace(APPENDS, clock=self.clock)
        self._messages = Pace(MESSAGES, clock=self.clock)
        self._rewrites = Pace(REWRITES, clock=self.clock)
        self._each = Pace(REWRITE_EVERY, clock=self.clock)

    # ── while it grows ──

    async def open(self, draft: Draft) -> str:
        """Show a draft's first text; its handle."""
        conversation = draft.conversation
        workspace, text = self.workspace(conversation), preview(draft.text)
        ts, kind, started = "", "stream", self.clock()
        if conversation.thread and self._may_stream(conversation):
            ts = await self._start(workspace, conversation, text)
        if not ts:
            _later(self._messages.take(workspace.name))
            _later(self.pace.take(_chat(conversation)))
            kind = "post"
            ts = await self._post(workspace, conversation, text, f"{draft.idempotency_key}#draft")
            self._remember(conversation, ts, _Stream(started, text))
        return f"{kind}|{ts}|{started}"

    async def grow(self, draft: Draft, handle: str) -> None:
        """Show a later text."""
        conversation, text = draft.conversation, preview(draft.text)
        workspace, (kind, ts, _) = self.workspace(conversation), _parse(handle)
        if kind == "post":
            await self._grow_post(workspace, conversation, ts, text, draft.idempotency_key)
            return
        stream = self._known(conversation, ts)
        if stream is None or not stream.whole or not text.startswith(stream.shown) or text == stream.shown:
            return
        if self.clock() - stream.started > OLDEST_S:
            return
        _later(self._appends.take(workspace.name))
        await self._append(workspace, conversation, ts, stream, text)

    async def _start(self, workspace: Workspace, conversation: Conversation, text: str) -> str:
        """The timestamp of a new stream; empty where there can be none now."""
        if self._starts.take(workspace.name) > 0:
            return ""
        user, team = "", ""
        if conversation.kind == "group":
            user, team = await self.threads.asker(conversation)
            if not user:
                return ""
        started = self.clock()
        try:
            # Not the workspace's own `ask`: a bot without streaming is well all the same.
            made = await answer(
                workspace.client.chat_startStream(
                    channel=conversation.chat,
                    thread_ts=conversation.thread,
                    markdown_text=literal_markdown(text),
                    recipient_user_id=user or None,
                    recipient_team_id=(team or workspace.identity.team_id) if user else None,
                )
            )
            ts = str(made.get("ts", ""))
        except RetryLater:
            return ""
        except SendAmbiguous:
            ts = await self._find(workspace, conversation, started)
            if not ts:
                raise
            self._remember(conversation, ts, _Stream(started, text, whole=False))
            return ts
        except (Refusal, Unwell) as error:
            if error.code in _UNAVAILABLE:
                self._refused[conversation.account, conversation.kind] = self.clock() + REFUSED_S
            log.info("slack.not_streamed", workspace=workspace.name, reason=str(error))
            return ""
        self._remember(conversation, ts, _Stream(started, text))
        return ts

    async def _post(self, workspace: Workspace, conversation: Conversation, text: str, key: str) -> str:
        post = _plain(text)
        try:
            return await self.posting.post(workspace, conversation, post, key)
        except SendAmbiguous:
            # If it is there it must be found now: nobody else would take it away again.
            ts = await self.posting.find(workspace, conversation, self.clock(), key)
            if not ts:
                raise
            return ts

    async def _append(
        self, workspace: Workspace, conversation: Conversation, ts: str, stream: _Stream, text: str
    ) -> None:
        delta = text[len(stream.shown) :]
        # Until the answer says that it worked, what is shown isn't known.
        stream.whole = False
        try:
            await workspace.ask(
                workspace.client.chat_appendStream(
                    channel=conversation.chat, ts=ts, markdown_text=literal_markdown(delta)
                )
            )
        except RetryLater:
            stream.whole = True
            raise
        stream.shown, stream.whole = text, True

    async def _grow_post(
        self, workspace: Workspace, conversation: Conversation, ts: str, text: str, draft_key: str
    ) -> None:
        _later(self._each.take(f"{workspace.name}|{ts}"))
        _later(self._rewrites.take(workspace.name))
        await self.posting.rewrite(workspace, conversation.chat, ts, _plain(text), f"{draft_key}#draft")

    # ── at its end ──

    async def finish(self, conversation: Conversation, handle: str, post: Post, key: str) -> str:
        """Put the final message in the draft's place; its timestamp. May be repeated."""
        workspace, (kind, ts, _) = self.workspace(conversation), _parse(handle)
        if kind == "stream" and await self._stop(workspace, conversation, ts, post, key):
            return ts
        try:
            return await self.posting.rewrite(workspace, conversation.chat, ts, post, key)
        except (Refusal, Unwell) as error:
            if code_of(error) not in _GONE:
                raise
        log.info("slack.draft_gone", workspace=workspace.name)
        return await self.posting.post(workspace, conversation, post, key)

    async def abandon(self, conversation: Conversation, handle: str) -> None:
        """End a draft in whose place nothing comes; what it showed stays."""
        workspace, (kind, ts, _) = self.workspace(conversation), _parse(handle)
        if kind == "stream":
            with suppress(SendError):
                await answer(workspace.client.chat_stopStream(channel=conversation.chat, ts=ts))

    async def drop(self, draft: Draft, handle: str) -> None:
        """Take away a draft that came after its final message."""
        await self.abandon(draft.conversation, handle)
        workspace, (_, ts, _) = self.workspace(draft.conversation), _parse(handle)
        await answer(workspace.client.chat_delete(channel=draft.conversation.chat, ts=ts))

    async def _stop(
        self, workspace: Workspace, conversation: Conversation, ts: str, post: Post, key: str
    ) -> bool:
        """Stop the stream; True if that alone made it show the final message."""
        stop, chat = workspace.client.chat_stopStream, conversation.chat
        stream = self._known(conversation, ts)
        if stream is not None and self._leads_to(stream, post):
            rest = post.body[len(stream.shown) :]
            # Until the answer says that it worked, what is shown isn't known.
            stream.whole = False
            try:
                await workspace.ask(
                    stop(
                        channel=chat,
                        ts=ts,
                        markdown_text=literal_markdown(rest) or None,
                        blocks=list(post.extras) or None,
                        metadata=metadata_of(key),
                    )
                )
                return True
            except RetryLater:
                stream.whole = True
                raise
            except (Refusal, Unwell) as error:
                log.info("slack.stream_not_finished", workspace=workspace.name, reason=str(error))
        try:
            await workspace.ask(stop(channel=chat, ts=ts))
        except (Refusal, Unwell) as error:
            # Stopped already, most likely; if it isn't, rewriting it will say so.
            log.info("slack.stream_not_stopped", workspace=workspace.name, reason=str(error))
        return False

    def _leads_to(self, stream: _Stream, post: Post) -> bool:
        """Whether what is shown, and the rest appended to it, is the final message exactly."""
        fresh = self.clock() - stream.started <= OLDEST_S
        return stream.whole and fresh and post.body.startswith(stream.shown) and not formats(post.body)

    # ── what is known ──

    def _may_stream(self, conversation: Conversation) -> bool:
        return self._refused.get((conversation.account, conversation.kind), 0.0) <= self.clock()

    def _known(self, conversation: Conversation, ts: str) -> _Stream | None:
        return self._live.get(f"{_chat(conversation)}|{ts}")

    def _remember(self, conversation: Conversation, ts: str, stream: _Stream) -> None:
        self._live[f"{_chat(conversation)}|{ts}"] = stream
        while len(self._live) > REMEMBERED:
            self._live.popitem(last=False)

    async def _find(self, workspace: Workspace, conversation: Conversation, started: float) -> str:
        """A stream whose start was never answered, or empty: our latest message without our mark, for
        all that is finished has one."""
        try:
            messages = await self.posting.latest(workspace, conversation, started)
        except SendError:
            return ""
        mine = workspace.identity.user_id
        for message in messages:
            if message.get("user") == mine and not message.get("metadata") and not message.get("files"):
                ts = str(message.get("ts", ""))
                return ts if float(ts) >= started - CLOCKS_S else ""
        return ""


def _plain(text: str) -> Post:
    return Post(escape(text)[:3900] or "…", text)


def _chat(conversation: Conversation) -> str:
    return f"{conversation.account}|{conversation.chat}"


def _parse(handle: str) -> tuple[str, str, str]:
    kind, ts, started = handle.split("|")
    return kind, ts, started


def _later(wait: float) -> None:
    if wait > 0:
        raise RetryLater("our own pace", wait)
