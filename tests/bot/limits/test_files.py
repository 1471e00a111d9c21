"""Examination of files: bombs, programs, disguises, absurd pictures; and that ordinary files pass."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import Attachment
from bot.bus import MemoryBus
from bot.config import Config, LiveConfig, Loaded
from bot.config.limits import Attachments
from bot.errors import AttachmentRefused
from bot.host import CounterHost
from bot.ids import utc_now
from bot.limits.files import Unsafe, check_count, examine
from bot.limits.files.pictures import dimensions
from bot.limits.files.programs import EICAR
from bot.metrics import Metrics
from inference.privacy.masker import TextMasker
from tests.make import conversation

RULES = Attachments(archive_megabytes=2)


def _short(value: object) -> str | None:
    """Files by their size: compressed ones hold the time they were made at."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else None


def why(data: bytes, name: str = "") -> str:
    """The reason for which a file is refused, or empty."""
    try:
        examine(data, name, RULES)
    except Unsafe as unsafe:
        return unsafe.reason
    return ""


def png(width: int, height: int, rest: bytes = b"") -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\2\0\0\0" + rest


def jpeg(width: int, height: int) -> bytes:
    app0 = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    return b"\xff\xd8" + app0 + b"\xff\xc0\0\x11\x08" + struct.pack(">HH", height, width) + bytes(12)


def gif(width: int, height: int, frame: tuple[int, int] | None = None) -> bytes:
    data = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6)
    if frame:
        data += b"\x21\xf9\x04\0\0\0\0\0" + b"\x2c\0\0\0\0" + struct.pack("<HH", *frame) + b"\0"
    return data


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF\x30\0\0\0WEBP" + kind + struct.pack("<I", len(body)) + body


def archive(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as opened:
        for name, content in files:
            opened.writestr(name, content)
    return data.getvalue()


def pdf(*objects: bytes) -> bytes:
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % (n, o) for n, o in enumerate(objects, 1))
    return b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + body + b"trailer\n<< /Root 1 0 R >>\n%%EOF\n"


def packed(objects: bytes) -> bytes:
    content = zlib.compress(objects)
    return b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream" % (
        len(content),
        content,
    )


# ── what passes ──


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (png(1080, 2400), "image/png"),
        (jpeg(4032, 3024), "image/jpeg"),
        (gif(320, 240, (320, 240)), "image/gif"),
        (webp(b"VP8X", bytes(4) + b"\x37\x04\0\x5f\x09\0"), "image/webp"),
        (
            pdf(b"<< /Type /Catalog /OpenAction [3 0 R /Fit] >>", packed(b"<< /Font 5 0 R >>")),
            "application/pdf",
        ),
        (archive(("word/document.xml", b"<w:p>" * 50), ("[Content_Types].xml", b"x")), "application/zip"),
        (gzip.compress("对账单".encode() * 100), "application/gzip"),
        ("您好，请看：余额 < 100，利率 > 2%".encode(), "text/plain"),
        ("您好".encode("gb18030"), "text/plain"),
        ("您好".encode("utf-16"), "text/plain"),
        (b"OggS\0\x02" + bytes(22) + b"OpusHead\x01\x01", ""),
        (b"RIFF\x20\0\0\0WAVEfmt " + bytes(20), ""),
    ],
    ids=_short,
)
def test_ordinary_files_pass_as_what_they_are(data: bytes, mime: str) -> None:
    assert examine(data, "文件", RULES).mime == mime


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(1080, 2400), (1080, 2400)),
        (jpeg(640, 480), (640, 480)),
        (gif(320, 200), (320, 200)),
        (gif(1, 1, (500, 400)), (500, 400)),
        (webp(b"VP8X", bytes(4) + b"\x37\x04\0\x5f\x09\0"), (1080, 2400)),
        (webp(b"VP8L", b"\x2f" + struct.pack("<I", 99 | 49 << 14) + bytes(8)), (100, 50)),
        (webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 64, 48) + bytes(4)), (64, 48)),
        (b"BM" + bytes(16) + struct.pack("<ii", 30, -40) + bytes(8), (30, 40)),
        (png(1, 1)[:18], None),
        (b"\xff\xd8\xff\xe0", None),
    ],
    ids=_short,
)
def test_dimensions_are_read_from_headers(data: bytes, size: tuple[int, int] | None) -> None:
    assert dimensions(data) == size


