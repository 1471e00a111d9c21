"""PDF: what a reader would run, send or unpack. Looked for in the file and in its deflated object streams."""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left
from typing import Final

from bot.limits.files.refusal import Unsafe

__all__ = ["check_pdf"]

UNPACKED: Final = 32 << 20
"""Bytes of object streams looked at, packed or not, over all of them."""
STREAMS: Final = 20_000
DICTIONARY: Final = 4096
"""Bytes before a stream in which its dictionary begins."""
_NAMES: Final = (
    b"JavaScript", b"Launch", b"EmbeddedFile", b"EmbeddedFiles", b"RichMedia", b"ImportData", b"SubmitForm",
)  # fmt: skip


def _name(name: bytes) -> bytes:
    """A pattern for a PDF name, each letter of which may be written as #xx."""
    return b"".join(b"(?:%c|(?i:#%02x))" % (letter, letter) for letter in name)


# A script's action always has both /JS and /JavaScript; the former is too short to look for among the
# bytes of pictures.
_ACTIVE: Final = re.compile(b"/(" + b"|".join(_name(name) for name in _NAMES) + rb")(?![A-Za-z0-9#])")
_OBJECTS: Final = re.compile(b"/" + _name(b"ObjStm"))
_BEGIN: Final = re.compile(rb"(?<!end)stream\r?\n")
_END: Final = re.compile(rb"endstream")


def check_pdf(data: bytes) -> None:
    """Raises Unsafe: active (scripts, programs to start, forms that send, files inside), or archive where
    objects are packed so that they can't be looked at.

    Sources: ISO 32000-1, 12.6.4 (actions), 7.5.7 (object streams), 7.3.5 (#xx in names).
    """
    _check(data)
    left, ends, view = UNPACKED, [found.start() for found in _END.finditer(data)], memoryview(data)
    for number, found in enumerate(_BEGIN.finditer(data)):
        if number >= STREAMS:
            raise Unsafe("archive", f"a PDF of more than {STREAMS} streams")
        before = data[max(0, found.start() - DICTIONARY) : found.start()]
        dictionary = before[max(0, before.rfind(b" obj")) :]
        if not _OBJECTS.search(dictionary):
            continue  # a page's drawing, a font, a picture: those hold no objects
        at = bisect_left(ends, found.end())
        packed = view[found.end() : ends[at] if at < len(ends) else len(data)]
        try:
            plain = zlib.decompressobj().decompress(packed, max(1, left))
        except zlib.error:
            if b"/Filter" not in dictionary:
                continue  # not packed: it was looked at with the rest
            raise Unsafe("archive", "a PDF with objects that can't be looked at") from None
        left -= len(plain) + len(packed)
        if left <= 0:
            raise Unsafe("archive", "a PDF with more packed objects than are looked at")
        _check(plain)


def _check(plain: bytes) -> None:
    if found := _ACTIVE.search(plain):
        raise Unsafe("active", f"a PDF with /{found[1].decode('latin-1')}")
