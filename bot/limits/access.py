"""Who may write at all: the allow and deny lists of the configuration, made quick to look up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeVar

from bot.config.limits import Access, Allowed, Denied, Listed
from bot.types import InboundEvent

__all__ = ["Gatekeeper", "Standing"]

Key = tuple[str, str, Literal["sender", "group", ""], str]
L = TypeVar("L", bound=Listed)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the lists say of a sender."""

    denied: bool = False
    notice: bool = False
    """A denied sender is told so."""
    unlimited: bool = False


class Gatekeeper:
    """One version of the lists."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._deny: dict[Key, list[Denied]] = {}
        self._allow: dict[Key, list[Allowed]] = {}
        for denied in access.deny:
            self._deny.setdefault(_key(denied), []).append(denied)
        for allowed in access.allow:
            self._allow.setdefault(_key(allowed), []).append(allowed)

    def standing(self, event: InboundEvent) -> Standing:
        """By the most exact entry in force on the day the event was received."""
        access, today = self.access, event.received_at.date()
        if not access.deny and not access.allow:
            return Standing(denied=access.only_allowed)
        for key in _keys(event):
            denied = _in_force(self._deny.get(key, ()), today)
            if denied is not None:
                return Standing(denied=True, notice=denied.notice)
            allowed = _in_force(self._allow.get(key, ()), today)
            if allowed is not None:
                return Standing(unlimited=allowed.unlimited)
        return Standing(denied=access.only_allowed)


def _key(listed: Listed) -> Key:
    if listed.sender:
        return listed.platform, listed.account, "sender", listed.sender
    return listed.platform, listed.account, "group" if listed.group else "", listed.group


def _keys(event: InboundEvent) -> Iterator[Key]:
    """What could name an event's sender, most exact first."""
    platform, chat = event.platform, event.conversation.chat
    for account in (event.account, ""):
        yield platform, account, "sender", event.sender.id
    for account in (event.account, ""):
        yield platform, account, "group", chat
    for account in (event.account, ""):
        yield platform, account, "", ""


def _in_force(entries: Sequence[L], today: date) -> L | None:
    return next((entry for entry in entries if entry.until is None or today <= entry.until), None)
