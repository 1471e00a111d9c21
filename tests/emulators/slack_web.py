"""The Web API of the emulated Slack."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from aiohttp import web

from tests.emulators.slack_blocks import BlockError, check_blocks
from tests.emulators.slack_limits import Limits
from tests.emulators.slack_methods import METHODS, ArgumentError, arguments
from tests.emulators.slack_state import Call, Failure, Message, Team

__all__ = ["SlackError", "WebApi"]

STREAM_S = 300.0
STREAM_TEXT = 12_000


class SlackError(Exception):
    """`ok: false` with this code."""

    def __init__(self, code: str, **more: object) -> None:
        super().__init__(code)
        self.code = code
        self.more = more


class WebApi:
    """Teams, channels, messages and files, and the methods over them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.url = ""
        """Where the server is, without a path."""
        self.teams: dict[str, Team] = {}
        self.app_token = "xapp-1-emulator"
        self.socket_mode = True
        self.channels: defaultdict[str, list[Message]] = defaultdict(list)
        self.calls: list[Call] = []
        self.errors: Counter[str] = Counter()
        """Error codes that were answered: a test may insist that there were none."""
        self.failures: defaultdict[str, list[Failure]] = defaultdict(list)
        self.limits = Limits(clock)
        self.files: dict[str, dict[str, Any]] = {}
        self.bytes: dict[str, bytes] = {}
        self.tickets: set[str] = set()
        self.statuses: list[tuple[str, str, str]] = []
        self.date_skew = 0.0
        self.changed = asyncio.Condition()
        self.hanging = asyncio.Event()
        """Set when the server stops: hanging calls end then."""
        self._numbers = itertools.count(1)
        self._last_ts = 0.0

    # ── for the rest of the emulator ──

    def ts(self) -> str:
        """A new timestamp, later than all before."""
        self._last_ts = max(self.clock(), self._last_ts + 0.000_1)
        return f"{self._last_ts:.6f}"

    def number(self) -> int:
        return next(self._numbers)

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    # ── one request ──

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        try:
            body = await self._answer(name, request)
        except SlackError as error:
            self.errors[error.code] += 1
            await self.tell()
            if error.code == "ratelimited":
                after = str(error.more.get("retry_after", 1))
                return web.json_response(
                    {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": after}
                )
            body = {"ok": False, "error": error.code, **error.more}
        headers = {"Date": formatdate(self.clock() + self.date_skew, usegmt=True)}
        team = self._team(request)
        if team is not None:
            headers["x-oauth-scopes"] = team.scopes
        return web.json_response(body, headers=headers)

    async def _answer(self, name: str, request: web.Request) -> dict[str, Any]:
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method")
        given: dict[str, Any] = dict(request.query)
        if request.content_type == "application/json":
            given |= await request.json()
        else:
            given |= dict(await request.post())
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        team = self._team(request)
        if method.app_level:
            if token != self.app_token:
                raise SlackError("invalid_auth" if not token.startswith("xoxb") else "not_allowed_token_type")
        elif team is None:
            raise SlackError("invalid_auth" if token else "not_authed")
        elif team.revoked:
            raise SlackError("token_revoked")
        elif method.scopes and not set(method.scopes) & set(team.scopes.split(",")):
            raise SlackError("missing_scope", needed=method.scopes[0], provided=team.scopes)
        try:
            args = arguments(method, given)
        except ArgumentError as error:
            raise SlackError(str(error)) from None
        place = args.get("channel") or args.get("channel_id") or ""
        failure = self._failure(name, place)
        after = self.limits.refuse(team.id if team else "", name, place)
        if failure is None and after:
            raise SlackError("ratelimited", retry_after=after)
        return await self._carry_out(name, args, team or Team(), failure, request)

    async def _carry_out(
        self, name: str, args: dict[str, Any], team: Team, failure: Failure | None, request: web.Request
    ) -> dict[str, Any]:
        how = failure.how if failure else ""
        if failure is not None and how not in ("hang", "drop"):
            if how == "ratelimited":
                raise SlackError("ratelimited", retry_after=failure.retry_after)
            await self.tell()
            if how.startswith("http_"):
                raise _http(int(how[5:]))
            if how == "garbage":
                raise _http(200)
            if how == "refuse":
                await self._cut(request)
            raise SlackError(how)
        self.calls.append(Call(name, args, team.id, self.clock()))
        handler = getattr(self, "_" + name.replace(".", "_"))
        body: dict[str, Any] = {"ok": True, **handler(team, args)}
        await self.tell()
        if how == "hang":
            await self.hanging.wait()
        if how == "drop":
            await self._cut(request)
        return body

    async def _cut(self, request: web.Request) -> None:
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError

    def _team(self, request: web.Request) -> Team | None:
        return self.teams.get(request.headers.get("Authorization", "").removeprefix("Bearer "))

    def _failure(self, name: str, channel: str) -> Failure | None:
        for failure in self.failures[name]:
            if failure.times and failure.channel in ("", channel):
                failure.times -= 1
                return failure
        return None

    # ── methods ──

    def _auth_test(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:
        return {
            "url": self.url,
            "team": "Lanwan Bank",
            "user": "teller",
            "team_id": team.id,
            "user_id": team.bot_user,
            "bot_id": team.bot_id,
        }

    def _apps_connections_open(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:
        if not self.socket_mode:
            raise SlackError("link_disabled")
        ticket = f"ticket-{self.number()}"
        self.tickets.add(ticket)
        return {"url": f"{self.url.replace('http', 'ws', 1)}/link/?ticket={ticket}"}

    def _place(self, team: Team, channel: str) -> None:
        if channel in team.absent:
            raise SlackError("not_in_channel")
        if channel in team.archived:
            raise SlackError("is_archived")

    def _content(self, args: dict[str, Any], longest: int) -> tuple[str, list[dict[str, Any]]]:
        text, blocks = args.get("text", ""), args.get("blocks") or []
        try:
            check_blocks(blocks)
        except BlockError as error:
            raise SlackError(str(error)) from None
        if not text:
            raise SlackError("no_text")
        if len(text) > longest:
            raise SlackError("msg_too_long")
        return text, blocks

    def _metadata(self, args: dict[str, Any]) -> dict[str, Any] | None:
        metadata: dict[str, Any] | None = args.get("metadata")
        if metadata is not None and set(metadata) != {"event_type", "event_payload"}:
            raise SlackError("invalid_metadata_format")
        return metadata

    def _chat_postMessage(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._place(team, args["channel"])
        text, blocks = self._content(args, 40_000)
        message = Message(
            args["channel"],
            self.ts(),
            team.bot_user,
            text,
            blocks,
            args.get("thread_ts", ""),
            self._metadata(args),
        )
        self.channels[message.channel].append(message)
        return {"channel": message.channel, "ts": message.ts, "message": message.shown(metadata=True)}

    def _mine(self, team: Team, args: dict[str, Any]) -> Message:
        for message in self.channels[args["channel"]]:
            if message.ts == args["ts"]:
                if message.user != team.bot_user:
                    raise SlackError("cant_update_message")
                if message.streaming and self.clock() - message.started >= STREAM_S:
                    message.streaming = False
                return message
        raise SlackError("message_not_found")

    def _chat_update(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:
        message = self._mine(team, args)
        if message.streaming:
            raise SlackError("streaming_state_conflict")
        message.text, message.blocks = self._content(args, 4_000)
        message.metadata = self._metadata(args) or message.metadata
        message.stream = None
        message.edits += 1
        return {"channel": message.channel, "ts": message.ts, "text": message.text}

    def _chat_delete(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:
        message = self._mine(team, args)
        if message.streaming:
            raise SlackError("cant_delete_message")
        self.channels[message.channel].remove(message)
        return {"channel": message.channel, "ts": message.ts}

    def _chat_startStream(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._place(team, args["channel"])
        if not args["channel"].startswith("D"):
            for name in ("recipient_team_id", "recipient_user_id"):
                if not args.get(name):
                    raise SlackError(f"missing_{name}")
        if len(args.get("markdown_text", "")) > STREAM_TEXT:
            raise SlackError("msg_too_long")
        message = Message(args["channel"], self.ts(), team.bot_user, thread=args["thread_ts"])
        message.stream, message.streaming = args.get("markdown_text", ""), True
        message.started = self.clock()
        self.channels[message.channel].append(message)
        return {"channel": message.channel, "ts": message.ts}

    def _streaming(self, team: Team, args: dict[str, Any]) -> Message:
        message = self._mine(team, args)
        if not message.streaming:
            raise SlackError("message_not_in_streaming_state")
        added = args.get("markdown_text", "")
        if len(added) > STREAM_TEXT:
            raise SlackError("msg_too_long")
        message.stream = (message.stream or "") + added
        return message

    def _chat_appendStream(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if not args.get("markdown_text"):
            raise SlackError("no_text")
        message = self._streaming(team, args)
        return {"channel": message.channel, "ts": message.ts}

    def _chat_stopStream(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        try:
            check_blocks(args.get("blocks") or [])
        except BlockError as error:
            raise SlackError(str(error)) from None
        message = self._streaming(team, args)
        message.streaming, message.blocks = False, args.get("blocks") or []
        message.metadata = self._metadata(args)
        return {"channel": message.channel, "ts": message.ts, "message": message.shown(metadata=True)}

    def _conversations_history(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:
        found = [m for m in self.channels[args["channel"]] if not m.thread or m.thread == m.ts]
        return self._page(args, list(reversed(found)))

    def _conversations_replies(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:
        found = [m for m in self.channels[args["channel"]] if args["ts"] in (m.thread, m.ts)]
        if not found:
            raise SlackError("thread_not_found")
        return self._page(args, found)

    def _page(self, args: dict[str, Any], messages: list[Message]) -> dict[str, Any]:
        since, metadata = float(args.get("oldest", "0")), bool(args.get("include_all_metadata"))
        shown = [m.shown(metadata=metadata) for m in messages if float(m.ts) > since]
        return {"messages": shown[: args.get("limit", 100)], "has_more": len(shown) > args.get("limit", 100)}

    def _assistant_threads_setStatus(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.statuses.append((args["channel_id"], args["thread_ts"], args["status"]))
        return {}

    def _users_info(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:
        user: dict[str, Any] = {"id": args["user"], "team_id": team.id, "is_bot": False}
        if args.get("include_locale"):
            user["locale"] = team.locales.get(args["user"], "zh-CN")
        return {"user": user}

    # ── files ──

    def _files_getUploadURLExternal(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        file = f"F{self.number():06d}"
        self.files[file] = {"id": file, "name": args["filename"], "size": args["length"], "shared": False}
        self.files[file] |= {"alt_txt": args.get("alt_txt", "")}
        return {"upload_url": f"{self.url}/upload/v1/{file}", "file_id": file}

    def _files_completeUploadExternal(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        channel = args.get("channel_id", "")
        if channel:
            self._place(team, channel)
        shared = []
        for wanted in args["files"]:
            file = self.files.get(wanted.get("id", ""))
            if file is None or wanted["id"] not in self.bytes:
                raise SlackError("file_not_found")
            file |= {"title": wanted.get("title", ""), "shared": True}
            shared.append(file)
        if channel:
            ts, thread = self.ts(), args.get("thread_ts", "")
            self.channels[channel].append(Message(channel, ts, team.bot_user, thread=thread, files=shared))
        return {"files": [{"id": file["id"], "title": file["title"]} for file in shared]}

    def _files_info(self, team: Team, args: dict[str, Any]) -> dict[str, Any]:
        file = self.files.get(args["file"])
        if file is None:
            raise SlackError("file_not_found")
        return {"file": json.loads(json.dumps(file))}

    async def upload(self, request: web.Request) -> web.Response:
        file, data = request.match_info["file"], await request.read()
        if file not in self.files or len(data) != self.files[file]["size"]:
            return web.Response(status=400, text="invalid_length")
        self.bytes[file] = data
        return web.Response(text=f"OK - {len(data)}")

    async def download(self, request: web.Request) -> web.Response:
        """A private file; whoever may not read it gets the sign-in page, with status 200."""
        team = self._team(request)
        if team is None or "files:read" not in team.scopes.split(","):
            return web.Response(text="<html>Sign in to Slack</html>", content_type="text/html")
        file = request.match_info["file"]
        if file not in self.bytes:
            return web.Response(status=404)
        mime = self.files[file].get("mimetype", "application/octet-stream")
        return web.Response(body=self.bytes[file], content_type=mime)


def _http(status: int) -> web.HTTPException:
    made = web.HTTPOk if status == 200 else web.HTTPInternalServerError if status == 500 else None
    return (made or web.HTTPServiceUnavailable)(text="<html>a proxy's page</html>", content_type="text/html")
