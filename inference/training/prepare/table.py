"""Reading CSV: a row a turn (conversation, role, text), or a row a pair (question, answer)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from bot.errors import TellerError
from inference.training.prepare.dialogue import Dialogue, Turn
from inference.training.prepare.intake import Intake
from inference.training.prepare.listed import listed
from inference.training.prepare.roles import RoleNames
from inference.training.prepare.source import LONGEST_LINE, SourceFile

__all__ = ["read_table"]

_HEADERS: dict[str, tuple[str, ...]] = {
    "conversation": listed(
        "conversationid conversation dialogueid dialogid sessionid session chatid id 会话id 会话编号 会话号 "
        "会话 对话id 对话编号 对话号 对话 编号 序号"
    ),
    "role": listed("role speaker sender from 角色 说话人 说话者 发言人 发送方 发送者 发送人 身份"),
    "text": listed("text content message utterance 文本 内容 消息 消息内容 发言 发言内容 对话内容"),
    "question": listed("question query q 问题 提问 客户问题 用户问题 问"),
    "answer": listed("answer reply response a 答案 回答 回复 答复 客服回答 客服回复 答"),
}
_DELIMITERS = (",", "\t", ";", "，")
_Row = tuple[int, list[str]]


@dataclass(slots=True)
class _Open:
    """A conversation whose rows are being gathered."""

    line: int
    turns: list[Turn] = field(default_factory=list)
    spoilt: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    columns: dict[str, int]
    width: int
    delimiter: str


def read_table(file: TextIO, source: SourceFile, intake: Intake, roles: RoleNames) -> Iterator[Dialogue]:
    """`file` must be opened with newline="". Rows of conversations may be mixed: each is given whole at the
    end of the file, so a file of turns is held in memory.

    Raises:
        TellerError: the first row doesn't name the columns.
    """
    physical = iter(lambda: file.readline(LONGEST_LINE), "")
    before, first = 0, ""
    for first in physical:
        if first.strip("\ufeff\r\n \t,;"):
            break
        before += 1
    else:
        return
    layout = _layout(first.lstrip("\ufeff"), source.where(before + 1))
    rows = _rows(physical, layout, before + 1, source, intake)
    if "question" in layout.columns:
        yield from _pairs(rows, layout, source, intake)
    else:
        yield from _conversations(rows, layout, source, intake, roles)


def _layout(header: str, where: str) -> _Layout:
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader([header], delimiter=delimiter, strict=True))
        except (csv.Error, StopIteration):
            continue
        plain = [name.strip().lower().replace("_", "").replace(" ", "").replace("-", "") for name in names]
        columns = {
            what: next(n for n, name in enumerate(plain) if name in known)
            for what, known in _HEADERS.items()
            if any(name in known for name in plain)
        }
        if {"conversation", "role", "text"} <= columns.keys():
            return _Layout(
                {what: columns[what] for what in ("conversation", "role", "text")}, len(names), delimiter
            )
        if {"question", "answer"} <= columns.keys():
            wanted = ("conversation", "question", "answer")
            return _Layout({what: columns[what] for what in wanted if what in columns}, len(names), delimiter)
    raise TellerError(
        f"{where}: the first row must name the columns: conversation_id, role, text (会话编号, 角色, 内容) "
        "or question, answer (问题, 答案)"
    )


def _rows(
    physical: Iterator[str], layout: _Layout, before: int, source: SourceFile, intake: Intake
) -> Iterator[_Row]:
    reader = csv.reader(physical, delimiter=layout.delimiter, strict=True)
    while True:
        start = reader.line_num
        where = source.where(before + start + 1)
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lost = max(1, reader.line_num - start)
            intake.rows += lost
            unclosed = lost > 1 or "unexpected end" in str(error)
            said = "a quotation mark is opened here and not closed" if unclosed else f"not CSV: {error}"
            intake.refuse(where, said, rows=lost)
            continue
        if not any(cell.strip() for cell in row):
            continue
        intake.row()
        if any(cell.strip() for cell in row[layout.width :]):
            row = []
        yield before + start + 1, row


def _cell(row: Sequence[str], layout: _Layout, what: str) -> str | None:
    at = layout.columns.get(what)
    return row[at] if at is not None and at < len(row) else None


def _width(layout: _Layout) -> str:
    return f"not the header's {layout.width} columns; quote text that holds {layout.delimiter!r}"


def _pairs(rows: Iterator[_Row], layout: _Layout, source: SourceFile, intake: Intake) -> Iterator[Dialogue]:
    for line, row in rows:
        question, answer = _cell(row, layout, "question"), _cell(row, layout, "answer")
        if question is None or answer is None:
            intake.refuse(source.where(line), _width(layout))
            continue
        turns = (Turn("customer", question), Turn("counter", answer))
        yield Dialogue((_cell(row, layout, "conversation") or "").strip(), turns, source.where(line))


def _conversations(
    rows: Iterator[_Row], layout: _Layout, source: SourceFile, intake: Intake, roles: RoleNames
) -> Iterator[Dialogue]:
    found: dict[str, _Open] = {}
    for line, row in rows:
        id = (_cell(row, layout, "conversation") or "").strip()
        written, text = _cell(row, layout, "role"), _cell(row, layout, "text")
        role = roles.find(written) if written is not None else None
        if not row or written is None or text is None:
            reason = _width(layout)
        elif not id:
            reason = "no conversation id"
        elif role is None:
            reason = "no role that is known; name yours under `roles`"
        else:
            conversation = found.setdefault(id, _Open(line))
            if role != "ignored":
                conversation.turns.append(Turn(role, text))
            continue
        intake.refuse(source.where(line), reason)
        if id:
            found.setdefault(id, _Open(line)).spoilt = True
    for id, conversation in found.items():
        where = source.where(conversation.line)
        if conversation.spoilt:
            intake.spoilt.append(where)
        else:
            yield Dialogue(id, tuple(conversation.turns), where)
