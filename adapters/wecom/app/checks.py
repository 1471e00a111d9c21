"""What `teller check --online` asks WeCom about an app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from adapters.base import Finding
from adapters.wecom.api import WeComApi
from adapters.wecom.callback import check_callback
from adapters.wecom.checks import asked, check_clock, check_token
from adapters.wecom.crypto import Crypto

__all__ = ["check_app"]

NAMED: Final = 5
"""Addresses named in a finding."""


async def check_app(api: WeComApi, crypto: Crypto, agent_id: int, callback_url: str) -> list[Finding]:
    """Token, app, addresses, callback and clock; `callback_url` is empty where it isn't known."""
    findings = [await check_token(api)]
    if findings[0].ok:
        findings += [await _check_agent(api, agent_id), await _check_addresses(api)]
    findings.append(check_clock(api.skew_s))
    if callback_url:
        findings += await check_callback(callback_url, crypto)
    else:
        findings.append(
            Finding("callback", False, "not tried: set public_url to WeCom's address for this server")
        )
    return findings


async def _check_agent(api: WeComApi, agent_id: int) -> Finding:
    """Also whether this server's address is trusted: gettoken works from anywhere, this doesn't."""

    async def ask() -> Mapping[str, Any]:
        return await api.call("GET", "agent/get", params={"agentid": str(agent_id)})

    finding = await asked("app", ask, _seen)
    closed = finding.ok and finding.detail.endswith(_CLOSED)
    return Finding("app", False, finding.detail) if closed else finding


_CLOSED: Final = "it is disabled; enable it in the admin console"


def _seen(agent: Mapping[str, Any]) -> str:
    name = f"{str(agent.get('name', ''))!r}"
    if agent.get("close") == 1:
        return f"{name}: {_CLOSED}"
    members = len((agent.get("allow_userinfos") or {}).get("user") or ())
    parts = len((agent.get("allow_partys") or {}).get("partyid") or ())
    tags = len((agent.get("allow_tags") or {}).get("tagid") or ())
    return f"{name}, visible to {members} members, {parts} departments and {tags} tags"


async def _check_addresses(api: WeComApi) -> Finding:
    async def ask() -> Mapping[str, Any]:
        return await api.call("GET", "getcallbackip")

    return await asked("WeCom's addresses", ask, _listed)


def _listed(answer: Mapping[str, Any]) -> str:
    addresses = [str(address) for address in answer.get("ip_list") or ()]
    some = ", ".join(addresses[:NAMED]) + (", …" if len(addresses) > NAMED else "")
    return f"callbacks come from {len(addresses)} addresses ({some}); the firewall must let them in"
