"""What an operator sets for a group's webhook."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.wecom.wire import API_BASE

__all__ = ["WeComGroup"]


@dataclass(frozen=True, slots=True)
class WeComGroup:
    """The robot 群机器人 of one group: Teller posts there and hears nothing."""

    key: str = field(repr=False)
    """What follows `key=` in the address that WeCom shows."""
    account: str = "default"
    webhook_base: str = API_BASE
    timeout_s: float = 10.0
    """For a call to WeCom."""
