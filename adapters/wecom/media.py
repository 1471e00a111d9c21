"""Files to and from WeCom: temporary media, which last three days.

Source: 上传临时素材, 获取临时素材 (developer.work.weixin.qq.com/document/path/90253, 90254).
"""

from __future__ import annotations

import hashlib
import io
import re
from typing import Final, Literal
from urllib.parse import unquote

import aiohttp

from adapters.base import Attachment, Notes
from adapters.wecom.api import WeComApi
from adapters.wecom.wire import Form
from bot.errors import AttachmentRefused, SendError, SendRefused, UnknownAttachment

__all__ = [
    "FILE_LIMIT",
    "IMAGE_LIMIT",
    "UPLOAD_S",
    "MediaKind",
    "fetch",
    "file_name",
    "form",
    "kind_of",
    "picture_type",
    "upload",
]

MediaKind = Literal["image", "file"]

IMAGE_LIMIT: Final = 10 << 20
"""Bytes of a picture, JPEG or PNG."""
FILE_LIMIT: Final = 20 << 20
LEAST: Final = 6
"""Bytes: WeCom takes nothing of 5 bytes or less."""
KEPT_S: Final = 2.5 * 24 * 3600
"""How long a media id is used again; WeCom keeps it for 3 days."""
UPLOAD_S: Final = 12.0
"""Seconds an upload may take: with the message after it, less than a send has before it is tried again."""

_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]+')
_EXTENDED: Final = re.compile(r"filename\*\s*=\s*(?:UTF-8|utf-8)''([^;\s]+)")
_QUOTED: Final = re.compile(r'filename\s*=\s*"((?:[^"\\]|\\.)*)"')
_BARE: Final = re.compile(r"filename\s*=\s*([^;\s]+)")


async def fetch(api: WeComApi, media_id: str, *, limit: int = FILE_LIMIT) -> Attachment:
    """A file that a customer sent.

    Raises:
        UnknownAttachment: it isn't there any more.
        AttachmentRefused: it has more than `limit` bytes.
        SendError: WeCom can't be reached now.
    """
    if not media_id:
        raise UnknownAttachment("an empty media id")
    try:
        got = await api.download("media/get", params={"media_id": media_id}, limit=limit)
    except SendRefused as error:
        raise UnknownAttachment(f"WeCom doesn't have this file any more (kept 3 days): {error}") from None
    return Attachment(file_name(got.disposition), got.mime, got.data)


async def upload(
    api: WeComApi, notes: Notes, ref: str, attachment: Attachment, kind: MediaKind, *, afresh: bool = False
) -> str:
    """The media id of a file of ours; the one noted earlier, unless `afresh`.

    Raises:
        SendError, RetryLater, WeComRefused, StoreBusy
    """
    note = f"media:{kind}:{hashlib.sha256(ref.encode()).hexdigest()[:32]}"
    if not afresh and (noted := await notes.get(note)):
        return noted
    # Uploading shows nothing to anybody: it may be done twice.
    answer = await api.call(
        "POST",
        "media/upload",
        params={"type": kind},
        form=form(attachment),
        repeatable=True,
        timeout_s=UPLOAD_S,
    )
    media_id = answer.get("media_id")
    if not isinstance(media_id, str) or not media_id:
        raise SendError("WeCom's media/upload gave no media_id")
    await notes.put(note, media_id, ttl_s=KEPT_S)
    return media_id


def form(attachment: Attachment) -> Form:
    """The multipart body with the file as `media`, its name in UTF-8 as it is: WeCom shows a
    percent-encoded one with its percent signs."""

    def make() -> aiohttp.FormData:
        data = aiohttp.FormData(quote_fields=False)
        name = _UNSAFE.sub("_", attachment.name)[-120:] or "file"
        mime = attachment.mime if "/" in attachment.mime else "application/octet-stream"
        data.add_field("media", io.BytesIO(attachment.data), filename=name, content_type=mime)
        return data

    return make


def kind_of(attachment: Attachment, *, image_limit: int = IMAGE_LIMIT) -> MediaKind:
    """How WeCom can take it: as a picture, if it is one of a type and size that it shows, else as a file.

    Raises:
        AttachmentRefused: not at all.
    """
    size = len(attachment.data)
    if not LEAST <= size <= FILE_LIMIT:
        raise AttachmentRefused(f"{size} bytes; WeCom takes {LEAST} to {FILE_LIMIT}")
    return "image" if picture_type(attachment.data) and size <= image_limit else "file"


def picture_type(data: bytes) -> str:
    """The MIME type of a JPEG or PNG by its first bytes; empty for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/png" if data.startswith(b"\x89PNG\r\n\x1a\n") else ""


def file_name(disposition: str) -> str:
    """The file's name in a Content-Disposition header: extended, quoted or bare, encoded or not; without
    anything that could lead out of a folder."""
    name = ""
    if found := _EXTENDED.search(disposition):
        name = unquote(found.group(1))
    elif found := _QUOTED.search(disposition):
        name = unquote(re.sub(r"\\(.)", r"\1", found.group(1)))
    elif found := _BARE.search(disposition):
        name = unquote(found.group(1))
    # Bytes that weren't UTF-8 come as surrogates, which no database takes.
    name = name.encode("utf-8", "replace").decode()
    return _UNSAFE.sub("_", name).strip(". ")[-120:] or "file"
