"""Reading plain text: 客户：… 客服：…, with or without timestamps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TextIO

from inference.privacy import mask
from inference.training.prepare.dialogue import Dialogue, Role, Turn
from inference.training.prepare.intake import Intake
from inference.training.prepare.listed import listed
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

_LABEL = (
    r"(?P<label>[^\W\d_](?:[^\s:：,，.。;；!！?？、…\"“”'‘’「」《》<>/@=]|(?<=[a-z]) (?=[a-z])){0,11}?)"
    r"(?:\s?[(（【\[][^)）】\]\n]{0,24}[)）】\]])?"
)
_STAMPED = re.compile(rf"{_STAMP}[\s,，-]*{_LABEL}\s?[:：](?!//)", re.IGNORECASE)
_STAMPED_BEHIND = re.compile(rf"{_LABEL}\s*{_STAMP}\s*[:：]?", re.IGNORECASE)
_LABELLED = re.compile(rf"{_LABEL}\s?[:：](?!//)", re.IGNORECASE)
_NOUNS = listed(
    "注意 事项 步骤 提示 提醒 说明 备注 附注 附 注 地址 住址 电话 热线 手机 手机号 卡号 账号 帐号 编号 "
    "单号 工号 证号 号码 时间 日期 期限 期间 金额 余额 利率 利息 费率 费用 费 额度 姓名 户名 名称 名字 "
    "用户名 身份证 护照 邮箱 微信 网址 链接 官网 网点 支行 分行 开户行 银行 条件 材料 资料 证件 方法 "
    "方式 途径 路径 流程 原因 内容 情况 结果 要求 范围 标准 标题 主题 问题 答案 问 答 例 例如 比如 举例 "
    "如下 以下 另外 此外 其次 首先 最后 总之 密码 验证码 短信 通知 公告 产品 币种 状态 类型 优点 缺点 "
    "区别 优惠 活动 信息 一下"
)
_WORDS = listed(
    "note notes tip tips step steps address phone tel telephone mobile email time hours date fee fees "
    "rate rates amount balance warning important reminder reason answer question example subject link "
    "website name number id code account card documents required needed options following ps q a"
)
_ORDINARY = re.compile(
    rf".*(?:{'|'.join(_NOUNS)})|(?:.* )?(?:{'|'.join(_WORDS)})|第.{{1,4}}|.*[说讲写是的了吗]", re.IGNORECASE
)
"""What begins a line of a message more often than a speaker's line; a number behind it doesn't matter."""
_COUNTED = re.compile(r"\s?[\d一二三四五六七八九十]{1,2}$")
_STRANGER = "begins like a speaker who isn't known; name yours under `roles`"


class _Lines:
    """Takes the speakers out of lines."""

    def __init__(self, roles: RoleNames) -> None:
        self._roles = roles
        names = "|".join(re.escape(name) for name in roles.names)
        speaker = rf"(?P<name>{names})(?:(?!\s?{_STAMP}\s*$){_SUFFIX})?"
        self._begins = re.compile(
            rf"\s*(?P<before>{_STAMP}[\s,，-]*)?{speaker}\s*(?:[:：]|(?P<behind>{_STAMP})\s*(?:[:：]|$))",
            re.IGNORECASE,
        )
        self._stamped = False
        self._inside = re.compile(rf"\s(?={speaker}\s?[:：])", re.IGNORECASE)

    def turns(self, line: str) -> list[tuple[Role | None, str]] | None:
        """(role, text) of each turn on a line, None as the role of a system message; None if the line
        begins with no speaker."""
        if line.startswith("「") and line.endswith("」"):
            line = line[1:-1]
        found: list[tuple[Role | None, str]] = []
        begun = self._begins.match(line)
        while begun is not None:
            self._stamped |= bool(begun["before"] or begun["behind"])
            written = self._roles.find(begun["name"])
            role: Role | None = None if written in {None, "ignored"} else written  # type: ignore[assignment]
            following = next(self._others(line, begun.end(), written), None)
            end = len(line) if following is None else following
            found.append((role, line[begun.end() : end].strip()))
            begun = None if following is None else self._begins.match(line, following)
        return found or None

    def label(self, line: str) -> tuple[str, bool] | None:
        """What a line begins with that may be a speaker who isn't known; whether a time says that it is."""
        stamped = _STAMPED.match(line) or (self._stamped and _STAMPED_BEHIND.fullmatch(line))
        found = stamped or _LABELLED.match(line)
        if not found or _ORDINARY.fullmatch(_COUNTED.sub("", found["label"])):
            return None
        return found["label"], bool(stamped)

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
        self._labels: dict[str, int] = {}

    def is_stranger(self, label: str) -> bool:
        """Whether a line that begins with this label and a colon is rather another speaker's than a part of
        the turn before."""
        turn = len(self.turns)
        name = any(edit.type == "NAME" for edit in mask(f"姓名：{label}").edits)
        return name or self.turns[-1][0] == "customer" or self._labels.setdefault(label, turn) != turn

    def close(self, source: SourceFile, intake: Intake) -> Iterator[Dialogue]:
        if self.spoilt and self.turns:
            intake.spoilt.append(source.where(self.line))
        elif self.turns:
            turns = tuple(Turn(role, "\n".join(text)) for role, text in self.turns if role is not None)
            yield Dialogue(self.id, turns, source.where(self.line))


def read_plain(file: TextIO, source: SourceFile, intake: Intake, roles: RoleNames) -> Iterator[Dialogue]:
    """Conversations stand apart by a line of dashes or (if `source` says so) a blank line; a line without
    a speaker continues the one before, unless it seems to have one whom nobody has named."""
    speakers = _Lines(roles)
    current = _Open()
    for number, line in lines(file):
        blank = line is not None and not line.strip()
        if blank or (line is not None and _RULE.fullmatch(line)):
            only_title = current.id and not current.turns and not current.spoilt
            if not only_title and (source.blank_line_ends or not blank):
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
            label = speakers.label(line.strip())
            if label and (label[1] or current.is_stranger(label[0])):
                intake.refuse(source.where(number), _STRANGER)
                current.spoilt = True
            else:
                intake.unsure += label is not None
                current.turns[-1][1].append(line.strip())
        elif title:
            current.id = title[1]
        else:
            intake.refuse(
                source.where(number), "no speaker (客户：, 客服：, User:, Agent: …) before this line"
            )
    yield from current.close(source, intake)
