"""One customer's view of each platform, over its emulator: the same few acts and the same view for all.

A face is entered before the app starts (its address goes into the configuration) and is told the app's
address afterwards (where callbacks go).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from bot.types import Conversation
from tests.conftest import eventually
from tests.emulators.aibot_callback import AibotCallback
from tests.emulators.aibot_socket import AibotSocket
from tests.emulators.aibot_wire import Bubble
from tests.emulators.qyapi import Qyapi
from tests.emulators.qyapi_kf import KFID, Kf
from tests.emulators.slack import SlackEmulator
from tests.emulators.telegram import TelegramEmulator

__all__ = ["FACES", "PNG", "Face"]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f00010501"
    "0127e3f4650000000049454e44ae426082"
)


class Face(Protocol):
    """What a test does as a customer, and what that customer sees."""

    name: str
    streams: bool
    """Whether a customer sees an answer grow."""
    gets_pictures: bool
    """Whether a picture can be sent that answers no message of the customer's."""

    async def __aenter__(self) -> Any: ...
    async def __aexit__(self, *_: object) -> None: ...

    def platforms(self) -> dict[str, Any]:
        """The configuration's `platforms` for it."""
        ...

    async def connect(self, base: str) -> None:
        """Where the app is reached, once it runs."""
        ...

    @property
    def conversation(self) -> Conversation: ...

    async def say(self, text: str) -> None: ...
    async def press(self, label: str) -> None: ...
    async def send_picture(self) -> None: ...
    async def redeliver(self) -> None:
        """The platform delivers the last event once more."""
        ...

    def shown(self) -> list[str]:
        """What the customer sees of the bot, message by message, growing ones left out."""
        ...

    def pictures(self) -> list[bytes]:
        """The pictures that came from the bot."""
        ...

    def growths(self) -> int:
        """Texts that were seen growing: states of messages before their last."""
        ...


async def sees(face: Face, condition: Callable[[str], bool], *, after: int = 0, patience: float = 60) -> str:
    """Wait until what is shown after the first `after` messages fulfils a condition; that text."""
    await eventually(lambda: condition("\n".join(face.shown()[after:])), patience)
    return "\n".join(face.shown()[after:])


class Telegram:
    name, streams, gets_pictures = "telegram", True, True

    async def __aenter__(self) -> Telegram:
        self.telegram = TelegramEmulator()
        await self.telegram.start()
        self.customer = self.telegram.world.customer()
        self.drafts: list[str] = []
        self.telegram.on_sent = self._note
        self.last: dict[str, Any] = {}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.telegram.stop()

    def _note(self, what: str, message: dict[str, Any]) -> None:
        if what in ("draft", "edited"):
            self.drafts.append(message.get("text", ""))

    def platforms(self) -> dict[str, Any]:
        bot = {"token": self.telegram.token}
        return {"telegram": {"enabled": True, "base_url": self.telegram.base_url, "bots": [bot]}}

    async def connect(self, base: str) -> None:
        """It polls."""

    @property
    def conversation(self) -> Conversation:
        return Conversation("telegram", "default", str(self.customer.id))

    async def say(self, text: str) -> None:
        self.last = self.customer.say(text)

    async def press(self, label: str) -> None:
        message = next(m for m in reversed(self._messages()) if label in self._labels(m))
        self.last = self.customer.press(message, label)

    async def send_picture(self) -> None:
        self.last = self.customer.photo()

    async def redeliver(self) -> None:
        self.telegram.redeliver(self.last["update_id"])

    def shown(self) -> list[str]:
        return [" ".join((m.get("text", m.get("caption", "")), *self._labels(m))) for m in self._messages()]

    def pictures(self) -> list[bytes]:
        files = [m["photo"][-1]["file_id"] for m in self._messages() if "photo" in m]
        return [self.telegram.world.files[file][1] for file in files]

    def growths(self) -> int:
        return len(self.drafts)

    def _labels(self, message: dict[str, Any]) -> list[str]:
        rows = message.get("reply_markup", {}).get("inline_keyboard", [])
        return [key["text"] for row in rows for key in row]

    def _messages(self) -> list[dict[str, Any]]:
        messages = self.customer.chat.messages.values()
        return [m for m in messages if m["from"]["id"] == self.telegram.bot["id"]]


