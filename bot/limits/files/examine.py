"""The whole examination of one file."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config.limits import Attachments
from bot.limits.files.archives import archive_kind, check_archive
from bot.limits.files.documents import check_pdf
from bot.limits.files.names import check_name
from bot.limits.files.pictures import check_picture, picture_kind
from bot.limits.files.programs import check_program, check_text
from bot.limits.files.refusal import Unsafe

__all__ = ["Examined", "check_count", "examine"]

_TAIL = 66_000
"""Bytes from the end in which an archive's directory begins: 22 and a comment of up to 65,535."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that may be taken."""

    mime: str
    """By its content; empty where that is none of the kinds looked into here (sound, film)."""
    width: int = 0
    height: int = 0
    """Pixels; 0 where the header doesn't say."""


def examine(data: bytes, name: str = "", rules: Attachments | None = None) -> Examined:
    """Look at a file's bytes; what it is called and said to be isn't believed. For large files, in a thread:
    an archive may take a second.

    Raises:
        Unsafe: it isn't taken; `reason` says why in a word.
    """
    rules = rules or Attachments()
    if not data:
        raise Unsafe("empty", "an empty file")
    if len(data) > rules.megabytes * (1 << 20):
        raise Unsafe("too_large", f"{len(data)} bytes; at most {rules.megabytes:g} MB are taken")
    check_name(name)
    check_program(data)
    if picture := picture_kind(data):
        width, height = check_picture(data, rules) or (0, 0)
        _check_tail(data)
        return Examined(picture, width, height)
    if b"%PDF-" in data[:1024]:  # readers take up to a kilobyte of anything before it
        check_pdf(data)
        _check_tail(data)
        return Examined("application/pdf")
    if archive := archive_kind(data):
        check_archive(data, rules)
        return Examined(archive)
    if _is_text(data):
        check_text(data)
        return Examined("text/plain")
    _check_tail(data)
    return Examined("")


def check_count(count: int, rules: Attachments | None = None) -> None:
    """Raises Unsafe (too_many) for more files than one message may have."""
    most = (rules or Attachments()).per_message
    if count > most:
        raise Unsafe("too_many", f"{count} files; a message may have {most}")


def _is_text(data: bytes) -> bool:
    return data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" not in data[:4096]


def _check_tail(data: bytes) -> None:
    """Refuse a file that is an archive too: those are read from their end."""
    at = data.rfind(b"PK\x05\x06", -_TAIL)
    # The directory's end also says how long its comment is: by chance that never fits.
    if (
        at >= 0
        and at + 22 <= len(data)
        and at + 22 + int.from_bytes(data[at + 20 : at + 22], "little") == len(data)
    ):
        raise Unsafe("archive", "an archive hangs behind another kind of file")
