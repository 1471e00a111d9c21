"""What customers and the people at the desk do in 微信客服, for the emulator, and what is to pull then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from tests.emulators.qyapi import App, Qyapi

__all__ = [
    "ASSISTANT",
    "ENDED",
    "KFID",
    "NEW",
    "PERSON",
    "QUEUE",
    "WINDOW_S",
    "Account",
    "Code",
    "KfPeople",
    "KfShown",
    "Session",
]

KFID: Final = "wkbankAAAA"
WINDOW_S: Final = 48 * 3600.0
TOKEN_S: Final = 600.0
CUSTOMER, SYSTEM, SERVICER = 3, 4, 5
NEW, ASSISTANT, QUEUE, PERSON, ENDED = range(5)


@dataclass
class KfShown:
    """A message that a customer sees."""

    user: str
    open_kfid: str
    kind: str
    body: Mapping[str, Any]
    msgid: str
    code: bool = False
    """Sent with a code, not in the window."""

    @property
    def text(self) -> str:
        return str(self.body.get("content", self.body.get("head_content", "")))

    @property
    def items(self) -> dict[str, str]:
        """A menu's items: id by face."""
        clicks = [item["click"] for item in self.body.get("list", ()) if item["type"] == "click"]
        return {click["content"]: click["id"] for click in clicks}


@dataclass
class Session:
    """One customer with one account."""

    state: int = ENDED
    servicer: str = ""
    wrote_at: float = 0.0
    """When the customer last wrote; 0: never."""
    used: int = 0
    """Messages sent since."""
    welcomed_at: float = 0.0
    coded: set[int] = field(default_factory=set)
    """The states it has given codes for."""


@dataclass
class Account:
    name: str = "云岫银行客服"
    servicers: dict[str, int] = field(default_factory=dict)
    """By member id: 0 receiving, 1 not."""
    managed: bool = True
    items: list[dict[str, Any]] = field(default_factory=list)
    """What `sync_msg` gives, oldest first."""


@dataclass
class Code:
    open_kfid: str
    user: str
    state: int | None
    """The only state it is good in; None: a welcome."""
    until: float
    menus: bool


