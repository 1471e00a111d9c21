"""微信客服 for the qyapi emulator: customers in their WeChat, people at the desk, and what the API sees.

    async with Qyapi() as qyapi:
        kf = Kf(qyapi, qyapi.add_app(callback_url="http://…/webhooks/wecom/kf"))
        kf.add_account("wkbank", servicers={"lisi": 0})
        await kf.enter("wmcustomer")                 # opens the chat: a welcome code, a nudge
        await kf.say("wmcustomer", "信用卡丢了怎么办？")
        shown = await kf.until_shown(1)               # the first message that a customer saw

It keeps what the documents promise: pages from a cursor (short ones, empty ones), three days of
replay, five messages for each of the customer's within 48 hours, states and codes.

By hand: `python -m tests.emulators.qyapi_kf --events http://127.0.0.1:8080/webhooks/wecom/kf`

Sources: developer.work.weixin.qq.com/document/path/94670, 94677, 95122, 94669, 94661, 94645.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from tests.emulators.qyapi import App, Call, Qyapi
from tests.emulators.qyapi_checks import ApiError
from tests.emulators.qyapi_kf_checks import check_kf_message, fields
from tests.emulators.qyapi_kf_people import (
    ASSISTANT,
    ENDED,
    KFID,
    NEW,
    PERSON,
    QUEUE,
    WINDOW_S,
    Account,
    KfPeople,
    KfShown,
    Session,
)

__all__ = ["ASSISTANT", "ENDED", "KFID", "NEW", "PERSON", "QUEUE", "Account", "Kf", "KfShown", "Session"]

REPLAY_S: Final = 3 * 24 * 3600.0
WINDOW: Final = 5
UNTOKENED: Final = (6, 60.0)
"""Pulls without a token in so many seconds; the documents only say that they are strictly limited."""
MOVES: Final = {
    NEW: {ASSISTANT, QUEUE, PERSON, ENDED},
    ASSISTANT: {QUEUE, PERSON, ENDED},
    QUEUE: {PERSON, ENDED},
    PERSON: {QUEUE, PERSON, ENDED},
    ENDED: set(),
}


class Kf(KfPeople):
    """Registers itself with the emulator `qyapi`, for the secret of `app`."""

    def __init__(self, qyapi: Qyapi, app: App) -> None:
        super().__init__(qyapi, app)
        self.shown: list[KfShown] = []
        self.pulls: list[dict[str, Any]] = []
        """The parameters of every `sync_msg`."""
        self.page_sizes: deque[int] = deque()
        """Sizes of the next pages; 0 is an empty page with more behind it."""
        self.repeat_error = (40058, "invalid Request Parameter, msgid repeat")
        """How a msgid that was used before is refused; the documents don't name the code."""
        self._untokened: list[float] = []
        self._msgids: set[tuple[str, str]] = set()
        self._arrived = asyncio.Event()
        for method, path, handler in (
            ("POST", "kf/sync_msg", self._sync),
            ("POST", "kf/send_msg", self._send),
            ("POST", "kf/send_msg_on_event", self._send_on_event),
            ("POST", "kf/service_state/get", self._state_get),
            ("POST", "kf/service_state/trans", self._state_trans),
            ("POST", "kf/account/list", self._account_list),
            ("GET", "kf/servicer/list", self._servicer_list),
        ):
            qyapi.register(method, path, handler)

    async def until_shown(self, number: int, *, patience: float = 5.0) -> KfShown:
        """The `number`-th message that a customer saw (from 1), once it is there."""
        async with asyncio.timeout(patience):
            while len(self.shown) < number:
                self._arrived.clear()
                await self._arrived.wait()
        return self.shown[number - 1]

    # ── the API ──

    def _sync(self, call: Call) -> dict[str, Any]:
        body = call.body
        kinds = {"cursor": str, "token": str, "limit": int, "voice_format": int, "open_kfid": str}
        fields(body, kinds, required=("open_kfid",))
        self.pulls.append(dict(body))
        account = self._account(body["open_kfid"])
        if not 1 <= body.get("limit", 1000) <= 1000 or body.get("voice_format", 0) not in (0, 1):
            raise ApiError(40058, "limit or voice_format out of range")
        if len(body.get("cursor", "").encode()) > 64 or len(body.get("token", "").encode()) > 128:
            raise ApiError(40058, "cursor or token too long")
        self._check_token(body.get("token", ""))
        start = self._start(account, body.get("cursor", ""))
        size = self.page_sizes.popleft() if self.page_sizes else body.get("limit", 1000)
        page = account.items[start : start + size]
        following = start + len(page)
        more = following < len(account.items) or bool(self.page_sizes)
        return {
            "next_cursor": f"cursor_{following}_{len(self.pulls)}",
            "has_more": int(more),
            "msg_list": page,
        }

    def _check_token(self, token: str) -> None:
        now = self.qyapi.clock()
        if token:
            if self._tokens.get(token, 0.0) <= now:
                raise ApiError(95007, "invalid msg token")
            return
        most, seconds = UNTOKENED
        self._untokened = [t for t in self._untokened if t > now - seconds]
        if len(self._untokened) >= most:
            raise ApiError(45009, "api freq out of limit")
        self._untokened.append(now)

    def _start(self, account: Account, cursor: str) -> int:
        if not cursor:
            oldest = self.qyapi.clock() - REPLAY_S
            return next((n for n, i in enumerate(account.items) if i.get("send_time", oldest) >= oldest), 0)
        _, number, _ = cursor.split("_")
        return int(number)

    def _send(self, call: Call) -> dict[str, Any]:
        check_kf_message(call.body, on_event=False)
        body = call.body
        self._account(body["open_kfid"])
        session = self.sessions.get((body["open_kfid"], body["touser"]))
        if session is None:
            raise ApiError(40096, "invalid external userid")
        if session.state not in (NEW, ASSISTANT):
            raise ApiError(95018, "send msg session status invalid")
        if session.wrote_at + WINDOW_S < self.qyapi.clock():
            raise ApiError(95002, "send msg time limit")
        msgid = body.get("msgid") or f"sent_{next(self._numbers)}"
        if (body["open_kfid"], msgid) in self._msgids:
            raise ApiError(*self.repeat_error)
        if session.used >= WINDOW:
            raise ApiError(95001, "send msg count limit")
        kind = body["msgtype"]
        if "media_id" in body[kind]:
            self.qyapi._check_media(body[kind]["media_id"])
        session.used += 1
        session.state = ASSISTANT
        return self._show(body["touser"], body["open_kfid"], body, msgid, code=False)

    def _send_on_event(self, call: Call) -> dict[str, Any]:
        check_kf_message(call.body, on_event=True)
        body = call.body
        code = self._codes.get(body["code"])
        if code is None or code.until <= self.qyapi.clock():
            raise ApiError(40029, "invalid code")
        if code.state is not None and self.session(code.user, code.open_kfid).state != code.state:
            raise ApiError(95018, "send msg session status invalid")
        if body["msgtype"] == "msgmenu" and not code.menus:
            raise ApiError(40008, "invalid message type")
        del self._codes[body["code"]]
        msgid = body.get("msgid") or f"sent_{next(self._numbers)}"
        return self._show(code.user, code.open_kfid, body, msgid, code=True)

    def _show(
        self, user: str, open_kfid: str, body: Mapping[str, Any], msgid: str, *, code: bool
    ) -> dict[str, Any]:
        kind = body["msgtype"]
        self._msgids.add((open_kfid, msgid))
        self.shown.append(KfShown(user, open_kfid, kind, body[kind], msgid, code))
        self._arrived.set()
        return {"msgid": msgid}

    def _state_get(self, call: Call) -> dict[str, Any]:
        session = self._asked(call.body, {})
        return {"service_state": session.state, "servicer_userid": session.servicer}

    def _state_trans(self, call: Call) -> dict[str, Any]:
        session = self._asked(call.body, {"service_state": int, "servicer_userid": str})
        body, target = call.body, call.body.get("service_state", -1)
        if session.state == ENDED:
            raise ApiError(95013, "conversation end")
        if target not in MOVES[session.state]:
            raise ApiError(95016, "not allow to trans to this state")
        servicer = body.get("servicer_userid", "")
        if target == PERSON and self.accounts[body["open_kfid"]].servicers.get(servicer) != 0:
            raise ApiError(95014, "not a servicer, or not receiving")
        session.state, session.servicer = target, servicer if target == PERSON else ""
        if target == ASSISTANT or target in session.coded:
            return {}
        session.coded.add(target)
        seconds = 20.0 if target == ENDED else WINDOW_S
        menus = target == ENDED
        code = self._new_code(body["open_kfid"], body["external_userid"], target, seconds, menus=menus)
        return {"msg_code": code}

    def _account_list(self, call: Call) -> dict[str, Any]:
        fields(call.body, {"offset": int, "limit": int})
        offset, limit = call.body.get("offset", 0), call.body.get("limit", 100)
        if not 1 <= limit <= 100:
            raise ApiError(40058, "limit out of range")
        listed = [
            {"open_kfid": kfid, "name": a.name, "avatar": "", "manage_privilege": a.managed}
            for kfid, a in self.accounts.items()
        ]
        return {"account_list": listed[offset : offset + limit]}

    def _servicer_list(self, call: Call) -> dict[str, Any]:
        account = self._account(call.params.get("open_kfid", ""))
        people = [{"userid": name, "status": status} for name, status in account.servicers.items()]
        return {"servicer_list": people}

    def _asked(self, body: Mapping[str, Any], more: Mapping[str, type]) -> Session:
        fields(body, {"open_kfid": str, "external_userid": str, **more}, required=("open_kfid",))
        self._account(body["open_kfid"])
        session = self.sessions.get((body["open_kfid"], body.get("external_userid", "")))
        if session is None:
            raise ApiError(40096, "invalid external userid")
        return session

    def _account(self, open_kfid: str) -> Account:
        if open_kfid not in self.accounts:
            raise ApiError(95004, "open_kfid not exist")
        return self.accounts[open_kfid]


if __name__ == "__main__":
    from tests.emulators.qyapi_kf_console import main

    main()
