"""Writing the results: everything is finished in a folder of its own, then renamed into place."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from bot.errors import TellerError

__all__ = ["JsonLines", "put_in_place", "staging", "write_private", "writes_to"]

DONE = "report.json"
"""Put in place last: where it is missing, the files beside it may be of two runs."""


class JsonLines:
    """A JSONL file being written, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._digest = hashlib.sha256()
        self._file: BinaryIO = open(path, "xb", opener=_private)  # noqa: SIM115 (closed by `close`)

    def write(self, row: Any) -> None:
        line = msgspec.json.encode(row) + b"\n"
        self._file.write(line)
        self._digest.update(line)
        self.count += 1

    def close(self) -> str:
        """Bring it to the disk; the SHA-256 of what was written."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._digest.hexdigest()

    def abandon(self) -> None:
        self._file.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def writes_to(out: Path) -> Iterator[None]:
    """Turn a full disk or a folder that may not be written into a TellerError."""
    try:
        yield
    except OSError as error:
        raise TellerError(
            f"can't write to {out}: {error.strerror or error}; nothing was put in place. "
            "Make room or choose another `out`"
        ) from None


def write_private(path: Path, text: str) -> None:
    """A new file, readable by its owner only."""
    with open(path, "x", encoding="utf-8", opener=_private) as file:
        file.write(text)


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A folder inside `out` for unfinished files; gone afterwards, however it ends."""
    with writes_to(out):
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=out))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_in_place(folder: Path, out: Path, names: Sequence[str]) -> None:
    """Rename finished files into `out`, `report.json` last; an earlier run's is taken away first.

    Raises:
        TellerError: not all of them could be; says which were.
    """
    placed: list[str] = []
    try:
        (out / DONE).unlink(missing_ok=True)
        for name in sorted(names, key=lambda name: name == DONE):
            (folder / name).replace(out / name)
            placed.append(name)
        handle = os.open(out, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        at = Path(error.filename2 or error.filename or out).name
        raise TellerError(
            f"can't put the results into {out}: {at}: {error.strerror or error}. Put in place so far: "
            f"{', '.join(placed) or 'nothing'}; the files may be of two runs. Clear the way and run again"
        ) from None
