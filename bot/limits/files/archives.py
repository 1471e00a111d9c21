"""Archives: what they unpack to is measured by unpacking, into nothing, up to a bound. What they say isn't
believed."""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Final, Protocol

from bot.config.limits import Attachments
from bot.limits.files.names import RUN, check_name, extensions
from bot.limits.files.programs import check_program
from bot.limits.files.refusal import Unsafe

__all__ = ["archive_kind", "check_archive"]

PIECE: Final = 1 << 16
SMALL: Final = 1 << 20
"""Bytes below which the ratio says nothing: a short text of one letter packs well."""
MEMBERS: Final = 50
_NESTED: Final = frozenset(["zip", "rar", "7z", "gz", "tgz", "bz2", "xz", "zst", "cab", "jar", "iso"])


class Unpacker(Protocol):
    """What zlib's, bz2's and lzma's have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def archive_kind(data: bytes) -> str:
    """The archive's MIME type, or empty."""
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return "application/zip"
    if data.startswith(b"\x1f\x8b"):
        return "application/gzip"
    if data.startswith(b"BZh"):
        return "application/x-bzip2"
    if data.startswith(b"\xfd7zXZ\0"):
        return "application/x-xz"
    if data.startswith(b"7z\xbc\xaf\x27\x1c"):
        return "application/x-7z-compressed"
    if data.startswith(b"Rar!\x1a\x07"):
        return "application/vnd.rar"
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return "application/zstd"
    return "application/x-tar" if data[257:262] == b"ustar" else ""


def check_archive(data: bytes, rules: Attachments) -> None:
    """Refuse a bomb, an archive that can't be looked into, and one that holds programs or archives.

    Raises:
        Unsafe: archive, program, virus, name.
    """
    match archive_kind(data):
        case "application/zip":
            _check_zip(data, rules)
        case "application/gzip":
            _check_stream(lambda: zlib.decompressobj(wbits=31), data, rules)
        case "application/x-bzip2":
            _check_stream(bz2.BZ2Decompressor, data, rules)
        case "application/x-xz":
            _check_stream(lambda: lzma.LZMADecompressor(memlimit=64 << 20), data, rules)
        case kind if kind:
            raise Unsafe("archive", f"{kind} can't be looked into")


class _Budget:
    """What may still be unpacked."""

    def __init__(self, packed: int, rules: Attachments) -> None:
        self._rules = rules
        self._packed = packed
        self.unpacked = 0

    def spend(self, count: int) -> None:
        self.unpacked += count
        if self.unpacked > self._rules.archive_megabytes * (1 << 20):
            raise Unsafe("archive", f"unpacks to more than {self._rules.archive_megabytes:g} MB")
        if self.unpacked > SMALL and self.unpacked > self._packed * self._rules.archive_ratio:
            raise Unsafe("archive", f"unpacks to more than {self._rules.archive_ratio:g} times its size")


def _check_stream(make: Callable[[], Unpacker], data: bytes, rules: Attachments) -> None:
    """One compressed file; what it holds must be neither program nor archive."""
    budget, head = _Budget(len(data), rules), b""
    try:
        for piece in _pieces(make, data):
            budget.spend(len(piece))
            if len(head) < PIECE:
                head += piece
    except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise Unsafe("archive", f"can't be unpacked: {type(error).__name__}") from None
    check_program(head)
    if archive_kind(head):
        raise Unsafe("archive", "an archive inside an archive")


def _pieces(make: Callable[[], Unpacker], data: bytes) -> Iterator[bytes]:
    """What `data` unpacks to, at most 64 KiB at a time; several streams may stand one after the other."""
    for _ in range(MEMBERS):
        unpacker, waiting = make(), data
        while not unpacker.eof:
            piece = unpacker.decompress(waiting, PIECE)
            waiting = getattr(unpacker, "unconsumed_tail", b"")
            if piece:
                yield piece
            elif not waiting:
                break
        data = unpacker.unused_data.lstrip(b"\0")
        if not data:
            return
    raise Unsafe("archive", f"more than {MEMBERS} streams one after the other")


def _check_zip(data: bytes, rules: Attachments) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_directory(entries, len(data), rules)
            budget = _Budget(len(data), rules)
            for entry in entries:
                with archive.open(entry) as opened:
                    _check_entry(opened, budget)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise Unsafe("archive", f"can't be unpacked: {type(error).__name__}") from None
    except (NotImplementedError, RuntimeError, ValueError, struct.error, UnicodeDecodeError) as error:
        raise Unsafe("archive", f"can't be looked into: {type(error).__name__}") from None


def _check_directory(entries: list[zipfile.ZipInfo], size: int, rules: Attachments) -> None:
    if len(entries) > rules.archive_files:
        raise Unsafe("archive", f"holds {len(entries)} files; at most {rules.archive_files} are taken")
    if sum(entry.compress_size for entry in entries) > size:
        raise Unsafe("archive", "its files overlap: a bomb")
    for entry in entries:
        if entry.flag_bits & 1:
            raise Unsafe("archive", "is locked with a password, so it can't be looked into")
        if entry.filename.startswith(("/", "\\")) or ".." in entry.filename.replace("\\", "/").split("/"):
            raise Unsafe("archive", "holds a path that leads out of its folder")
        check_name(entry.filename)
        parts = extensions(entry.filename)
        if parts and parts[-1] in RUN - {"bin"}:  # Office calls harmless settings .bin
            raise Unsafe("program", f"holds a .{parts[-1]} file")
        if parts and parts[-1] in _NESTED:
            raise Unsafe("archive", "an archive inside an archive")
        if entry.filename.lower().endswith("vbaproject.bin"):
            raise Unsafe("active", "an Office file with macros")


def _check_entry(opened: IO[bytes], budget: _Budget) -> None:
    head = opened.read(PIECE)
    budget.spend(len(head))
    check_program(head)
    if archive_kind(head):
        raise Unsafe("archive", "an archive inside an archive")
    while piece := opened.read(PIECE):
        budget.spend(len(piece))