class Slack:
    name, streams, gets_pictures = "slack", True, True

    async def __aenter__(self) -> Slack:
        self.slack = SlackEmulator()
        await self.slack.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.slack.stop()

    def platforms(self) -> dict[str, Any]:
        app = {"app_token": self.slack.api.app_token, "workspaces": [{"bot_token": self.slack.team.token}]}
        return {"slack": {"enabled": True, "base_url": self.slack.base_url, "apps": [app]}}

    async def connect(self, base: str) -> None:
        await self.slack.until(lambda: bool(self.slack.sockets.open))

    @property
    def conversation(self) -> Conversation:
        return Conversation("slack", "default", "D1")

    async def say(self, text: str) -> None:
        await self.slack.say(text)

    async def press(self, label: str) -> None:
        buttons = [b for m in self.slack.by_bot("D1") for b in m.buttons if b["text"]["text"] == label]
        await self.slack.press(buttons[-1]["value"])

    async def send_picture(self) -> None:
        await self.slack.say("", files=[self.slack.host_file("a.png", "image/png", PNG)])

    async def redeliver(self) -> None:
        await self.slack.redeliver()

    def shown(self) -> list[str]:
        finished = [m for m in self.slack.by_bot("D1") if not m.streaming]
        return [" ".join((m.seen, *(b["text"]["text"] for b in m.buttons))) for m in finished]

    def pictures(self) -> list[bytes]:
        files = [f for m in self.slack.by_bot("D1") for f in m.files]
        return [self.slack.api.bytes[f["id"]] for f in files]

    def growths(self) -> int:
        # In a thread it is a stream; elsewhere a message that is rewritten, the last time as a whole.
        return len(self.slack.calls("chat.appendStream")) + len(self.slack.calls("chat.update"))


class WeComApp:
    name, streams, gets_pictures = "wecom-app", False, True

    async def __aenter__(self) -> WeComApp:
        self.qyapi = Qyapi()
        await self.qyapi.start()
        self.app = self.qyapi.add_app()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.qyapi.stop()

    def platforms(self) -> dict[str, Any]:
        app = {
            "agent_id": self.app.agent_id,
            "secret": self.app.secret,
            "token": self.app.token,
            "encoding_aes_key": self.app.encoding_aes_key,
        }
        wecom = {"enabled": True, "corp_id": self.qyapi.corp_id, "api_base": self.qyapi.base_url}
        return {"wecom": {**wecom, "apps": [app]}}

    async def connect(self, base: str) -> None:
        self.app.callback_url = f"{base}/webhooks/wecom/app"

    @property
    def conversation(self) -> Conversation:
        return Conversation("wecom", "app", "zhangsan")

    async def say(self, text: str) -> None:
        assert await self.qyapi.say("zhangsan", text) == [200]

    async def press(self, label: str) -> None:
        card = next(m for m in reversed(self.qyapi.messages) if label in m.buttons)
        assert await self.qyapi.press(card, label) == [200]

    async def send_picture(self) -> None:
        media = self.qyapi.keep_media("a.png", PNG, "image/png")
        await self.qyapi.message("zhangsan", "image", PicUrl="http://127.0.0.1/a.png", MediaId=media)

    async def redeliver(self) -> None:
        await self.qyapi.redeliver()

    def shown(self) -> list[str]:
        return [_words(m.body) for m in self.qyapi.messages]

    def pictures(self) -> list[bytes]:
        sent = [m.body["media_id"] for m in self.qyapi.messages if m.kind == "image"]
        return [self.qyapi.media[media].data for media in sent]

    def growths(self) -> int:
        return 0


class WeComKf:
    name, streams, gets_pictures = "wecom-kf", False, True

    async def __aenter__(self) -> WeComKf:
        self.qyapi = Qyapi()
        await self.qyapi.start()
        self.app = self.qyapi.add_app(agent_id=1000009, secret="kf-secret")
        self.kf = Kf(self.qyapi, self.app)
        self.kf.add_account(servicers={"lisi": 0})
        self.user = "wmcustomer"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.qyapi.stop()

    def platforms(self) -> dict[str, Any]:
        kf = {
            "secret": self.app.secret,
            "token": self.app.token,
            "encoding_aes_key": self.app.encoding_aes_key,
            "servicers": ["lisi"],
        }
        wecom = {"enabled": True, "corp_id": self.qyapi.corp_id, "api_base": self.qyapi.base_url}
        return {"wecom": {**wecom, "kf": [kf]}}

    async def connect(self, base: str) -> None:
        self.app.callback_url = f"{base}/webhooks/wecom/kf"

    @property
    def conversation(self) -> Conversation:
        return Conversation("wecom", "kf", f"{KFID}/{self.user}")

    async def say(self, text: str) -> None:
        await self.kf.say(self.user, text)

    async def press(self, label: str) -> None:
        menu = next(m for m in reversed(self.kf.shown) if label in m.items)
        await self.kf.press(menu, label)

    async def send_picture(self) -> None:
        media = self.qyapi.keep_media("a.png", PNG, "image/png")
        await self.kf.send(self.user, "image", {"media_id": media})

    async def redeliver(self) -> None:
        await self.kf.nudge()

    def shown(self) -> list[str]:
        return [_words(m.body) for m in self.kf.shown]

    def pictures(self) -> list[bytes]:
        sent = [m.body["media_id"] for m in self.kf.shown if m.kind == "image"]
        return [self.qyapi.media[media].data for media in sent]

    def growths(self) -> int:
        return 0


