"""From a Bot API update to what it is for Teller: an event, a move of a chat, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import msgspec
from telegram import CallbackQuery, Chat, ChatMember, ChatMemberUpdated, Message, Update, User

from adapters.telegram.api import ALLOWED_UPDATES, Me
from adapters.telegram.buttons import label_of
from adapters.telegram.content import attachments, described, is_written, slim
from adapters.telegram.groups import words_of
from bot.types import (
    Conversation,
    EventKind,
    InboundEvent,
    Part,
    Sender,
    SystemEvent,
    Text,
    decode,
    encode,
)

__all__ = ["PLATFORM", "Malformed", "Parsed", "Reader", "replied_message"]

PLATFORM: Final = "telegram"
GENERAL_TOPIC = 1
"""A forum's General topic: its messages carry no thread, and none may be named when writing there."""
AWAY: Final = frozenset({ChatMember.LEFT, ChatMember.BANNED})


class Malformed(Exception):
    """It isn't an update of the Bot API."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one update is. Without an `event`, `ignored` says why."""

    update_id: int
    event: InboundEvent | None = None
    ignored: str = ""
    callback: str = ""
    """Id of the callback query that must be answered."""
    moved: tuple[int, int] | None = None
    """A group became a supergroup: its id before and now."""
    joined: bool = False
    """The bot came into a group, which Telegram tells twice."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads updates for one bot."""

    account: str
    me: Me
    staff_chats: frozenset[str] = field(default_factory=frozenset)

    def read(self, raw: bytes, *, now: datetime, correlation: str) -> Parsed:
        """What the update in a request's body is.

        Raises:
            Malformed: it is none.
        """
        try:
            data = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed("it isn't JSON") from error
        number = data.get("update_id") if isinstance(data, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            raise Malformed("it has no update_id")
        try:
            parsed = self._parsed(number, data, now)
            if parsed.event is not None:
                event = msgspec.structs.replace(parsed.event, correlation_id=correlation, raw_ref=correlation)
                # The library believes any type it is given; this doesn't.
                parsed = replace(parsed, event=decode(encode(event), InboundEvent))
        except Exception as error:
            # The library trusts its input: what it raises on a wrong one can be anything.
            raise Malformed(f"update {number} can't be read: {type(error).__name__}") from error
        return parsed

    def _parsed(self, number: int, data: Mapping[str, Any], now: datetime) -> Parsed:
        update = Update.de_json(_slim(data))
        if update.message is not None:
            return self._message(number, update.message, now, written=is_written(data["message"]))
        if update.edited_message is not None:
            return self._edit(number, update.edited_message, now, written=is_written(data["edited_message"]))
        if update.callback_query is not None:
            return self._button(number, update.callback_query, now)
        if update.my_chat_member is not None:
            return self._member(number, update.my_chat_member, now)
        return _nothing(number)

    # ── messages ──

    def _message(self, number: int, message: Message, now: datetime, *, written: bool) -> Parsed:
        if message.migrate_to_chat_id is not None:
            return Parsed(number, moved=(message.chat.id, message.migrate_to_chat_id), ignored="unknown_type")
        if message.migrate_from_chat_id is not None:
            return Parsed(
                number, moved=(message.migrate_from_chat_id, message.chat.id), ignored="unknown_type"
            )
        if any(member.id == self.me.id for member in message.new_chat_members):
            event = self._event(number, "join", message, now)
            return Parsed(number, event, joined=True)
        return self._written(number, "message", message, now) if written else _nothing(number)

    def _edit(self, number: int, message: Message, now: datetime, *, written: bool) -> Parsed:
        # A live location's every step is an edit.
        if message.location is not None or not written:
            return _nothing(number)
        return self._written(number, "edit", message, now)

    def _written(self, number: int, kind: EventKind, message: Message, now: datetime) -> Parsed:
        """A message somebody wrote, if it is for the bot."""
        refusal = self._refusal(message)
        if refusal:
            return Parsed(number, ignored=refusal)
        words = words_of(message, self.me)
        listens = message.chat.type == Chat.PRIVATE or str(message.chat.id) in self.staff_chats
        if (words.for_other and message.chat.type != Chat.PRIVATE) or not (words.for_bot or listens):
            return Parsed(number, ignored="not_addressed")
        text: tuple[Part, ...] = (Text(words.text),) if words.text else ()
        event = self._event(number, kind, message, now, (*text, *attachments(message)))
        if words.command and kind == "message":
            event = msgspec.structs.replace(event, kind="command", value=words.command)
        elif words.command:
            whole = (Text(f"{words.command} {words.text}".strip()), *attachments(message))
            event = msgspec.structs.replace(event, parts=whole)
        return Parsed(number, event)

    def _refusal(self, message: Message) -> str:
        """Why a message isn't a customer's; empty if it is."""
        if message.chat.type == Chat.CHANNEL:
            return "unknown_type"
        # An administrator who writes as the group itself appears as a bot of Telegram's.
        if message.sender_chat is not None:
            return "" if message.sender_chat.id == message.chat.id else "own_message"
        if message.from_user is None:
            return "unknown_type"
        return "own_message" if message.from_user.is_bot else ""

    def _event(
        self, number: int, kind: EventKind, message: Message, now: datetime, parts: tuple[Part, ...] = ()
    ) -> InboundEvent:
        reply = message.reply_to_message
        replied = reply is not None and reply.forum_topic_created is None
        return InboundEvent(
            event_id=_event_id(number, message.chat, message.message_id),
            conversation=self._conversation(message.chat, message),
            sender=_sender(message.from_user, message.sender_chat),
            kind=kind,
            parts=parts,
            occurred_at=(message.edit_date if kind == "edit" else None) or message.date,
            received_at=now,
            correlation_id="",
            in_reply_to=str(reply.message_id) if reply is not None and replied else "",
        )

    # ── the rest ──

    def _button(self, number: int, query: CallbackQuery, now: datetime) -> Parsed:
        message = query.message
        if message is None or query.data is None or message.chat.type == Chat.CHANNEL:
            return Parsed(number, ignored="unknown_type", callback=query.id)
        if query.from_user.is_bot:
            return Parsed(number, ignored="own_message", callback=query.id)
        shown = message if isinstance(message, Message) else None
        label = label_of(shown.reply_markup, query.data) if shown else ""
        event = InboundEvent(
            event_id=_event_id(number, message.chat, message.message_id),
            conversation=self._conversation(message.chat, shown),
            sender=_sender(query.from_user),
            kind="button",
            parts=(Text(label),) if label else (),
            occurred_at=now,
            received_at=now,
            correlation_id="",
            value=query.data,
            in_reply_to=str(message.message_id),
        )
        return Parsed(number, event, callback=query.id)

    def _member(self, number: int, change: ChatMemberUpdated, now: datetime) -> Parsed:
        """The bot itself was blocked, let in, silenced or removed."""
        if change.chat.type == Chat.CHANNEL:
            return _nothing(number)
        before, after = _can_write(change.old_chat_member), _can_write(change.new_chat_member)
        private = change.chat.type == Chat.PRIVATE
        came = change.old_chat_member.status in AWAY and not private
        kind: EventKind = "join" if after and came else "system"
        value: SystemEvent = "unblocked" if after else "blocked"
        if before == after or (change.from_user.is_bot and change.from_user.id != self.me.id):
            return _nothing(number)
        event = InboundEvent(
            event_id=str(number),
            conversation=self._conversation(change.chat, None),
            sender=_sender(change.from_user),
            kind=kind,
            parts=(),
            occurred_at=change.date,
            received_at=now,
            correlation_id="",
            value=value if kind == "system" else "",
        )
        return Parsed(number, event, joined=kind == "join")

    def _conversation(self, chat: Chat, message: Message | None) -> Conversation:
        thread = message.message_thread_id if message is not None and message.is_topic_message else None
        return Conversation(
            PLATFORM,
            self.account,
            str(chat.id),
            str(thread) if thread and thread != GENERAL_TOPIC else "",
            "direct" if chat.type == Chat.PRIVATE else "group",
        )


def _slim(data: Mapping[str, Any]) -> dict[str, Any]:
    """An update without what isn't read here."""
    update = {name: data[name] for name in ("update_id", *ALLOWED_UPDATES) if name in data}
    for name in ("message", "edited_message"):
        if name in update:
            update[name] = slim(update[name])
    query = update.get("callback_query")
    if isinstance(query, dict):
        query = {"chat_instance": "", **query, "from": described(query.get("from"))}
        if isinstance(shown := slim(query.get("message")), dict):
            query["message"] = {"message_id": 0, "date": 0, **shown}
        update["callback_query"] = query
    return update


def _nothing(number: int) -> Parsed:
    """It is of no kind that means something here."""
    return Parsed(number, ignored="unknown_type")


def replied_message(event_id: str) -> int | None:
    """The group message that an event was, from the event's id."""
    _, _, message = event_id.partition(":")
    return int(message) if message.isdecimal() and message.isascii() else None


def _event_id(number: int, chat: Chat, message_id: int) -> str:
    """The update's id; in groups, where answers are replies, the message's beside it."""
    return str(number) if chat.type == Chat.PRIVATE else f"{number}:{message_id}"


def _sender(user: User | None, behalf: Chat | None = None) -> Sender:
    if behalf is not None or user is None:
        return Sender(str(behalf.id) if behalf else "", (behalf.title or "") if behalf else "")
    return Sender(str(user.id), user.full_name or "", user.language_code or "", user.is_bot)


def _can_write(member: ChatMember) -> bool:
    if member.status in AWAY:
        return False
    return member.status != ChatMember.RESTRICTED or bool(getattr(member, "can_send_messages", False))
