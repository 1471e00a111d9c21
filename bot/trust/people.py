"""Who may do what with keys and customers' data, and which deeds take two people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.errors import NotAllowed

__all__ = ["TWO_PEOPLE", "Approvals", "Roster"]

TWO_PEOPLE = frozenset({"customer.erase", "customer.hold", "personal.reveal"})
"""Deeds that take two different people."""


class Roster(Protocol):
    """The staff file (`bot.config.staff.Staff`)."""

    @property
    def present(self) -> bool: ...

    def may(self, id: str, permission: str) -> bool: ...

    def roles_of(self, id: str) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Approvals:
    """Holds names against the staff file. Without people in one, any two different names are taken, so that
    a bank can begin; the record names them all the same."""

    roster: Roster | None = None

    def require(self, permission: str, by: str, second: str = "", *, role: str = "") -> None:
        """Raises NotAllowed: someone is missing, unknown, or may not."""
        by, second = by.strip(), second.strip()
        if not by:
            raise NotAllowed("say who you are: --by STAFF")
        if permission in TWO_PEOPLE and (not second or second == by):
            raise NotAllowed("this takes two different people: --by STAFF --second STAFF")
        roster = self.roster
        if roster is None or not roster.present:
            return
        for id in (by, second):
            if id and not roster.may(id, permission):
                raise NotAllowed(f"{id!r} may not do this: the staff file gives them no {permission!r}")
        if role and role not in roster.roles_of(by):
            raise NotAllowed(f"{by!r} doesn't have the role {role!r} in the staff file")
