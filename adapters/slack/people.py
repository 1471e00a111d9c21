"""People's language settings, looked up in the background and remembered for a day.

Never in the way of a message: the first one goes without, later ones carry what was found.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from adapters.slack.api import answer
from adapters.slack.workspace import Workspace
from bot.errors import SendError, StoreError
from bot.types import Sender

__all__ = ["People"]

KEPT_S = 24 * 3600.0
REMEMBERED = 20_000
WAITING = 500


class People:
    """`users.info` for those who write, one at a time.

    Args:
        every_s: least seconds between two look-ups; Slack allows about a hundred a minute.
    """

    def __init__(self, clock: Callable[[], float], *, every_s: float = 1.0) -> None:
        self._clock = clock
        self._every_s = every_s
        self._known: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()
        self._waiting: asyncio.Queue[tuple[Workspace, str]] = asyncio.Queue(WAITING)

    def known(self, workspace: Workspace, sender: Sender) -> Sender:
        """The sender with the locale, as far as it is known here."""
        _, locale = self._known.get((workspace.name, sender.id), (0.0, ""))
        return msgspec.structs.replace(sender, locale=locale) if locale else sender

    def ask(self, workspace: Workspace, user: str) -> None:
        """Have it looked up if it isn't known."""
        until, _ = self._known.get((workspace.name, user), (0.0, ""))
        if until > self._clock() or self._waiting.full():
            return
        self._remember(workspace, user, "")
        self._waiting.put_nowait((workspace, user))

    async def run(self) -> None:
        """Look up until cancelled."""
        while True:
            workspace, user = await self._waiting.get()
            try:
                kept = await workspace.notes.get(_note(user))
                self._remember(workspace, user, await self._found(workspace, user) if kept is None else kept)
            except (SendError, StoreError):
                # Asked again tomorrow: it is a courtesy, and a quota is worth more.
                kept = None
            if kept is None:
                await asyncio.sleep(self._every_s)

    async def _found(self, workspace: Workspace, user: str) -> str:
        # Not the workspace's own `ask`: a missing users:read is no reason to be unwell.
        found = await answer(workspace.client.users_info(user=user, include_locale=True))
        profile = found.get("user")
        locale = str(profile.get("locale") or "")[:35] if isinstance(profile, dict) else ""
        await workspace.notes.put(_note(user), locale, ttl_s=KEPT_S)
        return locale

    def _remember(self, workspace: Workspace, user: str, locale: str) -> None:
        self._known[workspace.name, user] = (self._clock() + KEPT_S, locale)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _note(user: str) -> str:
    return f"locale:{user}"