# ── what doesn't ──


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (bytes(21 << 20), "too_large"),
        (b"MZ\x90\0\x03", "program"),
        (b"\x7fELF\x02\x01", "program"),
        (b"\xcf\xfa\xed\xfe\x07", "program"),
        (b"\xca\xfe\xba\xbe\0\0\0\x3d", "program"),
        (b"dex\n035\0", "program"),
        (b"\0asm\1\0\0\0", "program"),
        (b"L\0\0\0\x01\x14\x02\0\0\0", "program"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(8), "program"),
        (b"#!/bin/sh\nrm -rf /", "program"),
        (b"\xef\xbb\xbf \n#!/bin/sh", "program"),
        (EICAR, "virus"),
        (b"see below\n" + EICAR + b"\n", "virus"),
        (archive(("a.txt", EICAR), method=zipfile.ZIP_STORED), "virus"),
        (archive(("a.txt", EICAR + b" " * 200)), "virus"),
        (b"hello <script>alert(1)</script>", "active"),
        (b"<?php system($_GET[0]);", "active"),
        ("<html><body>".encode("utf-16"), "active"),
        (b'<svg xmlns="x" onload=alert(1)>', "active"),
        (b"@echo off\r\ndel *", "active"),
        (b'Set s = CreateObject("WScript.Shell")', "active"),
        (b"[InternetShortcut]\nURL=http://x", "active"),
        (png(50_000, 10), "picture"),
        (png(10_000, 10_000), "picture"),
        (jpeg(65_535, 65_535), "picture"),
        (gif(1, 1, (65_535, 65_535)), "picture"),
        (gif(9, 9) + b"\0\x21\xf9\x04" * 2500, "picture"),
        (png(10, 10, archive(("x.class", b"y"))), "archive"),
        (pdf(b"<< >>") + archive(("x", b"y")), "archive"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "archive"),
        (b"Rar!\x1a\x07\x01\0", "archive"),
    ],
    ids=_short,
)
def test_what_isn_t_taken_and_why(data: bytes, reason: str) -> None:
    assert why(data) == reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("statement.pdf.exe", "name"),
        ("照片.jpg.scr", "name"),
        ("Invoice.PDF .EXE ", "name"),
        ("invoice.pdf.ｅｘｅ", "name"),
        ("statement.pdf.exe.png", "name"),
        ("photo.jpg" + " " * 80 + ".com", "name"),
        ("invoice\u202efdp.exe", "name"),
        ("a.png.lnk\u200b", "name"),
        ("photo.exe", ""),
        ("2026.07.01 对账单.pdf", ""),
        ("报告v1.2.final.docx", ""),
        ("www.example.com.pdf", ""),
        ("مستند\u200f.pdf", ""),
        ("", ""),
    ],
)
def test_a_name_that_hides_its_extension_is_refused(name: str, reason: str) -> None:
    assert why(png(10, 10), name) == reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (archive(("a.txt", bytes(3 << 20))), "archive"),
        (archive(*((f"{n}.txt", bytes(200_000)) for n in range(12))), "archive"),
        (archive(*((f"{n}.txt", b"") for n in range(1001))), "archive"),
        (archive(("inner.zip", archive(("a", b"b")))), "archive"),
        (archive(("harmless.txt", archive(("a", b"b")))), "archive"),
        (archive(("../../etc/passwd", b"x")), "archive"),
        (archive(("/etc/passwd", b"x")), "archive"),
        (archive(("run.exe", b"x")), "program"),
        (archive(("notes.txt", b"MZ\x90\0")), "program"),
        (archive(("对账单.pdf.js", b"x")), "name"),
        (archive(("word/vbaProject.bin", b"x")), "active"),
        (archive(("a.txt", b"hello"))[:-30], "archive"),
        (b"PK\x03\x04" + bytes(40), "archive"),
        (gzip.compress(bytes(3 << 20)), "archive"),
        (gzip.compress(b"a") + gzip.compress(bytes(3 << 20)), "archive"),
        (gzip.compress(b"a") * 60, "archive"),
        (bz2.compress(bytes(3 << 20)), "archive"),
        (lzma.compress(bytes(3 << 20)), "archive"),
        (gzip.compress(b"\x7fELF\2\1\1"), "program"),
        (gzip.compress(gzip.compress(b"a")), "archive"),
        (b"\x1f\x8b\x08" + bytes(7) + b"\x07", "archive"),
    ],
    ids=_short,
)
def test_bombs_and_what_can_t_be_looked_into(data: bytes, reason: str) -> None:
    assert why(data) == reason


def test_an_archive_that_lies_about_its_size_is_measured_by_unpacking() -> None:
    data = bytearray(archive(("a.txt", bytes(3 << 20))))
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)  # the directory says that ten bytes are in it
    assert why(bytes(data)) == "archive"


