"""People and chats as Telegram's server sees them, and the updates that what they do makes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.telegram_rules import utf16

__all__ = ["Chat", "Customer", "World"]

Update = dict[str, Any]
_COMMAND = re.compile(r"(?<![\w/])/([A-Za-z0-9_]{1,64})(?:@(\w{3,32}))?")
_MENTION = re.compile(r"(?<!\w)@(\w{3,32})")


@dataclass
class Chat:
    id: int
    type: str
    title: str = ""
    forum: bool = False
    topics: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Topic number → the service message that opened it."""
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)
    numbers: int = 0
    moved_to: int | None = None
    refusal: str = ""
    """Why the bot may not write here, if so."""
    person: dict[str, Any] | None = None

    def described(self) -> dict[str, Any]:
        if self.person is not None:
            return {"id": self.id, "type": "private", "first_name": self.person["first_name"]}
        forum = {"is_forum": True} if self.forum else {}
        return {"id": self.id, "type": self.type, "title": self.title, **forum}


class World:
    """All chats of one bot. `push` is given every update; `clock` gives seconds since the epoch."""

    def __init__(
        self, bot: dict[str, Any], push: Callable[[Update], Update], clock: Callable[[], float]
    ) -> None:
        self.bot = bot
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.callbacks: dict[str, bool] = {}
        """Callback query → whether it can still be answered."""
        self._push = push
        self._clock = clock
        self._ids = 1000

    def now(self) -> int:
        return int(self._clock())

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    # ── who there is ──

    def customer(self, name: str = "王芳", *, language: str = "zh-hans", id: int = 0) -> Customer:
        id = id or self.new_id()
        person = {"id": id, "is_bot": False, "first_name": name, "language_code": language}
        chat = Chat(id, "private", person=person)
        self.chats[chat.id] = chat
        return Customer(self, person, chat)

    def group(self, title: str = "客户群", *, forum: bool = False, basic: bool = False) -> Chat:
        id = -self.new_id() if basic else -1_000_000_000_000 - self.new_id()
        # A forum's first message is its General topic's.
        chat = Chat(id, "group" if basic else "supergroup", title, forum, numbers=1)
        self.chats[id] = chat
        return chat

    def topic(self, chat: Chat, name: str, *, by: dict[str, Any] | None = None) -> int:
        message = self.keep(
            chat, {"from": by or self.bot, "forum_topic_created": {"name": name, "icon_color": 1}}
        )
        chat.topics[message["message_id"]] = message
        return int(message["message_id"])

    def migrate(self, chat: Chat) -> Chat:
        """A basic group becomes a supergroup; the bot is told in both."""
        new = self.group(chat.title)
        chat.moved_to = new.id
        anybody = {"id": 1, "is_bot": False, "first_name": "x"}
        self._push({"message": self.keep(chat, {"from": anybody, "migrate_to_chat_id": new.id})})
        self._push({"message": self.keep(new, {"from": anybody, "migrate_from_chat_id": chat.id})})
        return new

    def membership(self, chat: Chat, person: dict[str, Any], before: str, after: str) -> Update:
        def member(status: str) -> dict[str, Any]:
            until = {"until_date": 0} if status == "kicked" else {}
            return {"user": self.bot, "status": status, **until}

        change = {"chat": chat.described(), "from": person, "date": self.now()}
        ends = {"old_chat_member": member(before), "new_chat_member": member(after)}
        return self._push({"my_chat_member": {**change, **ends}})

    # ── messages ──

    def keep(self, chat: Chat, body: dict[str, Any], *, thread: int | None = None) -> dict[str, Any]:
        """Give a message its number and keep it."""
        chat.numbers += 1
        topic = {"message_thread_id": thread, "is_topic_message": True} if thread else {}
        message = {
            "message_id": chat.numbers, "date": self.now(), "chat": chat.described(), **topic, **body
        }  # fmt: skip
        chat.messages[chat.numbers] = message
        return message

    def file(self, data: bytes, path: str) -> dict[str, Any]:
        ref = f"file-{self.new_id()}"
        self.files[ref] = (path, data)
        return {"file_id": ref, "file_unique_id": f"u{ref}", "file_size": len(data)}

    def hears(self, chat: Chat, message: dict[str, Any]) -> bool:
        """Whether the bot is sent a group's message: all without privacy mode, else those for it."""
        if chat.type == "private" or self.bot["can_read_all_group_messages"] or "text" not in message:
            return True
        username, text = self.bot["username"], message["text"]
        command = _COMMAND.match(text)
        replied = message.get("reply_to_message", {}).get("from", {}).get("id") == self.bot["id"]
        return bool(command and command[2] in (None, username)) or f"@{username}" in text or replied

    def push(self, update: Update) -> Update:
        return self._push(update)


