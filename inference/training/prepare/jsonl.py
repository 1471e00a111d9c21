"""Reading JSONL: chat messages, turns, instruction pairs, question and answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TextIO

import msgspec

from inference.training.prepare.dialogue import Dialogue, Turn
from inference.training.prepare.intake import Intake
from inference.training.prepare.roles import RoleNames
from inference.training.prepare.source import SourceFile, lines

__all__ = ["read_jsonl"]

_SHAPES = "messages, turns, instruction and output, or question and answer"


class _BadRow(Exception):
    pass


def read_jsonl(file: TextIO, source: SourceFile, intake: Intake, roles: RoleNames) -> Iterator[Dialogue]:
    """One conversation a line; blank lines don't count. A row with `"label": "bad"`, as
    `teller feedback export` writes it, holds a reply that nobody is to learn."""
    for number, line in lines(file):
        if line is not None and not line.strip():
            continue
        intake.row()
        where = source.where(number)
        try:
            row = _parse(line)
            if row.get("label") == "bad":
                intake.disliked.append(where)
                continue
            yield Dialogue(_id(row), tuple(_turns(row, roles)), where)
        except _BadRow as bad:
            intake.refuse(where, str(bad))


def _parse(line: str | None) -> dict[str, Any]:
    if line is None:
        raise _BadRow("the line is too long")
    try:
        row = msgspec.json.decode(line.encode())
    except (msgspec.DecodeError, UnicodeError):
        raise _BadRow("not JSON") from None
    except RecursionError:
        raise _BadRow("JSON nested too deeply") from None
    if isinstance(row, list):
        raise _BadRow("a JSON array; write one object a line")
    if not isinstance(row, dict):
        raise _BadRow("not a JSON object")
    return row


def _id(row: dict[str, Any]) -> str:
    given = row.get("id", row.get("conversation_id"))
    return str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""


def _turns(row: dict[str, Any], roles: RoleNames) -> Iterator[Turn]:
    for key in ("messages", "turns"):
        if key in row:
            yield from _messages(row[key], key, roles)
            return
    if "instruction" in row:
        yield from _instruction(row)
    elif "question" in row:
        yield Turn("customer", _text(row, "question"))
        yield Turn("counter", _text(row, "answer"))
    else:
        raise _BadRow(f"none of the known keys: {_SHAPES}")


def _messages(items: object, key: str, roles: RoleNames) -> Iterator[Turn]:
    if not isinstance(items, list):
        raise _BadRow(f"{key!r} isn't a list")
    for n, item in enumerate(items, 1):
        if not isinstance(item, dict):
            raise _BadRow(f"{key}[{n}] isn't an object with role and content")
        written = item.get("role", item.get("speaker", item.get("from")))
        role = roles.find(written) if isinstance(written, str) else None
        if role is None:
            raise _BadRow(f"{key}[{n}] has no role that is known; name yours under `roles`")
        if role == "ignored":
            continue
        text = item.get("content", item.get("text", item.get("value")))
        if not isinstance(text, str):
            raise _BadRow(f"{key}[{n}] has no text under content or text")
        yield Turn(role, text)


def _instruction(row: dict[str, Any]) -> Iterator[Turn]:
    history = row.get("history") or []
    if not isinstance(history, list):
        raise _BadRow("'history' isn't a list of pairs")
    for pair in history:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(side, str) for side in pair)):
            raise _BadRow("'history' isn't a list of pairs of texts")
        yield Turn("customer", pair[0])
        yield Turn("counter", pair[1])
    given = row.get("input") or ""
    if not isinstance(given, str):
        raise _BadRow("'input' isn't text")
    yield Turn("customer", "\n".join(filter(None, (_text(row, "instruction"), given))))
    yield Turn("counter", _text(row, "output"))


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise _BadRow(f"{key!r} is missing or isn't text")
    return value
