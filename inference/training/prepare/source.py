"""Input files: their encoding, found by trying, and their lines."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bot.errors import TellerError
from inference.training.prepare.config import Format

__all__ = ["LONGEST_LINE", "SourceFile", "examine", "lines"]

LONGEST_LINE = 4_000_000
"""Characters; a longer line is a bad row and is never held in memory whole."""
_CHUNK = 1 << 20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_EVERYDAY = re.compile("[的是了我不有您好在可以吗嗎请請这這行还還要会會個个到]")
_HAN = re.compile("[\u3400-\u9fff]")
_ENOUGH = 40
"""汉字 from which a text without everyday ones is no Chinese: another encoding read as GB18030."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    path: Path
    name: str
    """As reports show it."""
    encoding: str
    format: Format
    size: int
    """Bytes."""
    sha256: str
    blank_line_ends: bool = True

    def where(self, line: int) -> str:
        return f"{self.name}:{line}"

    @contextmanager
    def open(self, on_bytes: Callable[[int], None], newline: str | None = None) -> Iterator[TextIO]:
        """The decoded text; `on_bytes` is told how far it was read once it is closed."""
        try:
            file = self.path.open(encoding=self.encoding, newline=newline)
        except OSError as error:
            raise TellerError(f"{self.name} can't be read: {error.strerror}") from None
        with file:
            yield file
        on_bytes(self.size)


def examine(path: Path, name: str, format: Format, *, blank_line_ends: bool = True) -> SourceFile:
    """Find a file's encoding: UTF-8, with or without BOM, else GB18030.

    Raises:
        TellerError: it is neither, or can't be read.
    """
    digest, size = hashlib.sha256(), 0
    try:
        for chunk in _chunks(path):
            if size == 0 and chunk.startswith(_UTF16):
                raise TellerError(f"{name} is UTF-16; save it as UTF-8")
            if b"\0" in chunk:
                raise TellerError(f"{name} holds null bytes, so it isn't a text file; save it as UTF-8 text")
            digest.update(chunk)
            size += len(chunk)
        encoding = "utf-8-sig"
        broken = _first_break(path, "utf-8")
        if broken:
            encoding = "gb18030"
            other = _first_break(path, encoding)
            if other or not _reads_chinese(path):
                also = f" (line {other})" if other else ", whose reading makes no sense"
                raise TellerError(
                    f"{name}:{broken}: not UTF-8, and not GB18030{also}; save the file as UTF-8"
                )
    except OSError as error:
        raise TellerError(f"{name} can't be read: {error.strerror}") from None
    return SourceFile(path, name, encoding, format, size, digest.hexdigest(), blank_line_ends)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _first_break(path: Path, encoding: str) -> int:
    """The line of the first byte that isn't valid; 0 if all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    try:
        for chunk in _chunks(path):
            line += decoder.decode(chunk).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return line + error.object[: error.start].count(b"\n")
    return 0


def _reads_chinese(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("gb18030")()
    han = everyday = 0
    for chunk in _chunks(path):
        text = decoder.decode(chunk)
        han += len(_HAN.findall(text))
        everyday += len(_EVERYDAY.findall(text))
    return han < _ENOUGH or everyday >= han * 0.02


def lines(file: TextIO) -> Iterator[tuple[int, str | None]]:
    """(number, line without its end), counted from 1; None in place of a line that is too long."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if line.endswith("\n") or len(line) < LONGEST_LINE:
            yield number, line.rstrip("\n").lstrip("\ufeff")
            continue
        while (more := file.readline(LONGEST_LINE)) and not more.endswith("\n"):
            pass
        yield number, None
