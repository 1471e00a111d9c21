"""Events API payloads: messages, mentions, edits and arrivals.

Sources: https://docs.slack.dev/reference/events, https://docs.slack.dev/reference/events/message
"""

from __future__ import annotations

from adapters.slack.fields import Fields, Malformed, moment
from adapters.slack.reading import Reading, Seat
from adapters.slack.text import mentions, unescape
from bot.types import Conversation, File, Image, InboundEvent, Part, Sender, Text, Voice

__all__ = ["read_event"]

# What people write: https://docs.slack.dev/reference/events/message#subtypes
_WRITTEN = frozenset({"", "file_share", "thread_broadcast", "me_message"})
_OWN = Reading(ignored="own_message")
_UNKNOWN = Reading(ignored="unknown_type")
_NOT_ADDRESSED = Reading(ignored="not_addressed")
FILES = 10
"""Files of one message that become parts; Slack itself allows ten."""


def read_event(envelope: Fields, seat: Seat) -> Reading:
    """One `event_callback`."""
    event_id, event = envelope.need_id("event_id"), envelope.sub("event")
    match event.text("type"):
        case "message" | "app_mention":
            return _read_message(event, seat)
        case "assistant_thread_started":
            thread = event.sub("assistant_thread")
            user = thread.need_id("user_id")
            place = seat.conversation(thread.need_id("channel_id"), thread.need_ts("thread_ts"), "direct")
            return _joined(event_id, place, user, event, seat)
        case "app_home_opened" if event.text("tab") == "messages":
            # It comes with every look at the tab; the first one is the arrival.
            place = seat.conversation(event.need_id("channel"))
            return _joined(f"home:{place.chat}", place, event.need_id("user"), event, seat)
        case "member_joined_channel" if seat.bot_user and event.id("user") == seat.bot_user:
            place = seat.conversation(event.need_id("channel"), kind="group")
            return _joined(event_id, place, event.id("inviter") or seat.bot_user, event, seat)
        case "":
            raise Malformed("an event without a type")
        case _:
            return _UNKNOWN


def _joined(event_id: str, place: Conversation, user: str, event: Fields, seat: Seat) -> Reading:
    at = event.ts("event_ts")
    when = moment(at) if at else seat.received_at
    return Reading((seat.event(event_id, place, Sender(user), "join", when),))


# ── messages ──


def _read_message(event: Fields, seat: Seat) -> Reading:
    subtype = event.text("subtype")
    if subtype == "message_changed":
        return _read_edit(event, seat)
    if _by_a_bot(event, seat):
        return _OWN
    if subtype not in _WRITTEN or "user" not in event:
        return _UNKNOWN
    chat, ts, thread = event.need_id("channel"), event.need_ts("ts"), event.ts("thread_ts")
    direct = _is_direct(event, chat)
    raw = event.text("text")
    addressed = event.text("type") == "app_mention" or mentions(raw, seat.bot_user)
    if not direct and not addressed and not thread:
        return _NOT_ADDRESSED
    place = seat.conversation(chat, thread if direct else thread or ts, "direct" if direct else "group")
    made = seat.event(
        # A mention arrives twice, as `app_mention` and as `message`, with two event ids: what names the
        # message itself, on every redelivery too, is its channel and timestamp.
        f"{chat}-{ts}",
        place,
        Sender(event.need_id("user")),
        "message",
        moment(ts),
        parts=_parts(event, raw, seat),
        in_reply_to=f"{chat}-{thread}" if thread and thread != ts else "",
    )
    ours = direct or addressed or _started_by_us(event, seat)
    return Reading((made,), only_if_taking_part=not ours, team=_team(event))


def _read_edit(event: Fields, seat: Seat) -> Reading:
    """An edit by the message's own writer; Slack reports its own unfurling of links as one, too."""
    message, before = event.sub("message"), event.sub("previous_message")
    if _by_a_bot(message, seat):
        return _OWN
    edited = message.sub("edited")
    user, raw = message.id("user"), message.text("text")
    if not user or edited.id("user") != user or raw == before.text("text"):
        return _UNKNOWN
    chat, ts, thread = event.need_id("channel"), message.need_ts("ts"), message.ts("thread_ts")
    direct = _is_direct(event, chat)
    place = seat.conversation(chat, thread if direct else thread or ts, "direct" if direct else "group")
    made: InboundEvent = seat.event(
        f"{chat}-{ts}-{edited.need_ts('ts')}",
        place,
        Sender(user),
        "edit",
        moment(edited.need_ts("ts")),
        parts=_parts(message, raw, seat),
        in_reply_to=f"{chat}-{ts}",
    )
    # A mention that an edit adds comes as an `app_mention` of its own: that is the message then.
    ours = direct or mentions(before.text("text"), seat.bot_user) or _started_by_us(message, seat)
    return Reading((made,), only_if_taking_part=not ours, team=_team(message))


def _by_a_bot(message: Fields, seat: Seat) -> bool:
    user = message.id("user")
    return (
        message.text("subtype") == "bot_message"
        or "bot_id" in message
        or "bot_profile" in message
        or user == "USLACKBOT"
        or bool(seat.bot_user and user == seat.bot_user)
    )


def _is_direct(event: Fields, chat: str) -> bool:
    kind = event.text("channel_type")
    return kind in ("im", "app_home") if kind else chat.startswith("D")


def _started_by_us(message: Fields, seat: Seat) -> bool:
    return bool(seat.bot_user) and message.id("parent_user_id") == seat.bot_user


def _team(message: Fields) -> str:
    return message.id("user_team") or message.id("team")


# ── parts ──


def _parts(message: Fields, raw: str, seat: Seat) -> tuple[Part, ...]:
    texts = [unescape(raw, seat.bot_user)]
    # Somebody else's message, passed on: often the very thing the bank is asked about.
    texts += [
        unescape(attached.text("text"))
        for attached in message.subs("attachments")
        if "is_share" in attached or "is_msg_unfurl" in attached
    ]
    files = (_file(file) for file in message.subs("files")[:FILES])
    return tuple(Text(text) for text in texts if text) + tuple(file for file in files if file is not None)


def _file(file: Fields) -> Part | None:
    if file.text("mode") in ("tombstone", "hidden_by_limit"):
        return None
    mime, size, name = file.text("mimetype"), file.number("size"), file.text("name")
    ref = file.text("url_private") or f"file:{file.need_id('id')}"
    family = mime.partition("/")[0]
    if family == "image":
        return Image(ref, mime, size, name)
    if family == "audio" or file.text("subtype") == "slack_audio":
        return Voice(ref, mime, size, file.number("duration_ms") / 1000)
    return File(ref, mime, size, name)
