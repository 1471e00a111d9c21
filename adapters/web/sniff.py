"""What a file is, told by its content. Its name and the type a browser claims are not believed."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["PICTURES", "sniff"]

PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""Types a browser may show in place."""

_HEAD: Final = 4096
_AUDIO_ONLY_BRANDS: Final = frozenset({b"M4A ", b"M4B "})
_MP4_BRANDS: Final = frozenset({b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"dash"})
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
# Text that a browser or a shell would act on is not "plain".
_ACTIVE: Final = re.compile(rb"\s*(?:<(?:!doctype|html|head|body|svg|\?xml|script)|#!)", re.IGNORECASE)


def sniff(data: bytes) -> str | None:
    """The MIME type if it is one the counter takes (see strings.ACCEPTED_TYPES), else None.

    Signatures: WHATWG MIME Sniffing, section 6; RFC 3533 and 7845 (Ogg), RFC 9559 (Matroska, WebM),
    ISO/IEC 14496-12 (MP4 brands).
    """
    return _picture(data) or _document(data) or _audio(data) or _text(data)


def _picture(data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _document(data: bytes) -> str | None:
    return "application/pdf" if data.startswith(b"%PDF-") else None


def _audio(data: bytes) -> str | None:
    head = data[:_HEAD]
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        return "audio/wav"
    if data.startswith(b"OggS") and any(mark in head for mark in (b"OpusHead", b"\x01vorbis", b"Speex   ")):
        return "audio/ogg"
    if data.startswith(b"\x1a\x45\xdf\xa3") and b"webm" in head[:64] and b"V_" not in head:
        return "audio/webm"
    if data[4:8] == b"ftyp":
        return "audio/mp4" if _mp4_audio(data) else None
    if data.startswith(b"ID3") or _mpeg_frame(data):
        return "audio/mpeg"
    return None


def _mp4_audio(data: bytes) -> bool:
    brand = data[8:12]
    if brand in _AUDIO_ONLY_BRANDS:
        return True
    # Phones record voice under the general brands too: then the tracks' handlers tell.
    return brand in _MP4_BRANDS and b"soun" in data and b"vide" not in data


def _mpeg_frame(data: bytes) -> bool:
    """An MPEG layer III frame header: sync, layer, and no reserved bit rate or sample rate."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:
        return False
    return data[2] & 0xF0 not in {0x00, 0xF0} and data[2] & 0x0C != 0x0C


def _text(data: bytes) -> str | None:
    body = data.removeprefix(b"\xef\xbb\xbf")
    if not body or _CONTROL.search(body) or _ACTIVE.match(body):
        return None
    for encoding in ("utf-8", "gb18030"):
        try:
            body.decode(encoding)
        except UnicodeDecodeError:
            continue
        return "text/plain"
    return None
