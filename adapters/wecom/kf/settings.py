"""What an operator sets for 微信客服."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.wecom.wire import API_BASE

__all__ = ["WeComKf"]


@dataclass(frozen=True, slots=True)
class WeComKf:
    """One app that may manage customer-service accounts (可调用接口的应用) and its callback."""

    corp_id: str
    secret: str = field(repr=False)
    """Of the app, or of 微信客服 itself where the corporation still has that one."""
    token: str = field(repr=False)
    encoding_aes_key: str = field(repr=False)
    account: str = "default"
    bare_path: bool | None = None
    """Serve the callback at the path without the account's name, too; None: if it is called `default` or
    `kf`. One account may."""
    open_kfids: tuple[str, ...] = ()
    """The customer-service accounts to serve; empty: every one that WeCom tells of."""
    servicers: tuple[str, ...] = ()
    """Member ids of the people (接待人员) that conversations are handed to. Nobody named, or nobody
    receiving: they go to the account's queue (接待池)."""
    departments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other people for some departments, by the department's name as tickets have it."""
    first_run_max_age_s: float = 300.0
    """At the very first start, older messages are left alone; afterwards none is."""
    poll_every_s: float = 300.0
    """Look for messages so often even though WeCom told of none; 0: never."""
    api_base: str = API_BASE
    timeout_s: float = 10.0
