"""Files a customer sends, and files shown back: bounded, typed by content, safely named."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from typing import Final
from urllib.parse import quote

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from adapters.base import Attachment
from adapters.web.messages import READ_SECONDS
from adapters.web.refusals import SECURITY_HEADERS, Refusal
from adapters.web.settings import WebSettings
from adapters.web.sniff import PICTURES, sniff
from adapters.web.strings import ACCEPTED_TYPES, size

__all__ = ["read_upload", "safe_name", "served"]

NAME_LIMIT: Final = 120
_ENVELOPE: Final = 16 * 1024
"""What multipart's own headers and boundaries may add to a file."""
_EXTENSIONS: Final[dict[str, tuple[str, ...]]] = {
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg", "jfif"),
    "image/webp": ("webp",),
    "image/gif": ("gif",),
    "application/pdf": ("pdf",),
    "text/plain": ("txt", "csv", "log", "md", "text"),
    "audio/wav": ("wav",),
    "audio/ogg": ("ogg", "oga", "opus"),
    "audio/webm": ("webm",),
    "audio/mp4": ("m4a", "mp4"),
    "audio/mpeg": ("mp3",),
}


async def read_upload(request: web.Request, settings: WebSettings) -> Attachment:
    """The one file of a multipart body; at most the limit of it is ever held.

    Raises:
        Refusal: 400 (no or empty file), 408 (trickles), 413 (too large), 415 (not a type we take).
    """
    limit = settings.upload_limit_bytes
    if request.content_type != "multipart/form-data":
        raise Refusal(400, "bad_upload")
    if (request.content_length or 0) > limit + _ENVELOPE:
        raise Refusal(413, "upload_too_large", limit=size(limit))
    try:
        async with asyncio.timeout(READ_SECONDS):
            name, data = await _read_file(request, limit)
    except TimeoutError:
        raise Refusal(408, "too_slow") from None
    except (ValueError, AssertionError, RuntimeError, HttpProcessingError):
        # What aiohttp's reader raises on a body that isn't well-formed multipart.
        raise Refusal(400, "bad_upload") from None
    if not data:
        raise Refusal(400, "empty_file")
    mime = await asyncio.to_thread(sniff, data)
    if mime is None:
        raise Refusal(415, "upload_type", types=ACCEPTED_TYPES)
    return Attachment(name=safe_name(name, mime), mime=mime, data=data)


async def _read_file(request: web.Request, limit: int) -> tuple[str, bytes]:
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.filename is None:
            continue
        data = bytearray()
        while chunk := await part.read_chunk():
            data += chunk
            if len(data) > limit:
                raise Refusal(413, "upload_too_large", limit=size(limit))
        return part.filename, bytes(data)
    raise Refusal(400, "bad_upload")


def safe_name(name: str, mime: str) -> str:
    """`name` without path, control or direction-changing characters, at most 120 characters long,
    and ending as files of `mime` do: a picture that calls itself .exe is saved as .exe.png."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    base = "".join(c for c in base if unicodedata.category(c)[0] != "C").strip(" .")
    extensions = _EXTENSIONS[mime]
    if not base:
        return f"file.{extensions[0]}"
    stem, dot, extension = base.rpartition(".")
    if not dot or extension.lower() not in extensions:
        stem, extension = base, extensions[0]
    return f"{stem[: NAME_LIMIT - 1 - len(extension)]}.{extension}"


def served(attachment: Attachment, request: web.Request) -> web.Response:
    """A kept file for its own customer: pictures in place, all else as a download, nothing run."""
    inline = attachment.mime in PICTURES
    headers = {
        **SECURITY_HEADERS,
        "Content-Type": attachment.mime if inline or not _active(attachment.mime) else "text/plain",
        "Content-Disposition": _disposition(attachment.name, inline=inline),
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "Cache-Control": "private, max-age=86400, immutable",
        "Accept-Ranges": "bytes",
    }
    total = len(attachment.data)
    try:
        wanted = request.http_range
    except ValueError:
        return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{total}"})
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=attachment.data, headers=headers)
    # Safari plays audio only from servers that answer ranges.
    start, stop, _ = wanted.indices(total)
    if start >= stop:
        return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{total}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
    return web.Response(status=206, body=attachment.data[start:stop], headers=headers)


def _active(mime: str) -> bool:
    return "html" in mime or "xml" in mime or "script" in mime


def _disposition(name: str, *, inline: bool) -> str:
    # RFC 6266: an ASCII stand-in for the few that don't read filename*.
    plain = re.sub(r'[^ -~]|["\\%]', "_", name)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
