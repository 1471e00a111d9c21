"""What `teller check --online` tells an operator about a Slack app."""

from __future__ import annotations

import dataclasses

import pytest

from adapters.base import Finding
from adapters.slack import SlackAdapter, SlackSettings, SlackWorkspace
from tests.adapters.slack.bench import Bench, bench, settings
from tests.emulators.slack import SlackEmulator


async def findings(there: Bench, public_url: str = "") -> dict[str, Finding]:
    made = await there.adapter.check(public_url)
    return {finding.what.rpartition(": ")[2]: finding for finding in made}


async def test_a_good_app_passes_everything() -> None:
    async with bench() as there:
        found = await findings(there, there.url)
    assert [name for name, finding in found.items() if finding.ok] == [
        "token",
        "scopes",
        "clock",
        "Socket Mode",
        "request URL",
    ]
    assert len(found) == 5


async def test_it_works_without_start_and_changes_nothing() -> None:
    async with SlackEmulator() as slack:
        adapter = SlackAdapter(settings(slack))
        assert all(finding.ok for finding in await adapter.check(""))
        await adapter.close()
        assert {call.method for call in slack.api.calls} == {"auth.test", "apps.connections.open"}
        assert slack.sockets.opened == 0


async def test_a_missing_scope_is_named_with_what_it_is_for() -> None:
    async with bench() as there:
        there.slack.team.scopes = (
            "chat:write,im:history,app_mentions:read,channels:history,files:read,files:write"
        )
        scopes = (await findings(there))["scopes"]
        assert not scopes.ok
        assert "commands (slash-commands)" in scopes.detail
        assert "chat:write" not in scopes.detail
        assert "install the app again" in scopes.detail


async def test_a_wrong_token_and_a_wrong_team_are_told_apart() -> None:
    async with bench() as there:
        there.slack.team.revoked = True
        assert "token_revoked" in (await findings(there))["token"].detail
        there.slack.team.revoked = False
        there.slack.team.id = "T9999"
        adapter = SlackAdapter(
            dataclasses.replace(
                there.adapter._settings, workspaces=(SlackWorkspace("main", "xoxb-emulator-1", "T0001"),)
            )
        )
        token = (await adapter.check(""))[0]
        assert not token.ok
        assert "T9999" in token.detail


@pytest.mark.parametrize(("skew", "ok"), [(0.0, True), (45.0, True), (-90.0, False), (90.0, False)])
async def test_a_clock_that_is_off_is_found(skew: float, ok: bool) -> None:
    async with bench() as there:
        there.slack.api.date_skew = skew
        clock = (await findings(there))["clock"]
        assert clock.ok is ok
        assert ok or "NTP" in clock.detail


async def test_socket_mode_that_is_off_is_found() -> None:
    async with bench() as there:
        there.slack.api.socket_mode = False
        socket = (await findings(there))["Socket Mode"]
        assert not socket.ok
        assert "connections:write" in socket.detail


async def test_a_request_url_is_tried_out() -> None:
    async with bench("http") as there:
        assert (await findings(there, there.url))["request URL"].ok
        nobody = (await findings(there, "http://127.0.0.1:9"))["request URL"]
        assert not nobody.ok
        assert "is Teller running" in nobody.detail
        proxy = (await findings(there, there.slack.api.url))["request URL"]
        assert not proxy.ok
        assert "404" in proxy.detail
        other = SlackAdapter(dataclasses.replace(there.adapter._settings, signing_secret="another"))
        told = (await other.check(there.url))[-1]
        assert not told.ok
        assert "signing_secret" in told.detail


@pytest.mark.parametrize(
    "wrong",
    [
        {"workspaces": ()},
        {"workspaces": (SlackWorkspace("a", "x"), SlackWorkspace("b", "y"))},
        {"workspaces": (SlackWorkspace("a", "x", "T1"), SlackWorkspace("a", "y", "T2"))},
        {"workspaces": (SlackWorkspace("a", "x"),), "signing_secret": ""},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Slack"):
        SlackSettings(**{"signing_secret": "s", **wrong})  # type: ignore[arg-type]
