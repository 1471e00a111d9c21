"""How large a picture is when drawn, from its header alone; and whether something is stuck to it."""

from __future__ import annotations

import struct
from typing import Final

from bot.config.limits import Attachments
from bot.limits.files.refusal import Unsafe

__all__ = ["check_picture", "dimensions", "picture_kind"]

FRAMES: Final = 2000
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def picture_kind(data: bytes) -> str:
    """`image/…`, or empty."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith(b"BM") and data[6:10] == bytes(4):
        return "image/bmp"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "image/tiff"
    return ""


def dimensions(data: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels, as the header has them; None where it has none that can be read."""
    try:
        match picture_kind(data):
            case "image/png":
                return _png(data)
            case "image/gif":
                return _gif(data)
            case "image/jpeg":
                return _jpeg(data)
            case "image/webp":
                return _webp(data)
            case "image/bmp":
                width, height = struct.unpack("<ii", data[18:26])
                return abs(width), abs(height)
    except struct.error:
        pass
    return None


def check_picture(data: bytes, rules: Attachments) -> tuple[int, int] | None:
    """The picture's dimensions, where they can be read.

    Raises:
        Unsafe: picture (absurd dimensions), archive (an archive hangs behind it).
    """
    size = dimensions(data)
    if size is not None:
        width, height = size
        if width > rules.side or height > rules.side or width * height > rules.megapixels * 1_000_000:
            raise Unsafe("picture", f"{width} × {height} pixels")
    if picture_kind(data) == "image/gif" and data.count(b"\0\x21\xf9\x04") > FRAMES:
        raise Unsafe("picture", f"an animation of more than {FRAMES} frames")
    return size


def _png(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _gif(data: bytes) -> tuple[int, int] | None:
    """The screen, or the first frame where that is larger."""
    width, height = struct.unpack("<HH", data[6:10])
    at = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 0x80 else 0)
    while data[at : at + 1] == b"\x21":  # extensions before the first frame
        at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    if data[at : at + 1] == b"\x2c":
        frame_width, frame_height = struct.unpack("<HH", data[at + 5 : at + 9])
        return max(width, frame_width), max(height, frame_height)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """The largest of its frames' headers (ITU T.81, B.2.2), up to where the picture begins."""
    at, found = 2, None
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return found
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (0xD9, 0xDA):
            return found
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if marker in _SOF:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            found = (width, height) if found is None else (max(found[0], width), max(found[1], height))
        if length < 2:
            return found
        at += 2 + length
    return found


def _webp(data: bytes) -> tuple[int, int] | None:
    """RFC 9649, section 2.7."""
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L" and data[20:21] == b"\x2f":
        (bits,) = struct.unpack("<I", data[21:25])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None
