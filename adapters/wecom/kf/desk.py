"""Who has a conversation: nobody yet, the bot, the queue, a person, or it is over.

WeCom tells of what people do at the desk, but not of what the API does, nor that 48 hours ended a
conversation: so what was done or found out here is told to the core, too, and checked again when the
customer next writes.

Source: 分配客服会话 (developer.work.weixin.qq.com/document/path/94669).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from adapters.base import Notes
from adapters.wecom.api import WeComApi, WeComError, WeComRefused
from adapters.wecom.kf.chat import Chat
from adapters.wecom.kf.people import people_of
from bot.errors import SendError, SendRefused

__all__ = ["BOTS", "DESKS", "ENDED", "PERSON", "QUEUE", "Desk", "refusal"]

log = structlog.get_logger(__name__)

NEW: Final = 0
ASSISTANT: Final = 1
QUEUE: Final = 2
PERSON: Final = 3
ENDED: Final = 4
BOTS: Final = frozenset({NEW, ASSISTANT})
"""The states in which a bot may write."""
DESKS: Final = frozenset({QUEUE, PERSON})

KNOWN_S: Final = 10.0
"""How long a state is believed in which the bot may write; the others are always asked for."""
MOST: Final = 10_000
KEPT_S: Final = 7 * 24 * 3600.0
_NOT_NOW: Final = frozenset({95013, 95016})
"""The conversation has ended; it can't go from its state to that one."""


def refusal(state: int) -> SendRefused:
    """Why nothing can be sent in a state."""
    reasons = {
        QUEUE: "the conversation waits in the queue (接待池) for a person at the desk",
        PERSON: "a person at the desk has this conversation; the bot is silent until they end it",
        ENDED: "the conversation has ended; nothing can be sent until the customer writes again",
    }
    return SendRefused(reasons.get(state, f"the conversation is in state {state}, unknown to us"))


class Desk:
    """Args:
    servicers, departments: the people to hand over to; see `WeComKf`.
    clock: seconds since the epoch.
    """

    def __init__(
        self,
        api: WeComApi,
        notes: Notes,
        servicers: Sequence[str],
        departments: Mapping[str, Sequence[str]],
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._notes = notes
        self._servicers = servicers
        self._departments = departments
        self._clock = clock
        self._known: OrderedDict[Chat, tuple[int, float]] = OrderedDict()

    # ── what is believed ──

    async def has(self, chat: Chat) -> bool:
        """Whether the core was told that the desk has it."""
        return await self._notes.get(f"desk:{chat}") is not None

    async def note(self, chat: Chat, *, taken: bool) -> None:
        self.forget(chat)
        if taken:
            await self._notes.put(f"desk:{chat}", "1", ttl_s=KEPT_S)
        elif await self.has(chat):
            await self._notes.drop(f"desk:{chat}")

    def forget(self, chat: Chat) -> None:
        """Ask again next time."""
        self._known.pop(chat, None)

    # ── what is so ──

    async def state(self, chat: Chat, *, fresh: bool = False) -> int:
        """Raises SendError."""
        known = self._known.get(chat)
        if known and known[1] > self._clock() and not fresh:
            return known[0]
        answer = await self._api.call("POST", "kf/service_state/get", json=_body(chat), repeatable=True)
        state = answer.get("service_state")
        if not isinstance(state, int):
            raise SendError("WeCom's service_state/get gave no state")
        self.forget(chat)
        if state in BOTS:
            self._known[chat] = (state, self._clock() + KNOWN_S)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return state

    # ── handing over ──

    async def hand_over(self, chat: Chat, department: str) -> tuple[int, str]:
        """Move it to a person who is receiving, else to the queue.

        Returns: the state it is in then, and a code for one message there (empty: none).
        Raises: SendRefused when it has ended; SendError.
        """
        self.forget(chat)
        for servicer in await self._receiving(chat, department):
            try:
                return PERSON, await self._move(chat, PERSON, servicer)
            except (WeComError, WeComRefused) as error:
                log.warning("wecom.kf.servicer_refused", errcode=error.errcode)
                if error.errcode in _NOT_NOW:
                    break
        try:
            return QUEUE, await self._move(chat, QUEUE)
        except (WeComError, WeComRefused) as error:
            state = await self.state(chat, fresh=True)
            if state in DESKS:
                return state, ""
            if error.errcode in _NOT_NOW:
                raise refusal(ENDED) from None
            raise

    async def _receiving(self, chat: Chat, department: str) -> list[str]:
        """Those to ask, one after another: each conversation begins at another of them."""
        named = self._departments.get(department) or self._servicers
        if not named:
            return []
        try:
            at_work = await people_of(self._api, chat.open_kfid)
        except (WeComError, WeComRefused) as error:
            log.warning("wecom.kf.servicers_unknown", errcode=error.errcode)
            at_work = dict.fromkeys(named, True)
        free = [name for name in named if at_work.get(name)]
        start = int(hashlib.sha256(str(chat).encode()).hexdigest()[:8], 16) % max(1, len(free))
        return free[start:] + free[:start]

    async def _move(self, chat: Chat, state: int, servicer: str = "") -> str:
        body = {**_body(chat), "service_state": state}
        if servicer:
            body["servicer_userid"] = servicer
        # Made twice, the second is refused: the state is looked at then.
        answer = await self._api.call("POST", "kf/service_state/trans", json=body, repeatable=True)
        code = answer.get("msg_code", "")
        return code if isinstance(code, str) else ""


def _body(chat: Chat) -> dict[str, Any]:
    return {"open_kfid": chat.open_kfid, "external_userid": chat.user}
