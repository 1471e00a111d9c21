"""What `teller check --online` asks Telegram. It changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
from telegram import WebhookInfo
from telegram.error import InvalidToken, TelegramError

from adapters.base import Finding
from adapters.telegram.api import ALLOWED_UPDATES, Api, Me, connect
from adapters.telegram.menu import outdated
from adapters.telegram.refusals import UNAUTHORIZED, said
from adapters.telegram.settings import TelegramSettings
from adapters.telegram.webhook import webhook_trouble

__all__ = ["check"]

WORST_SKEW_S = 60.0
PORTS = (443, 80, 88, 8443)
"""Where Telegram delivers to (core.telegram.org/bots/api#setwebhook)."""


async def check(settings: TelegramSettings, public_url: str, clock: Callable[[], float]) -> list[Finding]:
    """The findings about one bot.

    Args:
        clock: seconds since the epoch.
    """
    skews: list[float] = []

    async def dated(response: httpx.Response) -> None:
        stamp = response.headers.get("date", "")
        try:
            skews.append(clock() - parsedate_to_datetime(stamp).timestamp())
        except ValueError:
            return

    api = await asyncio.to_thread(connect, settings, pool=2, responded=[dated])
    try:
        me = await api.me()
        findings = [Finding("token", True, f"@{me.username}"), _skew(skews), _groups(me, settings)]
        findings += _webhook(await api.get_webhook_info(), settings, public_url, clock())
        findings.append(await _menus(api, settings))
    except InvalidToken:
        return [Finding("token", False, UNAUTHORIZED)]
    except TelegramError as error:
        return [Finding("connection", False, f"{settings.base_url} can't be asked: {said(error)}; see proxy")]
    finally:
        await api.end()
    return findings


def _skew(skews: list[float]) -> Finding:
    if not skews:
        return Finding("clock", True, "Telegram gave no date to compare with")
    skew = min(skews, key=abs)
    if abs(skew) <= WORST_SKEW_S:
        return Finding("clock", True, f"{abs(skew):.0f} s from Telegram's")
    side = "ahead of" if skew > 0 else "behind"
    apart = timedelta(seconds=round(abs(skew)))
    return Finding("clock", False, f"this machine's clock is {apart} {side} Telegram's: turn on NTP")


def _groups(me: Me, settings: TelegramSettings) -> Finding:
    if not settings.staff_chats:
        reads = (
            "every message, of which it answers those for it"
            if me.reads_groups
            else ("commands, mentions and replies to it")
        )
        joins = f"in groups it is sent {reads}" if me.joins_groups else "it can't be added to groups"
        return Finding("groups", True, joins)
    if me.reads_groups:
        return Finding("groups", True, "privacy mode is off: staff chats are read")
    return Finding(
        "groups",
        False,
        "privacy mode is on, so staff chats can't be read: @BotFather, /setprivacy, Disable, then remove the "
        "bot from its groups and add it again",
    )


def _webhook(info: WebhookInfo, settings: TelegramSettings, public_url: str, now: float) -> list[Finding]:
    if settings.receive == "polling":
        if not info.url:
            return [Finding("receiving", True, f"polling; {info.pending_update_count} updates wait")]
        what = (
            f"a webhook is set ({info.url}), which stops polling: call deleteWebhook or set receive: webhook"
        )
        return [Finding("receiving", False, what)]
    url = settings.webhook_url(public_url)
    if not url:
        return [
            Finding("receiving", False, "webhooks need server.public_url, the https address Telegram reaches")
        ]
    findings = [_address(url)]
    if not info.url:
        findings.append(Finding("webhook", False, f"isn't set yet; starting Teller sets it to {url}"))
        return findings
    trouble = webhook_trouble(info, url, now)
    findings.append(Finding("webhook", not trouble, trouble or f"{info.pending_update_count} updates wait"))
    missing = set(ALLOWED_UPDATES) - set(info.allowed_updates or ALLOWED_UPDATES)
    if missing:
        what = f"Telegram doesn't send {', '.join(sorted(missing))}: restart Teller to register again"
        findings.append(Finding("webhook updates", False, what))
    return findings


def _address(url: str) -> Finding:
    parts = httpx.URL(url)
    if parts.scheme != "https":
        return Finding("address", False, f"{url}: Telegram delivers to https only")
    if (parts.port or 443) not in PORTS:
        return Finding("address", False, f"{url}: Telegram delivers to the ports 443, 80, 88 and 8443 only")
    return Finding("address", True, url)


async def _menus(api: Api, settings: TelegramSettings) -> Finding:
    changed = await outdated(api, settings)
    what = f"{len(changed)} menus differ; they are set at the next start" if changed else "as configured"
    return Finding("commands menu", True, what)
