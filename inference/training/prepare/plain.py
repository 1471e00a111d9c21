"""Reading plain text: 客户：… 客服：…, with or without timestamps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TextIO

from inference.training.prepare.dialogue import Dialogue, Role, Turn
from inference.training.prepare.intake import Intake
from inference.training.prepare.roles import RoleNames
from inference.training.prepare.source import SourceFile, lines

__all__ = ["read_plain"]

_DAY = r"\d{4}\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}日?"
_CLOCK = (
    r"(?:[上下]午|早上|晚上|凌晨|中午)?\s?\d{1,2}[:：]\d{2}(?:[:：]\d{2}(?:[.,]\d{1,6})?)?"
    r"(?:\s?[AaPp]\.?[Mm]\.?)?(?:Z|[+-]\d{2}:?\d{2})?(?![:：]?\d)"
)
_STAMP = rf"[\[(（【]?\s?(?:{_DAY}(?:[T\s,]{{0,2}}{_CLOCK})?|{_CLOCK})\s?[\])）】]?"
_SUFFIX = r"(?:\s?[#＃_-]?\s?[A-Za-z]?\d{1,8}|\s?[(（【\[][^)）】\]\n]{0,24}[)）】\]])?"
_RULE = re.compile(r"\s*(?:[-=_*~—─－＝]\s?){3,}\s*")
_TITLE = re.compile(
    r"[#【\[]?\s?(?:会话|对话|通话|conversation|session|dialogue|chat)\s?(?:编号|号|id|no\.?)?\s?[:：#]?\s?"
    r"([\w-]{1,40})\s?[】\]]?",
    re.IGNORECASE,
)


class _Lines:
    """Takes the speakers out of lines."""

    def __init__(self, roles: RoleNames) -> None:
        self._roles = roles
        names = "|".join(re.escape(name) for name in roles.names)
        speaker = rf"(?P<name>{names}){_SUFFIX}"
        self._begins = re.compile(
            rf"\s*(?:{_STAMP}[\s,，-]*)?{speaker}\s*(?:[:：]|{_STAMP}\s*(?:[:：]|$))", re.IGNORECASE
        )
        self._inside = re.compile(rf"\s(?={speaker}\s?[:：])", re.IGNORECASE)

    def turns(self, line: str) -> list[tuple[Role | None, str]] | None:
        """(role, text) of each turn on a line, None as the role of a system message; None if the line
        begins with no speaker."""
        if line.startswith("「") and line.endswith("」"):
            line = line[1:-1]
        found: list[tuple[Role | None, str]] = []
        begun = self._begins.match(line)
        while begun is not None:
            written = self._roles.find(begun["name"])
            role: Role | None = None if written in {None, "ignored"} else written  # type: ignore[assignment]
            following = next(self._others(line, begun.end(), written), None)
            end = len(line) if following is None else following
            found.append((role, line[begun.end() : end].strip()))
            begun = None if following is None else self._begins.match(line, following)
        return found or None

    def _others(self, line: str, at: int, role: str | None) -> Iterator[int]:
        """Where somebody else begins to speak on the same line."""
        for match in self._inside.finditer(line, at):
            if self._roles.find(match["name"]) != role:
                yield match.start()


class _Open:
    def __init__(self) -> None:
        self.id = ""
        self.line = 0
        self.turns: list[tuple[Role | None, list[str]]] = []
        self.spoilt = False

    def close(self, source: SourceFile, intake: Intake) -> Iterator[Dialogue]:
        if self.spoilt and self.turns:
            intake.spoilt.append(source.where(self.line))
        elif self.turns:
            turns = tuple(Turn(role, "\n".join(text)) for role, text in self.turns if role is not None)
            yield Dialogue(self.id, turns, source.where(self.line))


def read_plain(file: TextIO, source: SourceFile, intake: Intake, roles: RoleNames) -> Iterator[Dialogue]:
    """Conversations stand apart by a line of dashes or (if `source` says so) a blank line; a line without
    a speaker continues the one before."""
    speakers = _Lines(roles)
    current = _Open()
    for number, line in lines(file):
        if line is not None and not line.strip():
            if source.blank_line_ends:
                yield from current.close(source, intake)
                current = _Open()
            continue
        if line is not None and _RULE.fullmatch(line):
            yield from current.close(source, intake)
            current = _Open()
            continue
        intake.row()
        current.line = current.line or number
        if line is None:
            intake.refuse(source.where(number), "the line is too long")
            current.spoilt = True
            continue
        turns = speakers.turns(line.strip())
        title = None if turns or current.turns else _TITLE.fullmatch(line.strip())
        if turns:
            current.turns.extend((role, [text]) for role, text in turns)
        elif current.turns:
            current.turns[-1][1].append(line.strip())
        elif title:
            current.id = title[1]
        else:
            intake.refuse(
                source.where(number), "no speaker (客户：, 客服：, User:, Agent: …) before this line"
            )
    yield from current.close(source, intake)
