"""Every payload, by socket or by HTTP, comes through here: read, accepted, and only then acknowledged.

What is Teller's own is stored by ourselves. Bolt in between brings only risk there: it acknowledges
events before their listener runs, drops own messages without a count, and answers 500 to shapes that it
doesn't expect. It does find the workspace that a payload is meant for, by rules that only Slack knows;
and what isn't Teller's (modals, shortcuts, workflow steps) it dispatches to the listeners that others
may add to `bolt`, with that workspace's token. Without any, it is acknowledged and counted.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

import msgspec
import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.base import Host
from adapters.slack.fields import Fields, Malformed
from adapters.slack.payloads import read
from adapters.slack.people import People
from adapters.slack.queues import Queues
from adapters.slack.reading import NAME, Reading, Seat
from adapters.slack.threads import Threads
from adapters.slack.workspace import Workspace
from bot.errors import QueueFull, StoreBusy
from bot.types import InboundEvent

__all__ = ["Intake", "Verdict"]

log = structlog.get_logger(__name__)

Verdict = Literal["taken", "malformed", "later"]
"""Acknowledge it; refuse it for good; don't acknowledge, so that it comes again."""

RESPONSE_URL_S = 1800.0
RESPONSE_URL_USES = 5

# It would print whole requests nobody listens to; those are counted here.
_BOLT_LOG = logging.getLogger("adapters.slack.bolt")
_BOLT_LOG.setLevel(logging.ERROR)


class Intake:
    """The way in of one Slack app."""

    def __init__(
        self,
        host: Host,
        workspaces: dict[str, Workspace],
        client: AsyncWebClient,
        people: People,
        threads: Threads,
    ) -> None:
        self._host = host
        self._workspaces = workspaces
        self._people = people
        self._threads = threads
        self._queues = Queues()
        self.bolt = AsyncApp(
            name="teller",
            logger=_BOLT_LOG,
            client=client,
            authorize=_authorize,
            request_verification_enabled=False,
            ignoring_self_events_enabled=False,
            ssl_check_enabled=False,
            url_verification_enabled=False,
            attaching_function_token_enabled=False,
            attaching_conversation_kwargs_enabled=False,
        )

    async def take(self, payload: dict[str, Any], raw: bytes) -> Verdict:
        """Store what a payload means. Never raises for the payload's sake."""
        try:
            request = AsyncBoltRequest(mode="socket_mode", body=payload)
            team = request.context.team_id
            workspace = self._workspace(team if isinstance(team, str) else "")
            if workspace is None:
                self._host.refused(NAME, "unknown_workspace")
                return "taken"
            reading = read(payload, self._seat(workspace, payload))
        except (Malformed, AttributeError, TypeError, KeyError, IndexError, ValueError, RecursionError):
            # Bolt looks for ids in shapes that only Slack itself promises.
            self._host.refused(NAME, "malformed")
            return "malformed"
        if reading.others:
            return await self._for_others(request, workspace)
        try:
            await self._store(workspace, reading, raw)
        except (StoreBusy, QueueFull) as error:
            log.info("slack.not_accepted", reason=type(error).__name__)
            return "later"
        return "taken"

    async def _for_others(self, request: AsyncBoltRequest, workspace: Workspace) -> Verdict:
        request.context["workspace"] = workspace
        response = await self.bolt.async_dispatch(request)
        if response.status == 404:
            self._host.refused(NAME, "unknown_type")
        elif response.status >= 400:
            self._host.refused(NAME, "malformed")
            return "malformed"
        return "taken"

    def _workspace(self, team: str) -> Workspace | None:
        """By team; where there is only one it gets all, whatever team a shared channel names."""
        if len(self._workspaces) == 1:
            return next(iter(self._workspaces.values()))
        return next((w for w in self._workspaces.values() if w.identity.team_id == team), None)

    def _seat(self, workspace: Workspace, payload: dict[str, Any]) -> Seat:
        bot_user = workspace.identity.user_id
        if not bot_user:
            # The token wasn't confirmed yet: the event itself says for whom it comes.
            bots = [a for a in Fields(payload).subs("authorizations") if "is_bot" in a]
            bot_user = bots[0].id("user_id") if bots else ""
        now = self._host.now()
        return Seat(workspace.name, bot_user, workspace.identity.bot_id, now, self._host.new_id())

    async def _store(self, workspace: Workspace, reading: Reading, raw: bytes) -> None:
        if reading.ignored:
            self._host.refused(NAME, reading.ignored)
        for event in reading.events:
            async with self._queues.turn(event.conversation.key):
                if reading.only_if_taking_part and not await self._is_for_us(event):
                    self._host.refused(NAME, "not_addressed")
                    return
                # Before it is accepted: the turn it starts may want them at once.
                await self._note(workspace, reading, event)
                named = msgspec.structs.replace(event, sender=self._people.known(workspace, event.sender))
                await self._host.accept(named, raw)
            self._people.ask(workspace, event.sender.id)

    async def _is_for_us(self, event: InboundEvent) -> bool:
        """In a thread that was answered, everything; before that, what its asker adds."""
        thread = event.conversation
        if await self._threads.takes_part(thread):
            return True
        return (await self._threads.asker(thread))[0] == event.sender.id

    async def _note(self, workspace: Workspace, reading: Reading, event: InboundEvent) -> None:
        if reading.response_url:
            await workspace.notes.put(
                f"response:{event.event_id}",
                f"{RESPONSE_URL_USES}|{reading.response_url}",
                ttl_s=RESPONSE_URL_S,
            )
        if event.conversation.kind == "group":
            await self._threads.asked(event.conversation, event.sender.id, reading.team)


async def _authorize(context: dict[str, Any]) -> AuthorizeResult:
    workspace: Workspace = context["workspace"]
    identity = workspace.identity
    return AuthorizeResult(
        enterprise_id=None,
        team_id=identity.team_id,
        bot_user_id=identity.user_id,
        bot_id=identity.bot_id,
        bot_token=workspace.token,
    )
