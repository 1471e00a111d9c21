"""Slash-commands and pressed buttons.

Sources: https://docs.slack.dev/interactivity/implementing-slash-commands,
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
"""

from __future__ import annotations

import re

from adapters.slack.fields import Fields, Malformed, moment
from adapters.slack.reading import Reading, Seat
from adapters.slack.text import unescape
from bot.types import InboundEvent, Sender, Text

__all__ = ["read_actions", "read_command"]

_COMMAND = re.compile(r"/\S{1,60}")


def read_command(form: Fields, seat: Seat) -> Reading:
    """A slash-command. Slack sends none from threads, so its conversation has none."""
    command = form.text("command")
    if not _COMMAND.fullmatch(command):
        raise Malformed("command isn't a slash and a word")
    arguments = unescape(form.text("text"), seat.bot_user)
    made = seat.event(
        form.need_id("trigger_id"),
        seat.conversation(form.need_id("channel_id")),
        Sender(form.need_id("user_id"), form.text("user_name")),
        "command",
        seat.received_at,
        parts=(Text(arguments),) if arguments else (),
        value=command,
    )
    return Reading((made,), response_url=form.text("response_url"), team=form.id("team_id"))


def read_actions(payload: Fields, seat: Seat) -> Reading:
    """`block_actions`. A button that only opens a link has no value: there is nothing to accept."""
    user, container, message = payload.sub("user"), payload.sub("container"), payload.sub("message")
    chat = payload.sub("channel").id("id") or container.id("channel_id")
    if not chat:
        # From a modal or the home tab, which Teller doesn't make.
        return Reading(others=True)
    thread = message.ts("thread_ts") or container.ts("thread_ts")
    if thread == (message.ts("ts") or container.ts("message_ts")):
        # The first message of a thread belongs to the channel, not yet to the thread.
        thread = ""
    sender = Sender(user.need_id("id"), user.text("name") or user.text("username"))
    trigger, events = payload.id("trigger_id"), list[InboundEvent]()
    for number, action in enumerate(payload.subs("actions")[:10]):
        value, label = _pressed(action)
        if not value:
            continue
        at = action.ts("action_ts")
        # One trigger_id a payload; a second action in it must still have an id of its own.
        event_id = (f"{trigger}-{number}" if number else trigger) or f"{chat}-{sender.id}-{at}-{number}"
        events.append(
            seat.event(
                event_id,
                seat.conversation(chat, thread),
                sender,
                "button",
                moment(at) if at else seat.received_at,
                parts=(Text(label),) if label else (),
                value=value,
                in_reply_to=message.ts("ts") or container.ts("message_ts"),
            )
        )
    if not events:
        return Reading(ignored="unknown_type")
    return Reading(tuple(events), response_url=payload.text("response_url"), team=user.id("team_id"))


def _pressed(action: Fields) -> tuple[str, str]:
    """The value and the label of what was pressed or chosen."""
    option = action.sub("selected_option")
    value = action.text("value") or option.text("value")
    shown = action.sub("text") if "text" in action else option.sub("text")
    return value, shown.text("text")
