"""Files between customers and an AI bot: theirs are fetched and decrypted, ours checked and encoded.

Source: 接收消息, 多媒体资源解密 (developer.work.weixin.qq.com/document/path/100719 and …/101463).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import mimetypes
from typing import Any, Final

import aiohttp

from adapters.base import Attachment
from adapters.wecom.crypto import CryptoError, decrypt_file
from adapters.wecom.media import file_name, picture_type
from bot.errors import AttachmentRefused, SendError, UnknownAttachment

__all__ = ["FETCH_LIMIT", "PICTURE_LIMIT", "fetch", "is_picture", "picture_item"]

FETCH_LIMIT: Final = 20 << 20
"""Bytes of a customer's file that are fetched; WeCom lets them send 100 MB."""
PICTURE_LIMIT: Final = 10 << 20
"""Bytes of a picture in an answer, JPEG or PNG."""


async def fetch(
    session: aiohttp.ClientSession, ref: str, bot_key: bytes | None, *, limit: int = FETCH_LIMIT
) -> Attachment:
    """The file behind a reference that `incoming` made; WeCom keeps it for five minutes.

    Args:
        bot_key: decrypts files that have no key of their own.

    Raises:
        UnknownAttachment, AttachmentRefused, SendError: as `Adapter.fetch`.
    """
    own, _, url = ref.partition(" ")
    key = _key(own) if own else bot_key
    if key is None or not url:
        raise UnknownAttachment("not a reference of this bot")
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status >= 500:
                raise SendError(f"WeCom answers status {response.status} to a download")
            if response.status >= 300:
                raise UnknownAttachment("WeCom doesn't have this file any more (it keeps them for 5 minutes)")
            sealed = bytearray()
            async for piece in response.content.iter_any():
                sealed += piece
                if len(sealed) > limit + 32:
                    raise AttachmentRefused(f"at most {limit} bytes are taken")
            name = file_name(response.headers.get("Content-Disposition", ""))
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        raise SendError(f"WeCom's file can't be fetched: {type(error).__name__}") from None
    try:
        data = decrypt_file(bytes(sealed), key)
    except CryptoError as error:
        raise UnknownAttachment(f"the file can't be decrypted: {error}") from None
    mime = picture_type(data) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Attachment(name, mime, data)


def is_picture(attachment: Attachment) -> bool:
    """Whether WeCom shows it in an answer."""
    return bool(picture_type(attachment.data)) and len(attachment.data) <= PICTURE_LIMIT


def picture_item(data: bytes) -> dict[str, Any]:
    """A picture as a finished stream carries it."""
    # MD5 is what WeCom asks for; it protects nothing.
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return {"msgtype": "image", "image": {"base64": base64.b64encode(data).decode(), "md5": digest}}


def _key(text: str) -> bytes | None:
    """A file's own key: base64 of 32 bytes, with or without its padding."""
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == 32 else None
