"""Reading input files of any known format."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from inference.training.prepare.dialogue import Dialogue
from inference.training.prepare.intake import Intake
from inference.training.prepare.jsonl import read_jsonl
from inference.training.prepare.plain import read_plain
from inference.training.prepare.roles import RoleNames
from inference.training.prepare.source import SourceFile
from inference.training.prepare.table import read_table

__all__ = ["read"]

_READERS = {"jsonl": read_jsonl, "csv": read_table, "text": read_plain}
_TELL_EVERY = 64


def read(
    source: SourceFile, intake: Intake, roles: RoleNames, on_bytes: Callable[[int], None]
) -> Iterator[Dialogue]:
    """A file's conversations in order. `on_bytes` is told now and then how much of it was read.

    Raises:
        TellerError: the file can't be read, or has too many bad rows.
    """
    with source.open(on_bytes, newline="" if source.format == "csv" else None) as file:
        raw = file.buffer.raw  # type: ignore[attr-defined]
        for n, dialogue in enumerate(_READERS[source.format](file, source, intake, roles)):
            if n % _TELL_EVERY == 0:
                on_bytes(raw.tell())
            yield dialogue
