"""Downloads what a customer sent."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath

from telegram.error import BadRequest, InvalidToken, TelegramError

from adapters.base import Attachment
from adapters.telegram.api import Api
from adapters.telegram.refusals import translate
from bot.errors import AttachmentRefused, UnknownAttachment

__all__ = ["fetch"]

# What Telegram names its own conversions; the standard table lacks or varies on these.
_TYPES = {".oga": "audio/ogg", ".webp": "image/webp", ".tgs": "application/x-tgsticker"}


async def fetch(api: Api, ref: str, limit: int) -> Attachment:
    """The file with the id `ref`.

    Args:
        limit: bytes at most.

    Raises:
        UnknownAttachment, AttachmentRefused, SendError
    """
    try:
        described = await api.file(ref)
    except BadRequest as error:
        if "too big" in str(error).lower():
            raise AttachmentRefused("Telegram hands out no file as large as this one") from error
        raise UnknownAttachment("Telegram doesn't know the file (any more)") from error
    except TelegramError as error:
        raise translate(error) from error
    size, path = described.get("file_size"), described.get("file_path")
    if isinstance(size, int):
        _check_size(size, limit)
    if not isinstance(path, str) or not path:
        raise UnknownAttachment("Telegram doesn't hand the file out")
    try:
        data = await api.download(path)
    except (InvalidToken, BadRequest) as error:
        # 404: a download link lives an hour.
        raise UnknownAttachment("the file isn't there any more") from error
    except TelegramError as error:
        raise translate(error) from error
    _check_size(len(data), limit)
    name = PurePosixPath(path).name
    return Attachment(name, _type(name), data)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise AttachmentRefused(f"the file has {size} bytes; at most {limit} are taken")


def _type(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