def test_files_that_share_their_bytes_are_a_bomb() -> None:
    data = bytearray(archive(*((f"{n}", b"x" * 5000) for n in range(4)), method=zipfile.ZIP_STORED))
    at = -1
    for _ in range(4):  # every entry claims all the bytes
        at = data.index(b"PK\x01\x02", at + 1)
        struct.pack_into("<I", data, at + 20, 19_000)
    assert why(bytes(data)) == "archive"


def test_a_locked_archive_is_refused() -> None:
    data = bytearray(archive(("a.txt", b"hello")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert why(bytes(data)) == "archive"


@pytest.mark.parametrize(
    "action",
    [
        b"<< /S /JavaScript /JS (app.alert(1)) >>",
        b"<</S/JavaScript/JS(x)>>",
        b"<< /S /J#61va#53cript /JS (x) >>",
        b"<< /S /Launch /F (cmd.exe) >>",
        b"<< /Type /EmbeddedFile >>",
        b"<< /S /SubmitForm /F (http://x) >>",
    ],
)
def test_a_pdf_that_acts_is_refused_however_it_is_written(action: bytes) -> None:
    assert why(pdf(b"<< /OpenAction 2 0 R >>", action)) == "active"
    assert why(pdf(b"<< /OpenAction 2 0 R >>", packed(action))) == "active"
    assert why(b"\n\njunk\n" + pdf(packed(action))) == "active"


def test_a_pdf_whose_objects_can_t_be_looked_at_is_refused() -> None:
    hidden = b"<< /Type /ObjStm /Filter /LZWDecode >>\nstream\n\x80\x0b\x60\nendstream"
    assert why(pdf(b"<< >>", hidden)) == "archive"
    assert why(pdf(packed(bytes(40 << 20)))) == "archive"


def test_a_pdf_s_pictures_are_not_taken_for_its_objects() -> None:
    noise = bytes((n * 7919 >> 3) & 255 for n in range(50_000))
    picture = b"<< /Subtype /Image /Filter /DCTDecode >>\nstream\n" + noise + b"\nendstream"
    assert why(pdf(b"<< /Type /Catalog >>", picture)) == ""


def test_a_message_has_at_most_so_many_files() -> None:
    check_count(9)
    with pytest.raises(Unsafe, match="10 files"):
        check_count(10)


@given(
    st.sampled_from(
        [
            png(9, 9),
            jpeg(9, 9),
            gif(9, 9, (9, 9)),
            pdf(b"<< >>", packed(b"<< >>")),
            archive(("a", b"bb")),
            gzip.compress(b"aa"),
            bz2.compress(b"aa"),
            lzma.compress(b"aa"),
            webp(b"VP8 ", bytes(12)),
            b"",
        ]
    ),
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=6)), max_size=5),
    st.integers(0, 400),
)
def test_a_damaged_file_is_taken_or_refused_but_never_breaks_anything(
    data: bytes, damage: list[tuple[int, bytes]], end: int
) -> None:
    for at, bad in damage:
        data = data[:at] + bad + data[at + len(bad) :]
    assert isinstance(why(data[:end], "a"), str)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("noise", "reason"),
    [
        (b"stream\n" * 100_000, "archive"),
        (b"/ObjStm stream\n" * 100_000, "archive"),
        (b"/ObjStm /Filter stream\n" * 100_000, "archive"),
        (b"#41" * 1_000_000, ""),
        (b"/J#61" * 500_000, ""),
    ],
    ids=["streams", "objects", "packed objects", "escapes", "names"],
)
def test_hostile_pdfs_come_to_an_end(noise: bytes, reason: str) -> None:
    for end in (b"", b"endstream"):
        assert why(b"%PDF-1.7\n" + noise + end) == reason


# ── where files come in ──


class Kept:
    """A store that keeps files in a list."""

    def __init__(self) -> None:
        self.files: list[Any] = []

    async def keep_attachment(self, _ref: str, _conversation: object, file: object, *, now: float) -> None:
        self.files.append((file, now))


async def test_the_host_keeps_nothing_unsafe_and_counts_it() -> None:
    kept, metrics = Kept(), Metrics()
    live = LiveConfig(Loaded(Config(), Path("teller.yaml"), "test"))
    host = CounterHost(cast("Any", kept), MemoryBus(), live, metrics, utc_now, lambda: "ref", TextMasker())
    with pytest.raises(AttachmentRefused):
        await host.keep_attachment(conversation(), Attachment("a.txt", "text/plain", EICAR))
    assert kept.files == []
    assert metrics.registry.get_sample_value("teller_attachments_refused_total", {"reason": "virus"}) == 1
    assert await host.keep_attachment(conversation(), Attachment("a.png", "image/png", png(9, 9))) == "ref"
    assert len(kept.files) == 1