@dataclass
class Customer:
    """A person who writes to the bot; `chat` is their private one."""

    world: World
    person: dict[str, Any]
    chat: Chat

    @property
    def id(self) -> int:
        return int(self.person["id"])

    def say(
        self, text: str, chat: Chat | None = None, *, thread: int | None = None, reply_to: int | None = None
    ) -> Update:
        """Write. In a topic every message replies to the one that opened it, as on the real wire."""
        return self._post({"text": text, **_marks("entities", text)}, chat, thread, reply_to)

    def photo(self, caption: str = "", *, album: str = "", data: bytes = b"\xff\xd8jpeg") -> Update:
        sizes = [
            {**self.world.file(data[:3], "photos/small.jpg"), "width": 90, "height": 60},
            {**self.world.file(data, "photos/file_0.jpg"), "width": 1280, "height": 853},
            {**self.world.file(data, "photos/middle.jpg"), "width": 320, "height": 213},
        ]
        body: dict[str, Any] = {"photo": sizes, **({"media_group_id": album} if album else {})}
        if caption:
            body |= {"caption": caption, **_marks("caption_entities", caption)}
        return self._post(body)

    def document(
        self, name: str = "流水.pdf", data: bytes = b"%PDF", mime: str = "application/pdf"
    ) -> Update:
        described = self.world.file(data, "documents/file_1.pdf")
        return self._post({"document": {**described, "file_name": name, "mime_type": mime}})

    def voice(self, data: bytes = b"OggS", seconds: int = 7) -> Update:
        described = self.world.file(data, "voice/file_2.oga")
        return self._post({"voice": {**described, "duration": seconds, "mime_type": "audio/ogg"}})

    def send(self, **body: Any) -> Update:
        """A message with any content, as the reference names it."""
        return self._post(body)

    def edit(self, update: Update, text: str) -> Update:
        """Change the text of what an earlier update brought."""
        message = {**update["message"], "text": text, "edit_date": self.world.now()}
        message = {k: v for k, v in message.items() if k != "entities"} | _marks("entities", text)
        self.world.chats[message["chat"]["id"]].messages[message["message_id"]] = message
        return self.world.push({"edited_message": message})

    def press(self, message: dict[str, Any], label: str, *, forgotten: bool = False) -> Update:
        """Press the button `label` under a message of the bot's.

        Args:
            forgotten: the message is too old to come along.
        """
        keys = [key for row in message["reply_markup"]["inline_keyboard"] for key in row]
        data = next(key["callback_data"] for key in keys if key["text"] == label)
        return self.press_data(message, data, forgotten=forgotten)

    def press_data(self, message: dict[str, Any], data: str, *, forgotten: bool = False) -> Update:
        query = str(4_000_000_000 + self.world.new_id())
        self.world.callbacks[query] = True
        if forgotten:
            message = {"chat": message["chat"], "message_id": message["message_id"], "date": 0}
        about = {"chat_instance": "1", "message": message, "data": data}
        return self.world.push({"callback_query": {"id": query, "from": self.person, **about}})

    def block(self) -> Update:
        self.chat.refusal = "Forbidden: bot was blocked by the user"
        return self.world.membership(self.chat, self.person, "member", "kicked")

    def unblock(self) -> Update:
        self.chat.refusal = ""
        return self.world.membership(self.chat, self.person, "kicked", "member")

    def invite(self, chat: Chat) -> tuple[Update, Update]:
        """Add the bot to a group: Telegram tells it twice."""
        first = self.world.membership(chat, self.person, "left", "member")
        return first, self._post({"new_chat_members": [self.world.bot]}, chat)

    def _post(
        self,
        body: dict[str, Any],
        chat: Chat | None = None,
        thread: int | None = None,
        reply_to: int | None = None,
    ) -> Update:
        chat = chat or self.chat
        replied = chat.messages.get(reply_to or 0) or chat.topics.get(thread or 0)
        reply = {"reply_to_message": replied} if replied else {}
        message = self.world.keep(chat, {"from": self.person, **reply, **body}, thread=thread)
        update = {"message": message}
        return self.world.push(update) if self.world.hears(chat, message) else update


def _marks(name: str, text: str) -> dict[str, Any]:
    """The commands and mentions that Telegram finds in a text."""
    found = [(m, "bot_command") for m in _COMMAND.finditer(text)]
    # A command's own @name is part of the command.
    inside = [m.span() for m, _ in found]
    mentions = [m for m in _MENTION.finditer(text) if not any(a <= m.start() < b for a, b in inside)]
    found += [(m, "mention") for m in mentions]
    entities = [
        {"type": kind, "offset": utf16(text[: m.start()]), "length": utf16(m[0])}
        for m, kind in sorted(found, key=lambda pair: pair[0].start())
    ]
    return {name: entities} if entities else {}
