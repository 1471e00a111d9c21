"""Files of ours to WeCom over the long connection: begun, sent in chunks, ended; then they have a media id.

Source: 智能机器人长连接, 上传临时素材 (developer.work.weixin.qq.com/document/path/101463).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final, Literal

import msgspec

from adapters.base import Attachment
from adapters.wecom.aibot.frames import Frame
from adapters.wecom.aibot.link import Link
from adapters.wecom.media import kind_of
from bot.errors import SendAmbiguous, SendError

__all__ = ["CHUNK", "upload"]

CHUNK: Final = 512 << 10
"""Bytes of one chunk, before base64."""
TRIES: Final = 3
"""For one chunk; a chunk that is sent twice counts once."""


class _Result(msgspec.Struct, frozen=True):
    upload_id: str = ""
    media_id: str = ""


async def upload(link: Link, attachment: Attachment) -> tuple[Literal["image", "file"], str]:
    """How WeCom took it, and its media id, which lasts three days.

    Raises:
        AttachmentRefused: WeCom doesn't take such a file.
        RetryLater, SendRefused, SendError: as `Link.request`. An upload shows nothing to anybody, so
            none of it is ambiguous.
    """
    kind, data = kind_of(attachment), attachment.data
    chunks = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    begun = await _ask(
        link,
        "aibot_upload_media_init",
        {
            "type": kind,
            "filename": attachment.name or "file",
            "total_size": len(data),
            "total_chunks": len(chunks),
            "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        },
    )
    for index, chunk in enumerate(chunks):
        body = {
            "upload_id": begun.upload_id,
            "chunk_index": index,
            "base64_data": base64.b64encode(chunk).decode(),
        }
        await _ask(link, "aibot_upload_media_chunk", body, tries=TRIES)
    ended = await _ask(link, "aibot_upload_media_finish", {"upload_id": begun.upload_id})
    if not ended.media_id:
        raise SendError("WeCom gave no media_id for an upload")
    return kind, ended.media_id


async def _ask(link: Link, cmd: str, body: Any, *, tries: int = 1) -> _Result:
    for left in reversed(range(tries)):
        try:
            return _result(await link.request(cmd, body))
        except SendAmbiguous as error:
            if not left:
                raise SendError(f"an upload to WeCom broke off: {error}") from None
    raise AssertionError("unreachable")


def _result(frame: Frame) -> _Result:
    try:
        return msgspec.json.decode(frame.body, type=_Result | None) or _Result()
    except msgspec.DecodeError:
        return _Result()
