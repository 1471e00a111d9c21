"""Logs to prepare, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

from inference.training.prepare import Dialogue, Report, load_prepare_config, prepare
from inference.training.prepare.config import Format, Roles
from inference.training.prepare.intake import Intake
from inference.training.prepare.jsonl import read_jsonl
from inference.training.prepare.plain import read_plain
from inference.training.prepare.roles import RoleNames
from inference.training.prepare.source import SourceFile
from inference.training.prepare.table import read_table

_READERS = {"jsonl": read_jsonl, "csv": read_table, "text": read_plain}


def read_text(
    text: str, format: Format, *, blank_line_ends: bool = True, roles: Roles | None = None, limit: int = 100
) -> tuple[list[Dialogue], Intake]:
    """What a reader makes of a file's text."""
    source = SourceFile(Path("f"), "f", "utf-8", format, 0, "", blank_line_ends)
    intake = Intake(limit)
    file = StringIO(text, newline="" if format == "csv" else None)
    return list(_READERS[format](file, source, intake, RoleNames(roles))), intake


def said(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in dialogue.turns]


def chat(*texts: str, id: str | None = None) -> dict[str, Any]:
    """A row of messages; the customer begins."""
    messages = [{"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(texts)]
    return {"messages": messages} if id is None else {"id": id, "messages": messages}


def write_rows(path: Path, rows: Iterable[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def run(folder: Path, rows: Iterable[object] | None = None, more: str = "") -> Report:
    """Prepare rows, or all files in the folder, with `more` lines of configuration; writes to folder/out."""
    if rows is not None:
        write_rows(folder / "rows.jsonl", rows)
    config = folder / "prepare.yaml"
    present = [f"'*{end}'" for end in (".jsonl", ".csv", ".txt") if list(folder.glob(f"*{end}"))]
    config.write_text(f"inputs: [{', '.join(present)}]\nout: out\n{more}\n", encoding="utf-8")
    return prepare(load_prepare_config(config))


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def kept(folder: Path) -> list[dict[str, Any]]:
    return [row for split in ("train", "dev", "test") for row in rows_of(folder / "out" / f"{split}.jsonl")]


def contents(row: dict[str, Any]) -> list[str]:
    return [message["content"] for message in row["messages"]]
