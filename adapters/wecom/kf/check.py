"""What `teller check --online` asks WeCom about 微信客服. Changes nothing."""

from __future__ import annotations

from typing import Any, Final

from adapters.base import Finding
from adapters.wecom.api import WeComApi
from adapters.wecom.callback import check_callback
from adapters.wecom.checks import check_clock, check_token
from adapters.wecom.crypto import Crypto
from adapters.wecom.kf.people import people_of
from adapters.wecom.kf.settings import WeComKf
from bot.errors import SendError

__all__ = ["check"]

PAGE: Final = 100


async def check(settings: WeComKf, api: WeComApi, crypto: Crypto, url: str) -> list[Finding]:
    """Token, clock, accounts, people, callback. `url`: the callback's public address, or empty."""
    findings = [await check_token(api)]
    if findings[0].ok:
        findings += await _accounts(settings, api)
    findings.append(check_clock(api.skew_s))
    if url:
        findings += await check_callback(url, crypto)
    else:
        findings.append(Finding("callback", False, "not tried: public_url isn't set"))
    return findings


async def _accounts(settings: WeComKf, api: WeComApi) -> list[Finding]:
    try:
        listed = await _listed(api)
    except SendError as error:
        hint = "the app must be named under 微信客服 → 可调用接口的应用"
        return [Finding("accounts", False, f"{error}; {hint}")]
    managed = {kfid: account for kfid, account in listed.items() if account.get("manage_privilege", True)}
    findings = []
    wanted = settings.open_kfids or tuple(managed)
    for open_kfid in wanted:
        name = str(listed.get(open_kfid, {}).get("name", ""))
        if open_kfid not in listed:
            detail = "WeCom lists no such account; is the id right, and is it managed by this app?"
        elif open_kfid not in managed:
            detail = f"{name}: the app may see it, but not manage it; hand it to the API in the admin console"
        else:
            findings.append(Finding(f"account {open_kfid}", True, name))
            findings.append(await _people(settings, api, open_kfid))
            continue
        findings.append(Finding(f"account {open_kfid}", False, detail))
    if not wanted:
        findings.append(Finding("accounts", False, "the app manages no customer-service account; add one"))
    return findings


async def _listed(api: WeComApi) -> dict[str, dict[str, Any]]:
    accounts: dict[str, dict[str, Any]] = {}
    while True:
        asked = {"offset": len(accounts), "limit": PAGE}
        answer = await api.call("POST", "kf/account/list", json=asked, repeatable=True)
        page = answer.get("account_list")
        entries = [entry for entry in page if isinstance(entry, dict)] if isinstance(page, list) else []
        fresh = {
            str(e.get("open_kfid", "")): e for e in entries if str(e.get("open_kfid", "")) not in accounts
        }
        accounts |= fresh
        if len(entries) < PAGE or not fresh:
            return accounts


async def _people(settings: WeComKf, api: WeComApi, open_kfid: str) -> Finding:
    what = f"people of {open_kfid}"
    try:
        people = await people_of(api, open_kfid)
    except SendError as error:
        return Finding(what, False, str(error))
    named = {*settings.servicers, *(name for names in settings.departments.values() for name in names)}
    missing = sorted(named - set(people))
    if missing:
        detail = f"not 接待人员 of this account: {', '.join(missing)}; add them in the admin console"
        return Finding(what, False, detail)
    if not people:
        return Finding(what, False, "the account has no 接待人员: nobody can be handed a conversation")
    receiving = sum(people.values())
    return Finding(what, True, f"{receiving} of {len(people)} are receiving now")
