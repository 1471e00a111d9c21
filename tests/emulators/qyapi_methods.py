"""The methods of the emulated WeCom: messages of apps, cards, media, groups' webhooks."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final

from aiohttp import web

from tests.emulators.qyapi_checks import ApiError, Cuts, check_group_message, check_message, check_update
from tests.emulators.qyapi_state import Answer, Call, Group, Shown, Upload

__all__ = ["Methods"]

PER_MEMBER: Final = ((30, 60.0), (1000, 3600.0))
PER_GROUP: Final = (20, 60.0)
MEDIA_S: Final = 3 * 24 * 3600
CARD_S: Final = 72 * 3600


class Methods:
    """What the calls do, and what they leave behind for a test to see."""

    clock: Callable[[], float]

    def __init__(self) -> None:
        self.messages: list[Shown] = []
        """What members see, oldest first."""
        self.dropped: list[Shown] = []
        """What was over a member's limit: WeCom tells nobody."""
        self.swallowed = 0
        """What the check for repeated messages kept back."""
        self.cuts = Cuts()
        self.unreachable: set[str] = set()
        """Members, in lower case, whom an app doesn't reach."""
        self.quietly_unreachable: set[str] = set()
        """Members who are reported as invalid with success all the same."""
        self.media: dict[str, Upload] = {}
        self.groups: dict[str, Group] = {}
        self._times: dict[tuple[int, str], list[float]] = defaultdict(list)
        self._repeats: dict[str, float] = {}
        self._task_ids: set[str] = set()
        self._codes: dict[str, tuple[Shown, float]] = {}
        self._numbers = count(1)

    def add_group(self, key: str) -> Group:
        return self.groups.setdefault(key, Group())

    def keep_media(self, name: str, data: bytes, mime: str = "application/octet-stream") -> str:
        """A file that a member sends; its media id."""
        media_id = f"media-{next(self._numbers)}"
        self.media[media_id] = Upload(name, mime, data, "file", self.clock())
        return media_id

    # ── messages ──

    def _send(self, call: Call) -> Answer:
        check_message(call.body, self.cuts)
        if call.body["agentid"] != call.app.agent_id:
            raise ApiError(301002, "not allow operate another agent with this accesstoken")
        user, kind = call.body["touser"], call.body["msgtype"]
        if user.lower() in self.unreachable:
            raise ApiError(81013, "user & party & tag all invalid")
        if kind in ("image", "file"):
            self._check_media(call.body[kind]["media_id"])
        answer: dict[str, Any] = {
            "invaliduser": user.lower() if user.lower() in self.quietly_unreachable else ""
        }
        answer["msgid"] = f"msg-{next(self._numbers)}"
        shown = Shown(user, kind, call.body[kind], answer["msgid"], call.app.agent_id, self.clock())
        if self._swallow(call.body):
            return answer
        if kind == "template_card":
            self._note_task(shown)
            answer["response_code"] = self._new_code(shown)
        if not answer["invaliduser"]:
            self._show(shown)
        return answer

    def _show(self, shown: Shown) -> None:
        key = (shown.agent_id, shown.to.lower())
        times = self._times[key] = [t for t in self._times[key] if t > self.clock() - 3600.0]
        over = any(sum(t > self.clock() - s for t in times) >= n for n, s in PER_MEMBER)
        (self.dropped if over else self.messages).append(shown)
        if not over:
            times.append(self.clock())

    def _swallow(self, body: Mapping[str, Any]) -> bool:
        """重复消息检查: the same JSON within the interval isn't shown again."""
        if not body.get("enable_duplicate_check"):
            return False
        same, now = json.dumps(body, sort_keys=True), self.clock()
        until = self._repeats.get(same, 0.0)
        self._repeats[same] = now + body.get("duplicate_check_interval", 1800)
        self.swallowed += until > now
        return until > now

    def _note_task(self, shown: Shown) -> None:
        task_id = shown.body.get("task_id", "")
        if task_id and task_id in self._task_ids:
            raise ApiError(42014, "task_id used before")
        self._task_ids.add(task_id)

    def _new_code(self, shown: Shown) -> str:
        code = f"code-{next(self._numbers)}"
        self._codes[code] = (shown, self.clock() + CARD_S)
        return code

    def _update(self, call: Call) -> Answer:
        check_update(call.body)
        shown, until = self._codes.pop(call.body["response_code"], (None, 0.0))
        if shown is None:
            raise ApiError(42022, "response_code was used before")
        if until <= self.clock() or shown.to not in call.body.get("userids", ()):
            raise ApiError(40058, "response_code expired, or not for this user")
        shown.replaced = call.body["button"]["replace_name"]
        return {"invaliduser": []}

    # ── media, agent ──

    def _upload(self, call: Call) -> Answer:
        upload = call.upload
        if upload is None or upload.kind not in ("image", "voice", "video", "file"):
            raise ApiError(40004, "invalid media type")
        limit = (10 if upload.kind == "image" else 20) << 20
        if not 5 < len(upload.data) <= limit:
            raise ApiError(40006, "invalid media size")
        if upload.kind == "image" and not upload.data.startswith((b"\xff\xd8\xff", b"\x89PNG")):
            raise ApiError(40005, "invalid file type")
        media_id = f"media-{next(self._numbers)}"
        self.media[media_id] = upload
        return {"type": upload.kind, "media_id": media_id, "created_at": str(int(self.clock()))}

    def _check_media(self, media_id: str) -> Upload:
        upload = self.media.get(media_id)
        if upload is None or upload.at + MEDIA_S <= self.clock():
            raise ApiError(40007, "invalid media_id")
        return upload

    def _media_get(self, call: Call) -> Answer:
        upload = self._check_media(call.params.get("media_id", ""))
        headers = {"Content-Disposition": f'attachment; filename="{upload.name}"'}  # UTF-8, unescaped
        return web.Response(body=upload.data, content_type=upload.mime, headers=headers)

    def _agent(self, call: Call) -> Answer:
        if call.params.get("agentid") != str(call.app.agent_id):
            raise ApiError(301002, "not allow operate another agent with this accesstoken")
        return {
            "agentid": call.app.agent_id,
            "name": "云岫银行",
            "close": int(call.app.closed),
            "allow_userinfos": {"user": [{"userid": "zhangsan"}, {"userid": "lisi"}]},
            "allow_partys": {"partyid": [1]},
            "allow_tags": {"tagid": []},
        }

    # ── group webhooks ──

    def _group(self, call: Call) -> Group:
        group = self.groups.get(call.params.get("key", ""))
        if group is None:
            raise ApiError(93000, "invalid webhook url")
        return group

    def _webhook_send(self, call: Call) -> Answer:
        group = self._group(call)
        check_group_message(call.body)
        group.calls = [t for t in group.calls if t > self.clock() - PER_GROUP[1]]
        if len(group.calls) >= PER_GROUP[0]:
            raise ApiError(45009, "api freq out of limit")
        group.calls.append(self.clock())
        kind = call.body["msgtype"]
        if kind == "file":
            self._check_media(call.body["file"]["media_id"])
        group.shown.append(Shown(call.params["key"], kind, call.body[kind], "", at=self.clock()))
        return {}

    def _webhook_upload(self, call: Call) -> Answer:
        self._group(call)
        if call.params.get("type") not in ("file", "voice"):
            raise ApiError(40004, "invalid media type")
        return self._upload(call)
