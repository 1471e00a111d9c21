"""`teller check --online` for a self-built app: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.base import Finding
from adapters.wecom.app import WeComAppAdapter
from tests.adapters.wecom.app_rig import Rig, app_rig, settings_for


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with app_rig() as made:
        yield made


async def findings(rig: Rig, *, public_url: str = "", **changes: object) -> dict[str, Finding]:
    """From an adapter that was never started."""
    adapter = WeComAppAdapter(settings_for(rig.app, rig.qyapi, **changes), clock=rig.clock)
    return {finding.what: finding for finding in await adapter.check(public_url or rig.url)}


async def test_all_is_well(rig: Rig) -> None:
    found = await findings(rig)
    assert all(finding.ok for finding in found.values()), found
    assert list(found) == ["token", "app", "WeCom's addresses", "clock", "callback"]
    assert found["app"].detail == "'云岫银行', visible to 2 members, 1 departments and 0 tags"
    assert "101.226.103.*" in found["WeCom's addresses"].detail


async def test_checking_changes_nothing(rig: Rig) -> None:
    await findings(rig)
    assert rig.qyapi.messages == []
    assert rig.host.events == []
    assert rig.notes.kept == {}


async def test_a_wrong_secret(rig: Rig) -> None:
    found = await findings(rig, secret="nope")
    assert not found["token"].ok
    assert "secret is wrong" in found["token"].detail
    assert "app" not in found


async def test_an_agent_id_of_another_app(rig: Rig) -> None:
    found = await findings(rig, agent_id=1)
    assert not found["app"].ok
    assert "same app" in found["app"].detail


async def test_an_address_that_wecom_does_not_trust(rig: Rig) -> None:
    rig.qyapi.untrusted_ip = "203.0.113.7"
    found = await findings(rig)
    assert found["token"].ok
    assert not found["app"].ok
    assert "203.0.113.7 isn't a trusted IP" in found["app"].detail


async def test_a_disabled_app(rig: Rig) -> None:
    rig.app.closed = True
    found = await findings(rig)
    assert not found["app"].ok
    assert "enable it" in found["app"].detail


@pytest.mark.parametrize(("ahead", "says"), [(120.0, "ahead of"), (-120.0, "behind")])
async def test_a_clock_that_is_off(rig: Rig, ahead: float, says: str) -> None:
    adapter = WeComAppAdapter(settings_for(rig.app, rig.qyapi), clock=lambda: rig.clock() + ahead)
    found = {finding.what: finding for finding in await adapter.check("")}
    assert not found["clock"].ok
    assert f"120 s {says} WeCom's" in found["clock"].detail


async def test_another_token_in_force_where_the_callback_goes(rig: Rig) -> None:
    found = await findings(rig, token="another")
    assert not found["callback"].ok


async def test_a_callback_that_cant_be_reached(rig: Rig) -> None:
    found = await findings(rig, public_url="http://127.0.0.1:9")
    assert not found["callback"].ok


async def test_without_a_public_address_the_callback_is_not_tried(rig: Rig) -> None:
    adapter = WeComAppAdapter(settings_for(rig.app, rig.qyapi), clock=rig.clock)
    callback = [finding for finding in await adapter.check("") if finding.what == "callback"]
    assert "public_url" in callback[0].detail


async def test_wecom_out_of_reach(rig: Rig) -> None:
    await rig.qyapi.stop()
    found = await findings(rig)
    assert not found["token"].ok
    assert not found["clock"].ok
