"""From a payload, by whichever way it came, to what it means."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from adapters.slack.events import read_event
from adapters.slack.fields import Fields, Malformed, decode_object
from adapters.slack.interactions import read_actions, read_command
from adapters.slack.reading import Reading, Seat

__all__ = ["payload_of", "read"]

FORM_FIELDS = 64


def payload_of(body: bytes, content_type: str) -> dict[str, Any]:
    """The payload in an HTTP body: JSON for events, a form for commands, JSON in a form for
    interactions.

    Raises:
        Malformed: it is none of them.
    """
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return decode_object(body)
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS))
    except ValueError:  # UnicodeDecodeError is one
        raise Malformed("not a form") from None
    if "payload" in form:
        return decode_object(form["payload"])
    if not form:
        raise Malformed("an empty body")
    return form


def read(payload: dict[str, Any], seat: Seat) -> Reading:
    """What a payload means.

    Raises:
        Malformed: it isn't what Slack documents.
    """
    fields = Fields(payload)
    if "command" in fields and "type" not in fields:
        return read_command(fields, seat)
    match fields.text("type"):
        case "event_callback":
            return read_event(fields, seat)
        case "block_actions":
            return read_actions(fields, seat)
        case "":
            raise Malformed("a payload without a type")
        case _:
            return Reading(others=True)
