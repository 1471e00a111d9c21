"""Who a speaker is, by the many names logs give them."""

from __future__ import annotations

import re
from typing import Literal

from inference.training.prepare.config import Roles
from inference.training.prepare.dialogue import Role
from inference.training.prepare.listed import listed

__all__ = ["RoleNames"]

CUSTOMER = listed(
    "客户 用户 顾客 访客 客人 来访者 咨询者 储户 持卡人 customer user client visitor human caller guest"
)
COUNTER = listed(
    "客服 坐席 座席 机器人 柜员 柜台 助手 客服人员 客服专员 智能客服 人工客服 在线客服 客服机器人 智能助手 "
    "人工坐席 银行 counter assistant agent bot robot teller staff support advisor representative service "
    "bank gpt"
)
IGNORED = listed("系统 系统消息 系统提示 system tool function developer note")
AMBIGUOUS = frozenset(listed("银行 柜台 助手 bank service support guest gpt tool function developer note"))
"""Speakers in a field of their own, but too often something else at the beginning of a line of text."""

_NUMBERED = re.compile(r"[\s#＃_-]*[A-Za-z]?\d{1,8}$|\s*[(（【\[][^)）】\]]{0,24}[)）】\]]$")


class RoleNames:
    """Looks roles up; names from the configuration come first."""

    def __init__(self, more: Roles | None = None) -> None:
        more = more or Roles()
        self._more = {_plain(name) for name in (*more.customer, *more.counter, *more.ignored)}
        self._table: dict[str, Role | Literal["ignored"]] = {}
        for names, role in ((CUSTOMER, "customer"), (COUNTER, "counter"), (IGNORED, "ignored")):
            self._table.update((name, role) for name in names)  # type: ignore[misc]
        self._table.update((_plain(name), "customer") for name in more.customer)
        self._table.update((_plain(name), "counter") for name in more.counter)
        self._table.update((_plain(name), "ignored") for name in more.ignored)

    @property
    def names(self) -> list[str]:
        """All names that a line of text may begin with, longest first."""
        return sorted(self._table.keys() - (AMBIGUOUS - self._more), key=lambda name: (-len(name), name))

    def find(self, written: str) -> Role | Literal["ignored"] | None:
        """The role of a speaker; a number or a bracket behind the name doesn't matter. None if unknown."""
        plain = _plain(written)
        return self._table.get(plain) or self._table.get(_NUMBERED.sub("", plain))


def _plain(name: str) -> str:
    return name.strip().lower()
