"""What the Bot API takes, as its reference says: methods, parameters, texts, entities, keyboards.

Source: core.telegram.org/bots/api, version 10. The real server ignores unknown parameters; here they are
an error, since one that is sent is a slip.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["METHODS", "ApiError", "check_entities", "check_keyboard", "check_text", "parse", "utf16"]

TEXT_LIMIT, CAPTION_LIMIT, DATA_LIMIT, BUTTONS, ROW = 4096, 1024, 64, 100, 8
ENTITY_TYPES: Final = frozenset(
    [
        *("mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bold", "italic"),
        *("underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote", "code", "pre"),
        *("text_link", "text_mention", "custom_emoji"),
    ]
)


@dataclass
class ApiError(Exception):
    """An answer that isn't ok."""

    status: int
    description: str
    parameters: dict[str, Any] = field(default_factory=dict)


def _bad(description: str) -> ApiError:
    return ApiError(400, f"Bad Request: {description}")


# A parameter's type; "!" marks the required ones.
_WHERE = {"chat_id": "chat!", "message_thread_id": "int"}
_REPLY = {"reply_parameters": "object", "reply_markup": "object", "disable_notification": "bool"}
METHODS: Final[dict[str, dict[str, str]]] = {
    "getMe": {},
    "getUpdates": {"offset": "int", "limit": "int", "timeout": "int", "allowed_updates": "list"},
    "setWebhook": {
        "url": "str!", "max_connections": "int", "allowed_updates": "list", "secret_token": "str",
        "drop_pending_updates": "bool", "ip_address": "str",
    },
    "deleteWebhook": {"drop_pending_updates": "bool"},
    "getWebhookInfo": {},
    "sendMessage": {
        **_WHERE, **_REPLY, "text": "str!", "entities": "list", "link_preview_options": "object",
    },
    "sendPhoto": {**_WHERE, **_REPLY, "photo": "file!", "caption": "str", "caption_entities": "list"},
    "sendDocument": {**_WHERE, **_REPLY, "document": "file!", "caption": "str", "caption_entities": "list"},
    "sendMessageDraft": {**_WHERE, "draft_id": "int!", "text": "str", "entities": "list"},
    "sendChatAction": {**_WHERE, "action": "str!"},
    "editMessageText": {
        "chat_id": "chat!", "message_id": "int!", "text": "str!", "entities": "list",
        "link_preview_options": "object", "reply_markup": "object",
    },
    "deleteMessage": {"chat_id": "chat!", "message_id": "int!"},
    "answerCallbackQuery": {"callback_query_id": "str!", "text": "str", "show_alert": "bool"},
    "getFile": {"file_id": "str!"},
    "getMyCommands": {"scope": "object", "language_code": "str"},
    "setMyCommands": {"commands": "list!", "scope": "object", "language_code": "str"},
}  # fmt: skip


def parse(method: str, given: dict[str, str], files: dict[str, tuple[str, bytes]]) -> dict[str, Any]:
    """Parameters by name, of the right types. Raises ApiError."""
    if method not in METHODS:
        raise ApiError(404, "Not Found")
    known = METHODS[method]
    for name in (*given, *files):
        if name not in known:
            raise _bad(f"unknown parameter {name}")
    values: dict[str, Any] = {}
    for name, kind in known.items():
        if name in files:
            values[name] = files[name]
        elif name in given:
            values[name] = _typed(name, kind.rstrip("!"), given[name])
        elif kind.endswith("!"):
            raise _bad(f"message {name} is empty" if name == "text" else f"parameter {name} is required")
    return values


def _typed(name: str, kind: str, text: str) -> Any:
    if kind == "str":
        return text
    if kind in ("int", "chat"):
        if not text.lstrip("-").isdecimal():
            raise _bad("chat not found" if kind == "chat" else f"parameter {name} must be an integer")
        return int(text)
    if kind == "bool":
        if text not in ("true", "false"):
            raise _bad(f"parameter {name} must be a boolean")
        return text == "true"
    if kind == "file":
        return ("", text)
    try:
        value = json.loads(text)
    except ValueError:
        raise _bad(f"can't parse {name}: JSON expected") from None
    if not isinstance(value, dict if kind == "object" else list):
        raise _bad(f"can't parse {name}: {kind} expected")
    return value


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def check_text(text: str, *, limit: int = TEXT_LIMIT, what: str = "message text") -> str:
    """The text as it will be shown."""
    shown = text.strip()
    if not shown and what == "message text":
        raise _bad("message text is empty")
    if utf16(shown) > limit:
        raise _bad("message is too long" if what == "message text" else "message caption is too long")
    return shown


def check_entities(text: str, entities: list[Any]) -> list[dict[str, Any]]:
    """The entities, when each is of a known type, inside the text and of whole characters."""
    starts, at = {0}, 0
    for character in text:
        at += utf16(character)
        starts.add(at)
    for entity in entities:
        if not isinstance(entity, dict) or entity.get("type") not in ENTITY_TYPES:
            raise _bad("can't parse entities: unsupported type specified")
        offset, length = entity.get("offset"), entity.get("length")
        if not isinstance(offset, int) or not isinstance(length, int) or offset < 0 or length < 1:
            raise _bad("ENTITY_BOUNDS_INVALID")
        if offset not in starts or offset + length not in starts:
            raise _bad("ENTITY_BOUNDS_INVALID")
        if entity["type"] == "text_link" and not str(entity.get("url", "")).startswith(("http", "tg:")):
            raise _bad("ENTITY_URL_INVALID")
        unknown = set(entity) - {"type", "offset", "length", "url", "user", "language", "custom_emoji_id"}
        if unknown:
            raise _bad(f"can't parse entities: unknown field {unknown}")
    return entities


def check_keyboard(markup: dict[str, Any]) -> dict[str, Any]:
    """An inline keyboard, the only markup that is used here."""
    rows = markup.get("inline_keyboard")
    if not isinstance(rows, list) or set(markup) != {"inline_keyboard"}:
        raise _bad("object expected as reply markup")
    if sum(len(row) for row in rows) > BUTTONS or any(len(row) > ROW for row in rows):
        raise _bad("reply markup is too long")
    for key in (key for row in rows for key in row):
        if not str(key.get("text", "")).strip():
            raise _bad('can\'t parse inline keyboard button: Field "text" must be of type String')
        if (
            set(key) - {"text", "callback_data", "url", "style"}
            or len(set(key) & {"callback_data", "url"}) != 1
        ):
            raise _bad(
                "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
            )
        if "callback_data" in key and not 1 <= len(key["callback_data"].encode()) <= DATA_LIMIT:
            raise _bad("BUTTON_DATA_INVALID")
    return markup
