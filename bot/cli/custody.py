"""What `teller keys|audit|customer|vault` share: the open store, who acts, and when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from bot.cli.common import open_store
from bot.config import LiveConfig
from bot.config.staff import Staff
from bot.ids import utc_now
from bot.store import Store
from bot.store.custody import Custody
from bot.trust.people import Approvals

__all__ = ["ByOption", "SecondOption", "approvals", "now", "opened"]

ByOption = Annotated[str, typer.Option("--by", help="Your id in the staff file.")]
SecondOption = Annotated[str, typer.Option("--second", help="The id of the colleague who agrees.")]


@dataclass(frozen=True, slots=True)
class _Roster:
    staff: Staff

    @property
    def present(self) -> bool:
        return bool(self.staff.file.people)

    def may(self, id: str, permission: str) -> bool:
        return self.staff.may(id, permission)

    def roles_of(self, id: str) -> tuple[str, ...]:
        person = self.staff.person(id)
        return () if person is None else tuple(person.roles)


def approvals(live: LiveConfig) -> Approvals:
    return Approvals(_Roster(live.current.staff))


def now() -> float:
    return utc_now().timestamp()


@asynccontextmanager
async def opened(live: LiveConfig) -> AsyncIterator[tuple[Store, Custody]]:
    store = await open_store(live)
    try:
        yield store, Custody(store)
    finally:
        await store.close()
