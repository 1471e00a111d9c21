"""Fetching what customers attached. The token goes to Slack and to nobody else."""

from __future__ import annotations

from urllib.parse import unquote, urljoin, urlsplit

import aiohttp

from adapters.base import Attachment
from adapters.slack.api import Refusal, Unwell
from adapters.slack.delivery import trusted
from adapters.slack.workspace import Workspace
from bot.errors import AttachmentRefused, RetryLater, SendError, UnknownAttachment

__all__ = ["fetch_file"]

REDIRECTS = 3
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)


async def fetch_file(
    workspace: Workspace, session: aiohttp.ClientSession, base_url: str, ref: str, limit: int
) -> Attachment:
    """The file behind a part's `ref`: its private address, or `file:` and its id.

    Raises:
        UnknownAttachment: it isn't there, or not at Slack's.
        AttachmentRefused: it has more than `limit` bytes.
        SendError: it can't be had now.
    """
    url = await _address(workspace, ref.removeprefix("file:")) if ref.startswith("file:") else ref
    try:
        for _ in range(REDIRECTS):
            if not trusted(url, base_url):
                raise UnknownAttachment("the file isn't kept at Slack; ask the sender to upload it")
            headers = {"Authorization": f"Bearer {workspace.token}"}
            async with session.get(url, headers=headers, allow_redirects=False, timeout=_TIMEOUT) as response:
                if response.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, response.headers.get("Location", ""))
                    continue
                _check(response)
                data = await _read(response, limit)
                return Attachment(_name(url), response.content_type, data)
    except (TimeoutError, aiohttp.ClientError) as error:
        raise SendError(f"Slack's file store can't be reached: {type(error).__name__}") from None
    raise SendError("the file can't be read: give the bot the scope files:read and install it again")


async def _address(workspace: Workspace, file: str) -> str:
    """Where a file from a shared channel lies: its message gives no address."""
    try:
        found = (await workspace.ask(workspace.client.files_info(file=file))).get("file")
    except (Refusal, Unwell) as error:
        if error.code in ("file_not_found", "file_deleted"):
            raise UnknownAttachment("the file was deleted") from None
        raise
    url = found.get("url_private") if isinstance(found, dict) else None
    if not isinstance(url, str):
        raise UnknownAttachment("the file has no address")
    return url


def _check(response: aiohttp.ClientResponse) -> None:
    if response.status == 429:
        raise RetryLater("Slack's file store asks for patience", 5.0)
    if response.status in (401, 403):
        raise SendError("the file can't be read: give the bot the scope files:read and install it again")
    if response.status in (404, 410):
        raise UnknownAttachment("the file was deleted")
    if response.status != 200:
        raise SendError(f"Slack's file store answered {response.status}")
    if response.content_type == "text/html" and not urlsplit(str(response.url)).path.endswith(
        (".html", ".htm")
    ):
        # Without files:read Slack sends its sign-in page, with status 200.
        raise SendError("Slack sent its sign-in page: give the bot the scope files:read and install it again")


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    if (response.content_length or 0) > limit:
        raise AttachmentRefused(f"at most {limit} bytes are taken")
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > limit:
            raise AttachmentRefused(f"at most {limit} bytes are taken")
    return bytes(data)


def _name(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])[:200]