class _Aibot:
    """What both ways of an AI bot have in common."""

    streams = True
    emulator: AibotCallback | AibotSocket

    def __init__(self) -> None:
        self._came: dict[int, None] = {}

    async def __aexit__(self, *_: object) -> None:
        await self.emulator.stop()

    @property
    def conversation(self) -> Conversation:
        return Conversation("wecom", "aibot", "wang")

    async def say(self, text: str) -> None:
        await self.emulator.say(text)

    async def redeliver(self) -> None:
        await self.emulator.redeliver(list(self.emulator.bubbles)[-1])

    async def press(self, label: str) -> None:
        card, key = self._button(label)
        await self.emulator.press(card, key)

    async def send_picture(self) -> None:
        await self.emulator.send_picture(PNG)

    def _bubbles(self) -> list[Bubble]:
        return list(self.emulator.bubbles.values())

    def _button(self, label: str) -> tuple[dict[str, Any], str]:
        for card in reversed(self._cards()):
            for button in card.get("button_list", ()):
                if button["text"] == label:
                    return card, button["key"]
        raise AssertionError(f"no button {label!r} in {self._cards()}")

    def _cards(self) -> list[dict[str, Any]]:
        later = [body["template_card"] for body in self._later() if "template_card" in body]
        return [b.card for b in self._bubbles() if b.card is not None] + later

    def _later(self) -> list[dict[str, Any]]:
        """What came apart from the bubbles."""
        raise NotImplementedError

    def shown(self) -> list[str]:
        now = {id(b): f"{b.text} {_words(b.card or {})}" for b in self._bubbles() if b.finished}
        now |= {id(body): _words(body) for body in self._later()}
        # In the order in which they came, which nobody else notes.
        self._came |= dict.fromkeys(now)
        return [now[which] for which in self._came]

    def growths(self) -> int:
        return sum(len([s for s in b.states if s.strip()]) - 1 for b in self._bubbles() if b.states)


class AibotByCallback(_Aibot):
    name, gets_pictures = "wecom-aibot-callback", False

    async def __aenter__(self) -> AibotByCallback:
        self.emulator = AibotCallback()
        await self.emulator.start()
        return self

    def platforms(self) -> dict[str, Any]:
        bot = {"token": self.emulator.token, "encoding_aes_key": self.emulator.aes_key}
        return {"wecom": {"enabled": True, "api_base": self.emulator.base_url, "aibots": [bot]}}

    async def connect(self, base: str) -> None:
        self.emulator.callback = f"{base}/webhooks/wecom/aibot"

    def pictures(self) -> list[bytes]:
        return [picture for bubble in self._bubbles() for picture in bubble.pictures]

    def _later(self) -> list[dict[str, Any]]:
        return self.emulator.responses


class AibotByConnection(_Aibot):
    name, gets_pictures = "wecom-aibot-connection", True

    async def __aenter__(self) -> AibotByConnection:
        self.emulator = AibotSocket()
        await self.emulator.start()
        return self

    def platforms(self) -> dict[str, Any]:
        bot = {"bot_id": self.emulator.bot_id, "secret": self.emulator.secret}
        wecom = {"enabled": True, "aibot_ws_url": self.emulator.ws_url, "api_base": self.emulator.base_url}
        return {"wecom": {**wecom, "aibots": [bot]}}

    async def connect(self, base: str) -> None:
        await self.emulator.connected()

    def pictures(self) -> list[bytes]:
        return list(self.emulator.media.values())

    def _later(self) -> list[dict[str, Any]]:
        return self.emulator.pushed


def _words(body: Any) -> str:
    """All strings of a message's JSON."""
    if isinstance(body, str):
        return body
    values = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    return " ".join(filter(None, map(_words, values)))


FACES: tuple[type[Face], ...] = (Telegram, Slack, WeComApp, WeComKf, AibotByCallback, AibotByConnection)
