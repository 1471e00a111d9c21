"""The sending half of the emulated Bot API."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.emulators.telegram_flood import Flood
from tests.emulators.telegram_rules import (
    CAPTION_LIMIT,
    ApiError,
    check_entities,
    check_keyboard,
    check_text,
)
from tests.emulators.telegram_world import Chat, World

__all__ = ["Sending"]

PHOTO_LIMIT, UPLOAD_LIMIT, DOWNLOAD_LIMIT = 10_000_000, 50_000_000, 20 * 1024 * 1024
PICTURES = (b"\x89PNG", b"\xff\xd8", b"RIFF")
Params = dict[str, Any]


class Sending:
    """Methods that write to chats. `sent` is told of each message: `sent`, `edited`, `deleted`, `draft`."""

    def __init__(self, world: World, flood: Flood, sent: Callable[[str, dict[str, Any]], None]) -> None:
        self._world = world
        self._flood = flood
        self._sent = sent
        self.takes_drafts = True
        """False: this server is older than sendMessageDraft."""
        self.answered: dict[str, Params] = {}
        """Callback queries that were answered, by id."""

    def handler(self, method: str) -> Callable[[Params], Awaitable[Any]]:
        handlers: dict[str, Callable[[Params], Awaitable[Any]]] = {
            "sendMessage": self._message,
            "sendPhoto": self._photo,
            "sendDocument": self._document,
            "sendMessageDraft": self._draft,
            "sendChatAction": self._action,
            "editMessageText": self._edit,
            "deleteMessage": self._delete,
            "answerCallbackQuery": self._answer,
            "getFile": self._file,
        }
        return handlers[method]

    # ── messages ──

    async def _message(self, params: Params) -> Any:
        text = check_text(params["text"])
        body = {"text": text, **_formatted("entities", text, params)}
        return self._keep(params, body)

    async def _photo(self, params: Params) -> Any:
        name, data = params["photo"]
        if len(data) > PHOTO_LIMIT:
            raise _bad("file is too big")
        if not data.startswith(PICTURES):
            raise _bad("IMAGE_PROCESS_FAILED")
        described = {**self._world.file(data, f"photos/{name}"), "width": 100, "height": 100}
        return self._keep(params, {"photo": [described], **_caption(params)})

    async def _document(self, params: Params) -> Any:
        name, data = params["document"]
        if len(data) > UPLOAD_LIMIT:
            raise ApiError(413, "Request Entity Too Large")
        described = {**self._world.file(data, f"documents/{name}"), "file_name": name}
        return self._keep(params, {"document": described, **_caption(params)})

    async def _draft(self, params: Params) -> Any:
        if not self.takes_drafts:
            raise ApiError(404, "Not Found")
        chat = self._chat(params)
        if chat.type != "private":
            raise _bad("TEXTDRAFT_PEER_INVALID")
        if params["draft_id"] == 0:
            raise _bad("RANDOM_ID_INVALID")
        text = params.get("text", "")
        if text:
            check_text(text)
        self._flood.other()
        self._sent("draft", {"chat": chat.described(), "text": text, "draft_id": params["draft_id"]})
        return True

    async def _edit(self, params: Params) -> Any:
        chat = self._chat(params)
        message = chat.messages.get(params["message_id"])
        if message is None:
            raise _bad("message to edit not found")
        if message["from"]["id"] != self._world.bot["id"]:
            raise _bad("message can't be edited")
        text = check_text(params["text"])
        new = {"text": text, **_formatted("entities", text, params), **_markup(params)}
        old = {name: message[name] for name in ("text", "entities", "reply_markup") if name in message}
        if json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True):
            raise _bad(
                "message is not modified: specified new message content and reply markup are exactly the "
                "same as a current content and reply markup of the message"
            )
        self._flood.message(chat.id)
        kept = {k: v for k, v in message.items() if k not in old}
        chat.messages[params["message_id"]] = kept | new | {"edit_date": self._world.now()}
        self._sent("edited", chat.messages[params["message_id"]])
        return chat.messages[params["message_id"]]

    async def _delete(self, params: Params) -> Any:
        message = self._chat(params).messages.pop(params["message_id"], None)
        if message is None:
            raise _bad("message to delete not found")
        self._sent("deleted", message)
        return True

    # ── small things ──

    async def _action(self, params: Params) -> Any:
        chat = self._chat(params)
        self._check_topic(chat, params)
        if params["action"] not in ("typing", "upload_photo", "upload_document", "record_voice"):
            raise _bad("wrong parameter action in request")
        return True

    async def _answer(self, params: Params) -> Any:
        query = params["callback_query_id"]
        if not self._world.callbacks.get(query):
            raise _bad("query is too old and response timeout expired or query ID is invalid")
        if len(params.get("text", "")) > 200:
            raise _bad("MESSAGE_TOO_LONG")
        self.answered[query] = params
        return True

    async def _file(self, params: Params) -> Any:
        found = self._world.files.get(params["file_id"])
        if found is None:
            raise _bad("wrong file_id or the file is temporarily unavailable")
        path, data = found
        if len(data) > DOWNLOAD_LIMIT:
            raise _bad("file is too big")
        ids = {"file_id": params["file_id"], "file_unique_id": "u"}
        return {**ids, "file_size": len(data), "file_path": path}

    # ── checks ──

    def _chat(self, params: Params) -> Chat:
        chat = self._world.chats.get(params["chat_id"])
        if chat is None:
            raise _bad("chat not found")
        if chat.moved_to is not None:
            raise ApiError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": chat.moved_to},
            )
        if chat.refusal:
            raise ApiError(403 if chat.refusal.startswith("Forbidden") else 400, chat.refusal)
        return chat

    def _check_topic(self, chat: Chat, params: Params) -> None:
        thread = params.get("message_thread_id")
        if thread is not None and thread not in chat.topics:
            raise _bad("message thread not found")

    def _keep(self, params: Params, body: dict[str, Any]) -> dict[str, Any]:
        """Check where a message goes and put it there."""
        chat = self._chat(params)
        self._check_topic(chat, params)
        reply = params.get("reply_parameters")
        replied = None
        if reply is not None:
            replied = chat.messages.get(reply.get("message_id"))
            if replied is None and not reply.get("allow_sending_without_reply"):
                raise _bad("message to be replied not found")
        markup = _markup(params)
        self._flood.message(chat.id)
        answered = {"reply_to_message": replied} if replied else {}
        whole = {"from": self._world.bot, **answered, **body, **markup}
        message = self._world.keep(chat, whole, thread=params.get("message_thread_id"))
        self._sent("sent", message)
        return message


def _bad(description: str) -> ApiError:
    return ApiError(400, f"Bad Request: {description}")


def _formatted(name: str, text: str, params: Params) -> dict[str, Any]:
    return {name: check_entities(text, params[name])} if params.get(name) else {}


def _caption(params: Params) -> dict[str, Any]:
    if not params.get("caption"):
        return {}
    caption = check_text(params["caption"], limit=CAPTION_LIMIT, what="caption")
    return {"caption": caption, **_formatted("caption_entities", caption, params)}


def _markup(params: Params) -> dict[str, Any]:
    return {"reply_markup": check_keyboard(params["reply_markup"])} if "reply_markup" in params else {}
