"""Telegram's flood limits, kept on our side (core.telegram.org/bots/faq#my-bot-is-hitting-limits).

One chat: about 1 message a second, of which we let 3 go at once and then hold to 3 in 3 s. A group: 20
in a minute. All chats together: about 30 a second. Edits count like messages. Each process keeps its own
count; where several send, Telegram's 429 for a chat puts that chat's message back and no other's.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from adapters.common.pace import Pace, Window
from bot.errors import RetryLater

__all__ = ["Limits", "Sleep"]

Sleep = Callable[[float], Awaitable[None]]

CHAT = Window(3, 3.0)
GROUP = Window(20, 61.0)
# A little under 30, and spread over the second, so that a late packet doesn't push two bursts together.
ALL = (Window(27, 1.0), Window(3, 0.1))
# Previews take no more than half a group's minute, so that the final message finds a place.
GROUP_PREVIEWS = (Window(1, 3.0), Window(10, 61.0))
PRIVATE_PREVIEWS = Window(1, 2.0)
PATIENCE_S = 5.0
"""Longest wait between two parts of one message; a longer one puts the message back."""
HELD = 10_000


class Limits:
    """Places for calls, per chat and overall.

    Args:
        clock: seconds since the epoch.
        sleep: how to wait.
    """

    def __init__(self, clock: Callable[[], float] = time.time, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._all = Pace(*ALL, clock=clock)
        self._private = Pace(CHAT, clock=clock)
        self._group = Pace(CHAT, GROUP, clock=clock)
        self._private_previews = Pace(PRIVATE_PREVIEWS, clock=clock)
        self._group_previews = Pace(*GROUP_PREVIEWS, clock=clock)
        self._held: OrderedDict[int, float] = OrderedDict()

    async def place(self, chat: int, *, patient: bool) -> None:
        """Take a place for a message or an edit.

        Args:
            patient: wait for one, if it isn't far (between the parts of a message).

        Raises:
            RetryLater: there is none now.
        """
        await self.anywhere()
        while (wait := self._chat(chat)) > 0:
            if not patient or wait > PATIENCE_S:
                raise RetryLater(f"the pace in this chat leaves no place for {wait:.1f} s", wait)
            await self._sleep(wait)

    async def preview(self, chat: int) -> None:
        """Take a place for a preview that is a message or an edit. Raises RetryLater."""
        previews = self._group_previews if chat < 0 else self._private_previews
        wait = self._holding(chat) or previews.take(str(chat))
        if wait > 0:
            raise RetryLater("no place for a preview", wait)
        await self.place(chat, patient=False)

    async def anywhere(self) -> None:
        """Wait for a place among all calls."""
        while (wait := self._all.take("")) > 0:
            await self._sleep(wait)

    def busy(self) -> bool:
        """Whether there is no place among all calls now; takes one if there is."""
        return self._all.take("") > 0

    def hold(self, chat: int, seconds: float) -> None:
        """Telegram said to leave this chat alone for so long."""
        self._held[chat] = self._clock() + seconds
        self._held.move_to_end(chat)
        while len(self._held) > HELD:
            self._held.popitem(last=False)

    def _chat(self, chat: int) -> float:
        pace = self._group if chat < 0 else self._private
        return self._holding(chat) or pace.take(str(chat))

    def _holding(self, chat: int) -> float:
        return max(0.0, self._held.get(chat, 0.0) - self._clock())
