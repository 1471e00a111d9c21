"""One workspace: its token, who our bot is in it, and whether the token still works."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.base import Notes
from adapters.slack.api import TokenRefused, answer, web_client
from adapters.slack.settings import SlackSettings, SlackWorkspace
from bot.errors import SendError

__all__ = ["Identity", "Workspace"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who our bot is in a workspace."""

    team_id: str = ""
    user_id: str = ""
    bot_id: str = ""


class Workspace:
    """Calls in one workspace."""

    def __init__(
        self, workspace: SlackWorkspace, settings: SlackSettings, session: aiohttp.ClientSession, notes: Notes
    ) -> None:
        self.name = workspace.name
        self.token = workspace.bot_token
        self.notes = notes
        self.client: AsyncWebClient = web_client(workspace.bot_token, settings.base_url, session)
        self.identity = Identity(workspace.team_id)
        self.problem = "the token hasn't been looked at yet"
        """What an operator must mend; empty when all is well."""

    async def ask(self, call: Awaitable[AsyncSlackResponse]) -> dict[str, Any]:
        """`answer`, remembering what it says about the token."""
        try:
            return await answer(call)
        except TokenRefused as error:
            self.problem = str(error)
            raise

    async def identify(self) -> bool:
        """Look at the token; False if it doesn't work now."""
        try:
            found = await self.ask(self.client.auth_test())
        except SendError as error:
            self.problem = str(error)
            log.warning("slack.token_not_confirmed", workspace=self.name, reason=self.problem)
            return False
        team = str(found.get("team_id", ""))
        if self.identity.team_id and team != self.identity.team_id:
            self.problem = f"the token belongs to {team}, not to {self.identity.team_id}: look at team_id"
            return False
        self.identity = Identity(team, str(found.get("user_id", "")), str(found.get("bot_id", "")))
        self.problem = ""
        return True
