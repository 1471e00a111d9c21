from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.web import WebAdapter
from adapters.web.sniff import sniff
from adapters.web.uploads import safe_name
from bot.errors import AttachmentRefused, StoreBusy
from tests.adapters.host import MemoryHost
from tests.adapters.test_web_api import browser, refusal
from tests.adapters.web_host import SETTINGS, Served, serve

LIMIT = 64 * 1024
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)

TAKEN = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(20),
    "image/gif": b"GIF89a" + bytes(20),
    "image/webp": b"RIFF\x20\0\0\0WEBPVP8 " + bytes(20),
    "application/pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "text/plain": "您好，请看。\n第二行\t".encode(),
    "audio/wav": b"RIFF\x20\0\0\0WAVEfmt " + bytes(20),
    "audio/ogg": b"OggS\0\x02" + bytes(22) + b"OpusHead\x01\x01",
    "audio/webm": b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm" + b"\x86\x86A_OPUS",
    "audio/mpeg": b"ID3\x04\0\0\0\0\0\0",
    "audio/mp4": b"\0\0\0\x1cftypM4A \0\0\0\0",
}
REFUSED = {
    "program": b"MZ\x90\0\x03\0\0\0",
    "archive": b"PK\x03\x04\x14\0\0\0",
    "page": b"\n <!DOCTYPE html><script>alert(1)</script>",
    "drawing with scripts": b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
    "shell script": b"#!/bin/sh\nrm -rf /\n",
    "film (webm)": b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm" + b"\x86\x85V_VP9",
    "film (mp4)": b"\0\0\0\x1cftypisom\0\0\0\0....hdlr....vide....hdlr....soun",
    "sound in another wrapping": b"RIFF\x20\0\0\0AVI LIST",
    "nonsense": bytes(range(256)),
}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve(WebAdapter(replace(SETTINGS, upload_limit_bytes=LIMIT)), MemoryHost()) as it:
        yield it


