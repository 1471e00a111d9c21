"""What `teller check --online` finds out about a Slack app. It changes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec

from adapters.base import Finding
from adapters.slack.api import answer, reply, web_client
from adapters.slack.settings import SlackSettings, SlackWorkspace
from adapters.slack.signature import sign
from bot.errors import SendError

__all__ = ["check_app"]

SKEW_S = 60.0
NEEDED = {
    "chat:write": "answering",
    "im:history": "direct messages",
    "app_mentions:read": "being mentioned in channels",
    "channels:history": "threads in channels",
    "commands": "slash-commands",
    "files:read": "pictures and files from customers",
    "files:write": "charts and files to customers",
}
USEFUL = {
    "groups:history": "threads in private channels",
    "mpim:history": "group direct messages",
    "users:read": "people's language",
    "assistant:write": "the assistant's side panel, its status line",
}


async def check_app(
    settings: SlackSettings, clock: Callable[[], float], session: aiohttp.ClientSession, public_url: str
) -> list[Finding]:
    findings: list[Finding] = []
    for workspace in settings.workspaces:
        findings += await _workspace(settings, workspace, clock, session)
    if settings.app_token:
        findings.append(await _socket_mode(settings, session))
    if settings.signing_secret:
        findings.append(await _callback(settings, clock, session, public_url))
    return findings


async def _workspace(
    settings: SlackSettings,
    workspace: SlackWorkspace,
    clock: Callable[[], float],
    session: aiohttp.ClientSession,
) -> list[Finding]:
    what = f"slack workspace {workspace.name}"
    try:
        response = await reply(web_client(workspace.bot_token, settings.base_url, session).auth_test())
    except SendError as error:
        return [Finding(f"{what}: token", False, str(error))]
    team = str(response.get("team_id") or "")
    if workspace.team_id and team != workspace.team_id:
        detail = f"the token belongs to team {team}, the configuration says {workspace.team_id}: set team_id"
        return [Finding(f"{what}: token", False, detail)]
    headers = {name.lower(): value for name, value in response.headers.items()}
    found = [Finding(f"{what}: token", True, f"{response.get('team')} ({team}) as {response.get('user')}")]
    return [*found, _scopes(what, headers.get("x-oauth-scopes")), _clock(what, headers.get("date"), clock())]


def _scopes(what: str, header: str | None) -> Finding:
    if header is None:
        return Finding(f"{what}: scopes", True, "Slack didn't say which the token has")
    given = {scope.strip() for scope in header.split(",")}
    missing = [f"{scope} ({use})" for scope, use in NEEDED.items() if scope not in given]
    useful = [f"{scope} ({use})" for scope, use in USEFUL.items() if scope not in given]
    advice = " Add them under OAuth & Permissions > Bot Token Scopes and install the app again."
    if missing:
        return Finding(f"{what}: scopes", False, f"missing: {', '.join(missing)}.{advice}")
    detail = f"all that are needed; without {', '.join(useful)}." if useful else "all there"
    return Finding(f"{what}: scopes", True, detail)


def _clock(what: str, date: str | None, now: float) -> Finding:
    try:
        skew = now - parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return Finding(f"{what}: clock", True, "Slack didn't say what time it is")
    if abs(skew) > SKEW_S:
        return Finding(
            f"{what}: clock",
            False,
            f"ours is {skew:+.0f} s off Slack's: set it by NTP (from 300 s on every request is refused)",
        )
    return Finding(f"{what}: clock", True, f"{skew:+.0f} s off Slack's")


async def _socket_mode(settings: SlackSettings, session: aiohttp.ClientSession) -> Finding:
    what = f"slack app {settings.account}: Socket Mode"
    client = web_client(None, settings.base_url, session)
    try:
        await answer(client.apps_connections_open(app_token=settings.app_token))
    except SendError as error:
        advice = "make an App-Level Token with connections:write and switch Socket Mode on"
        return Finding(what, False, f"{error}; {advice}")
    return Finding(what, True, "a connection may be opened")


async def _callback(
    settings: SlackSettings, clock: Callable[[], float], session: aiohttp.ClientSession, public_url: str
) -> Finding:
    """Ask ourselves what Slack asks when an operator enters the request URL."""
    what = f"slack app {settings.account}: request URL"
    if not public_url:
        return Finding(what, True, "not looked at: no public address is configured")
    url = public_url.rstrip("/") + settings.paths[0]
    challenge, stamp = secrets.token_urlsafe(16), str(int(clock()))
    body = msgspec.json.encode({"type": "url_verification", "challenge": challenge})
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": sign(settings.signing_secret, stamp, body),
    }
    try:
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            text = (await response.content.read(2000)).decode("utf-8", "replace")
            status = response.status
    except (TimeoutError, aiohttp.ClientError) as error:
        return Finding(
            what, False, f"{url} can't be reached ({type(error).__name__}): is Teller running behind it?"
        )
    if status == 200 and text == challenge:
        return Finding(what, True, f"{url} answers; it is what belongs into the app's request URLs")
    if status == 401:
        return Finding(
            what, False, f"{url} refuses our signature: the server there has another signing_secret"
        )
    return Finding(
        what, False, f"{url} answered {status} instead of the challenge: look at the proxy before it"
    )
