"""Which Web API methods the emulator has, with their published parameters and scopes.

`name!` is required; after the colon its type: s string, b boolean, i whole number, j JSON, t timestamp,
c channel id, u user id. https://docs.slack.dev/reference/methods
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["METHODS", "ArgumentError", "Method", "arguments"]


class ArgumentError(Exception):
    """Carries Slack's error code."""


@dataclass(frozen=True)
class Method:
    parameters: dict[str, tuple[str, bool]]
    """Name → (type, required)."""
    scopes: tuple[str, ...] = ()
    """Any one of them is enough."""
    app_level: bool = False


def _method(parameters: str, *scopes: str, app_level: bool = False) -> Method:
    made = {}
    for word in parameters.split():
        name, _, kind = word.partition(":")
        made[name.rstrip("!")] = (kind, name.endswith("!"))
    return Method(made, scopes, app_level)


_FACE = "icon_emoji:s icon_url:s username:s"
_HISTORY = "cursor:s include_all_metadata:b inclusive:b latest:t limit:i oldest:t"
_READ = ("im:history", "channels:history", "groups:history", "mpim:history")

METHODS = {
    "auth.test": _method(""),
    "apps.connections.open": _method("", "connections:write", app_level=True),
    "assistant.threads.setStatus": _method(
        f"channel_id!:c thread_ts!:t status!:s loading_messages:j {_FACE}", "assistant:write", "chat:write"
    ),
    "chat.postMessage": _method(
        "channel!:c text:s as_user:b attachments:j blocks:j thread_ts:t reply_broadcast:b unfurl_links:b "
        f"unfurl_media:b mrkdwn:b link_names:b parse:s metadata:j markdown_text:s {_FACE}",
        "chat:write",
    ),
    "chat.update": _method(
        "channel!:c ts!:t text:s attachments:j blocks:j as_user:b file_ids:j link_names:b parse:s "
        "reply_broadcast:b metadata:j markdown_text:s",
        "chat:write",
    ),
    "chat.delete": _method("channel!:c ts!:t as_user:b", "chat:write"),
    "chat.startStream": _method(
        "channel!:c thread_ts!:t markdown_text:s recipient_team_id:s recipient_user_id:u chunks:j "
        f"task_display_mode:s {_FACE}",
        "chat:write",
    ),
    "chat.appendStream": _method("channel!:c ts!:t markdown_text:s chunks:j", "chat:write"),
    "chat.stopStream": _method(
        "channel!:c ts!:t markdown_text:s blocks:j metadata:j chunks:j session_status:s", "chat:write"
    ),
    "conversations.history": _method(f"channel!:c {_HISTORY}", *_READ),
    "conversations.replies": _method(f"channel!:c ts!:t {_HISTORY}", *_READ),
    "files.completeUploadExternal": _method(
        "files!:j channel_id:c channels:s initial_comment:s thread_ts:t", "files:write"
    ),
    "files.getUploadURLExternal": _method("filename!:s length!:i alt_txt:s snippet_type:s", "files:write"),
    "files.info": _method("file!:s count:i cursor:s limit:i page:i", "files:read"),
    "users.info": _method("user!:u include_locale:b", "users:read"),
}

_PATTERNS = {
    "t": re.compile(r"\d{1,11}\.\d{1,9}"),
    "c": re.compile(r"[CDG][A-Z0-9]{1,20}"),
    "u": re.compile(r"[UW][A-Z0-9]{1,20}"),
}


def arguments(method: Method, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments with their types. Raises ArgumentError."""
    if set(given) - set(method.parameters):
        raise ArgumentError("invalid_arguments")
    made = {name: _typed(method.parameters[name][0], value) for name, value in given.items()}
    for name, (_, required) in method.parameters.items():
        if required and made.get(name) in (None, ""):
            raise ArgumentError("channel_not_found" if name == "channel" else "invalid_arguments")
    return made


def _typed(kind: str, value: Any) -> Any:
    if kind == "j":
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                raise ArgumentError("invalid_arguments") from None
        if isinstance(value, list | dict):
            return value
    elif kind == "b":
        if isinstance(value, bool):
            return value
        if value in ("true", "false", "1", "0"):
            return value in ("true", "1")
    elif kind == "i":
        if re.fullmatch(r"\d{1,12}", str(value)):
            return int(value)
    elif isinstance(value, str) and (kind not in _PATTERNS or _PATTERNS[kind].fullmatch(value)):
        return value
    raise ArgumentError("channel_not_found" if kind == "c" else "invalid_arguments")