@pytest.fixture
async def page(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with browser(served) as session:
        await (await session.get("/")).read()
        yield session


async def upload(
    page: aiohttp.ClientSession, data: bytes, name: str = "a", claimed: str = "image/png"
) -> aiohttp.ClientResponse:
    form = aiohttp.FormData()
    form.add_field("file", BytesIO(data), filename=name, content_type=claimed)
    return await page.post("/api/uploads", data=form)


@pytest.mark.parametrize(("mime", "data"), TAKEN.items(), ids=TAKEN)
async def test_a_file_is_what_its_content_is(page: aiohttp.ClientSession, mime: str, data: bytes) -> None:
    response = await upload(page, data, "invoice.exe", "application/x-msdownload")
    assert response.status == 201
    kept: dict[str, Any] = await response.json()
    assert (kept["mime"], kept["size"]) == (mime, len(data))
    assert not kept["name"].endswith(".exe")
    shown = await page.get(f"/api/uploads/{kept['ref']}")
    assert await shown.read() == data
    assert shown.content_type == mime
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    disposition = shown.headers["Content-Disposition"]
    assert disposition.startswith("inline" if mime.startswith("image/") else "attachment")


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
async def test_other_content_is_refused_whatever_it_is_called(
    page: aiohttp.ClientSession, data: bytes
) -> None:
    response = await upload(page, data, "picture.png", "image/png")
    assert response.status == 415
    said = (await refusal(response))["message"]
    assert "PNG" in said["zh"]
    assert "plain text" in said["en"]


@pytest.mark.parametrize("over", [1, 20 * LIMIT], ids=["a byte", "a lot"])
async def test_a_file_over_the_limit_is_refused_and_the_limit_named(
    page: aiohttp.ClientSession, over: int
) -> None:
    response = await upload(page, PNG + bytes(LIMIT - len(PNG) + over))
    assert response.status == 413
    said = (await refusal(response))["message"]
    assert "64 KB" in said["zh"]
    assert "64 KB" in said["en"]


async def test_a_file_of_just_the_limit_is_taken(page: aiohttp.ClientSession) -> None:
    assert (await upload(page, PNG + bytes(LIMIT - len(PNG)))).status == 201


async def test_an_endless_body_is_read_no_further_than_the_limit(
    page: aiohttp.ClientSession, served: Served
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + PNG
        while sent < 40 * LIMIT:
            sent += LIMIT
            yield bytes(LIMIT)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        response = await page.post("/api/uploads", data=endless(), headers=headers)
        assert response.status == 413
        await response.read()
    except aiohttp.ClientError:
        # The server answered and hung up while we were still sending.
        assert sent < 40 * LIMIT
    assert served.host.attachments == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b--\r\n",
        b"no multipart at all",
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nno file name\r\n--b--\r\n',
        b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n",
    ],
)
async def test_what_is_no_upload_is_refused(page: aiohttp.ClientSession, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = await page.post("/api/uploads", data=body, headers=headers)
    assert response.status == 400
    assert (await refusal(response))["code"] == "bad_upload"


async def test_an_empty_file_and_another_content_type_are_refused(page: aiohttp.ClientSession) -> None:
    assert (await refusal(await upload(page, b"")))["code"] == "empty_file"
    response = await page.post("/api/uploads", json={"file": "x"})
    assert (response.status, (await refusal(response))["code"]) == (400, "bad_upload")


async def test_another_conversations_file_is_not_there(page: aiohttp.ClientSession, served: Served) -> None:
    ref = (await (await upload(page, PNG)).json())["ref"]
    async with browser(served) as other:
        await other.get("/")
        assert (await other.get(f"/api/uploads/{ref}")).status == 404
        response = await other.post("/api/messages", json={"id": "1", "text": "x", "attachments": [ref]})
        assert response.status == 400
    assert (await page.get(f"/api/uploads/{ref}")).status == 200
    await page.post("/api/session/reset")
    assert (await page.get(f"/api/uploads/{ref}")).status == 404


async def test_a_busy_store_refuses_for_now(page: aiohttp.ClientSession, served: Served) -> None:
    served.host.failure = StoreBusy("locked")
    response = await upload(page, PNG)
    assert (response.status, "Retry-After" in response.headers) == (503, True)


async def test_a_file_found_unsafe_is_refused_without_saying_why(
    page: aiohttp.ClientSession, served: Served
) -> None:
    served.host.failure = AttachmentRefused("an archive hangs behind it")
    response = await upload(page, PNG)
    said = await refusal(response)
    assert (response.status, said["code"]) == (415, "upload_unsafe")
    assert "archive" not in said["message"]["en"]


async def test_a_part_of_a_recording_can_be_asked_for(page: aiohttp.ClientSession) -> None:
    data = TAKEN["audio/wav"]
    ref = (await (await upload(page, data)).json())["ref"]
    part = await page.get(f"/api/uploads/{ref}", headers={"Range": "bytes=4-7"})
    assert (part.status, await part.read()) == (206, data[4:8])
    assert part.headers["Content-Range"] == f"bytes 4-7/{len(data)}"
    assert (await page.get(f"/api/uploads/{ref}", headers={"Range": "bytes=9999-"})).status == 416
    assert (await page.get(f"/api/uploads/{ref}", headers={"Range": "lines=1"})).status == 416


@pytest.mark.parametrize(
    ("given_name", "mime", "kept"),
    [
        ("对账单.pdf", "application/pdf", "对账单.pdf"),
        ("C:\\Users\\me\\photo.JPG", "image/jpeg", "photo.JPG"),
        ("../../etc/passwd", "text/plain", "passwd.txt"),
        ("run.exe", "image/png", "run.exe.png"),
        ("invoice\u202efdp.exe", "application/pdf", "invoicefdp.exe.pdf"),
        ("a\r\nSet-Cookie: x=1.txt", "text/plain", "aSet-Cookie: x=1.txt"),
        ("", "image/gif", "file.gif"),
        ("...", "image/webp", "file.webp"),
        ("n" * 300 + ".png", "image/png", "n" * 116 + ".png"),
    ],
)
def test_names_are_made_safe(given_name: str, mime: str, kept: str) -> None:
    assert safe_name(given_name, mime) == kept


@given(st.text(), st.sampled_from(sorted(TAKEN)))
def test_any_name_becomes_a_short_printable_one_without_a_path(name: str, mime: str) -> None:
    kept = safe_name(name, mime)
    assert 0 < len(kept) <= 120
    assert not set(kept) & set("/\\\r\n\x00")
    assert safe_name(kept, mime) == kept


@given(st.binary(max_size=200))
def test_sniffing_survives_anything_and_names_only_known_types(data: bytes) -> None:
    assert sniff(data) in {None, *TAKEN}