class KfPeople:
    """The half of the emulator that isn't the API."""

    def __init__(self, qyapi: Qyapi, app: App) -> None:
        self.qyapi = qyapi
        self.app = app
        self.accounts: dict[str, Account] = {}
        self.sessions: dict[tuple[str, str], Session] = {}
        self.nudging = True
        """Off: WeCom's callbacks don't arrive."""
        self._codes: dict[str, Code] = {}
        self._tokens: dict[str, float] = {}
        self._numbers = count(1)

    def add_account(self, open_kfid: str = KFID, **settings: Any) -> Account:
        account = self.accounts[open_kfid] = Account(**settings)
        return account

    def session(self, user: str, open_kfid: str = KFID) -> Session:
        return self.sessions.setdefault((open_kfid, user), Session())

    # ── what customers do ──

    async def enter(self, user: str, open_kfid: str = KFID, *, scene: str = "") -> str:
        """Open the chat; the welcome code, if WeCom gives one."""
        session, now, code = self.session(user, open_kfid), self.qyapi.clock(), ""
        if max(session.welcomed_at, session.wrote_at) + WINDOW_S < now:
            session.welcomed_at = now
            code = self._new_code(open_kfid, user, None, 20.0, menus=True)
        event = {"event_type": "enter_session", "scene": scene, "scene_param": ""}
        await self.happen(user, event | ({"welcome_code": code} if code else {}), open_kfid)
        return code

    async def say(self, user: str, text: str, open_kfid: str = KFID, *, menu_id: str = "") -> str:
        """Write; the msgid."""
        body = {"content": text} | ({"menu_id": menu_id} if menu_id else {})
        return await self.send(user, "text", body, open_kfid)

    async def press(self, shown: KfShown, face: str) -> str:
        """Press a menu's item: WeChat writes its face as a text with the item's id."""
        return await self.say(shown.user, face, shown.open_kfid, menu_id=shown.items[face])

    async def send(self, user: str, kind: str, body: Mapping[str, Any], open_kfid: str = KFID) -> str:
        """Send a message of any kind; the msgid."""
        session = self.session(user, open_kfid)
        session.wrote_at, session.used = self.qyapi.clock(), 0
        if session.state == ENDED:
            session.state, session.servicer, session.coded = NEW, "", set()
        return await self.put(open_kfid, self.message(user, kind, body, open_kfid))

    async def refuse(self, shown: KfShown, fail_type: int = 10) -> None:
        """A message that was taken doesn't arrive after all."""
        event = {"event_type": "msg_send_fail", "fail_msgid": shown.msgid, "fail_type": fail_type}
        await self.happen(shown.user, event, shown.open_kfid)

    # ── what the people at the desk do ──

    async def take(self, user: str, servicer: str, open_kfid: str = KFID) -> None:
        """Take it from the queue."""
        session = self.session(user, open_kfid)
        session.state, session.servicer = PERSON, servicer
        code = self._new_code(open_kfid, user, PERSON, WINDOW_S)
        await self._change(user, open_kfid, 1, new_servicer_userid=servicer, msg_code=code)

    async def end(self, user: str, open_kfid: str = KFID) -> None:
        session = self.session(user, open_kfid)
        old, session.state, session.servicer = session.servicer, ENDED, ""
        code = self._new_code(open_kfid, user, ENDED, 20.0, menus=True)
        await self._change(user, open_kfid, 3, old_servicer_userid=old, msg_code=code)

    async def pass_on(self, user: str, servicer: str, open_kfid: str = KFID, *, change: int = 2) -> None:
        """To a colleague (2), or take up again what had ended (4)."""
        session = self.session(user, open_kfid)
        old, session.state, session.servicer = session.servicer, PERSON, servicer
        await self._change(user, open_kfid, change, old_servicer_userid=old, new_servicer_userid=servicer)

    async def staff_say(self, user: str, text: str, open_kfid: str = KFID) -> str:
        """A person answers from their WeCom."""
        session = self.session(user, open_kfid)
        item = self.message(user, "text", {"content": text}, open_kfid)
        return await self.put(open_kfid, item | {"origin": SERVICER, "servicer_userid": session.servicer})

    def expire(self, user: str, open_kfid: str = KFID) -> None:
        """48 hours are over: the conversation ends, and nobody is told."""
        self.session(user, open_kfid).state = ENDED

    # ── what there is to pull ──

    def message(self, user: str, kind: str, body: Mapping[str, Any], open_kfid: str = KFID) -> dict[str, Any]:
        """A customer's message as `sync_msg` gives it."""
        return {
            "msgid": f"kfmsg_{next(self._numbers)}",
            "open_kfid": open_kfid,
            "external_userid": user,
            "send_time": int(self.qyapi.clock()),
            "origin": CUSTOMER,
            "msgtype": kind,
            kind: dict(body),
        }

    async def happen(self, user: str, event: Mapping[str, Any], open_kfid: str = KFID) -> str:
        """An event: its ids are inside, as WeCom has it."""
        inside = {"open_kfid": open_kfid, **({"external_userid": user} if user else {}), **event}
        item = {
            "msgid": f"kfevent_{next(self._numbers)}",
            "send_time": int(self.qyapi.clock()),
            "origin": SYSTEM,
            "msgtype": "event",
            "event": inside,
        }
        return await self.put(open_kfid, item)

    async def put(self, open_kfid: str, item: dict[str, Any]) -> str:
        """Any item, and the nudge for it; its msgid."""
        self.accounts[open_kfid].items.append(item)
        if self.nudging:
            await self.nudge(open_kfid)
        return str(item.get("msgid", ""))

    async def nudge(self, open_kfid: str = KFID, *, token: str | None = None) -> list[int]:
        """The callback that says there is something; the statuses it met."""
        if token is None:
            token = f"ENC{next(self._numbers)}"
            self._tokens[token] = self.qyapi.clock() + TOKEN_S
        return await self.qyapi.call_back(
            self.app,
            {
                "ToUserName": self.qyapi.corp_id,
                "CreateTime": int(self.qyapi.clock()),
                "MsgType": "event",
                "Event": "kf_msg_or_event",
                "Token": token,
                "OpenKfId": open_kfid,
            },
        )

    def _new_code(
        self, open_kfid: str, user: str, state: int | None, seconds: float, *, menus: bool = False
    ) -> str:
        code = f"CODE{next(self._numbers)}"
        self._codes[code] = Code(open_kfid, user, state, self.qyapi.clock() + seconds, menus)
        return code

    async def _change(self, user: str, open_kfid: str, change: int, **more: str) -> None:
        event = {"event_type": "session_status_change", "change_type": change, **more}
        await self.happen(user, event, open_kfid)
