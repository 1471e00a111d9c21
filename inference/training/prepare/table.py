"""Reading CSV: a row a turn (conversation, role, text), or a row a pair (question, answer)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
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
        "conversationid dialogueid dialogid sessionid chatid 会话id 会话编号 会话号 对话id 对话编号 对话号 "
        "conversation session 会话 对话 id 编号 序号"
    ),
    "role": listed("role speaker sender from 角色 说话人 说话者 发言人 发送方 发送者 发送人 身份"),
    "text": listed("text content message utterance 文本 内容 消息 消息内容 发言 发言内容 对话内容"),
    "question": listed("question query q 问题 提问 客户问题 用户问题 问"),
    "answer": listed("answer reply response a 答案 回答 回复 答复 客服回答 客服回复 答"),
    "label": listed("label 标签"),
}
"""Of several that a file has, the one that stands first here is taken: `id` and 序号 may only count rows."""
_DELIMITERS = (",", "\t", ";", "，")
_UNCLOSED = "a quotation mark is opened here and not closed"
_DISLIKED = "bad"

csv.field_size_limit(LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: list[str]
    fault: str = ""
    """Why the cells can't be relied on."""
    lost: tuple[str, ...] = ()
    """The lines of a row that is no CSV."""


@dataclass(slots=True)
class _Open:
    """A conversation whose rows are being gathered."""

    line: int
    turns: list[Turn] = field(default_factory=list)
    disliked: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    columns: dict[str, int]
    names: dict[str, str]
    """As the header writes them."""
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
    intake.columns[source.name] = layout.names
    rows = _rows(physical, layout, before + 1, intake)
    if "question" in layout.columns:
        yield from _pairs(rows, layout, source, intake)
    else:
        yield from _conversations(rows, layout, source, intake, roles)


def _layout(header: str, where: str) -> _Layout:
    known: set[str] = set()
    for delimiter in _DELIMITERS:
        try:
            names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter, strict=True))]
        except (csv.Error, StopIteration):
            continue
        plain = [name.lower().replace("_", "").replace(" ", "").replace("-", "") for name in names]
        columns = {
            what: next(plain.index(name) for name in wanted if name in plain)
            for what, wanted in _HEADERS.items()
            if any(name in plain for name in wanted)
        }
        known.update(names[at] for at in columns.values())
        for needed, more in (
            (("conversation", "role", "text"), ("label",)),
            (("question", "answer"), ("conversation", "label")),
        ):
            if columns.keys() >= set(needed):
                taken = {what: columns[what] for what in (*needed, *more) if what in columns}
                return _Layout(taken, {what: names[at] for what, at in taken.items()}, len(names), delimiter)
    raise TellerError(
        f"{where}: the first row must name the columns: conversation_id, role, text (会话编号, 角色, 内容) "
        f"or question, answer (问题, 答案); known of those it names: {', '.join(sorted(known)) or 'none'}"
    )


def _rows(physical: Iterator[str], layout: _Layout, before: int, intake: Intake) -> Iterator[_Row]:
    lines: list[str] = []

    def noted() -> Iterator[str]:
        for line in physical:
            lines.append(line)
            yield line

    reader = csv.reader(noted(), delimiter=layout.delimiter, strict=True)
    while True:
        lines.clear()
        start = before + reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            intake.rows += len(lines)
            if "unexpected end" in str(error):
                said = _UNCLOSED
            elif len(lines) > 1:
                said = "a quotation mark is opened here and closed in the middle of a later cell"
            else:
                said = f"not CSV: {error}"
            yield _Row(start, _loosely(lines[0], layout), said, tuple(lines))
            continue
        if not any(cell.strip() for cell in row):
            continue
        intake.row()
        wide = any(cell.strip() for cell in row[layout.width :])
        yield _Row(start, row, _width(layout) if wide else "")


def _loosely(line: str, layout: _Layout) -> list[str]:
    """The cells of a line that may be no CSV."""
    return next(csv.reader([line], delimiter=layout.delimiter), [])


def _cell(row: _Row, layout: _Layout, what: str) -> str | None:
    at = layout.columns.get(what)
    return row.cells[at] if at is not None and at < len(row.cells) else None


def _width(layout: _Layout) -> str:
    return f"not the header's {layout.width} columns; quote text that holds {layout.delimiter!r}"


def _is_disliked(row: _Row, layout: _Layout) -> bool:
    return (_cell(row, layout, "label") or "").strip().lower() == _DISLIKED


def _pairs(rows: Iterator[_Row], layout: _Layout, source: SourceFile, intake: Intake) -> Iterator[Dialogue]:
    for row in rows:
        where = source.where(row.line)
        question, answer = _cell(row, layout, "question"), _cell(row, layout, "answer")
        if row.fault or question is None or answer is None:
            intake.refuse(where, row.fault or _width(layout), rows=max(1, len(row.lost)))
        elif _is_disliked(row, layout):
            intake.disliked.append(where)
        else:
            turns = (Turn("customer", question), Turn("counter", answer))
            yield Dialogue((_cell(row, layout, "conversation") or "").strip(), turns, where)


def _conversations(
    rows: Iterator[_Row], layout: _Layout, source: SourceFile, intake: Intake, roles: RoleNames
) -> Iterator[Dialogue]:
    found: dict[str, _Open] = {}
    spoilt: set[str] = set()
    all_spoilt = False
    id = ""
    for row in rows:
        before, id = id, (_cell(row, layout, "conversation") or "").strip()
        written, text = _cell(row, layout, "role"), _cell(row, layout, "text")
        conversation = found.setdefault(id, _Open(row.line)) if id else None
        if row.fault or written is None or text is None:
            reason = row.fault or _width(layout)
            spoilt |= _mentioned(row, layout)
            # Its end may have been anybody's, and an earlier odd mark may have swallowed rows unseen.
            all_spoilt |= row.fault == _UNCLOSED
        elif conversation is None:
            reason = "no conversation id"
        elif (role := roles.find(written)) is None:
            reason = "no role that is known; name yours under `roles`"
        else:
            conversation.disliked |= _is_disliked(row, layout)
            if role != "ignored":
                conversation.turns.append(Turn(role, text))
            continue
        spoilt.add(id)
        if not row.lost and sum(1 for cell in row.cells if cell.strip()) == 1:
            # A line break outside of quotation marks has cut the row before.
            spoilt.add(before)
        intake.refuse(source.where(row.line), reason, rows=max(1, len(row.lost)))
    for id, conversation in found.items():
        where = source.where(conversation.line)
        if all_spoilt or id in spoilt:
            intake.spoilt.append(where)
        elif conversation.disliked:
            intake.disliked.append(where)
        else:
            yield Dialogue(id, tuple(conversation.turns), where)


def _mentioned(row: _Row, layout: _Layout) -> set[str]:
    """What can be the id of a row whose cells may stand in other columns than theirs."""
    cells = set(row.cells)
    for line in row.lost:
        cells.update(_loosely(line, layout), line.split(layout.delimiter))
    return {cell.strip().strip('"').strip() for cell in cells}
