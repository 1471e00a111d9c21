"""微信客服: what `teller check --online` says of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.base import Finding
from tests.adapters.wecom.kf_rig import Rig, rig_of
from tests.emulators.qyapi_kf import KFID


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with rig_of(servicers=("lisi",)) as rig:
        yield rig


async def findings(rig: Rig, url: str | None = None) -> dict[str, Finding]:
    found = await rig.adapter.check(rig.base_url if url is None else url)
    return {finding.what: finding for finding in found}


async def test_all_is_well(rig: Rig) -> None:
    found = await findings(rig)
    assert all(finding.ok for finding in found.values()), found
    assert set(found) == {"token", f"account {KFID}", f"people of {KFID}", "clock", "callback"}
    assert found[f"people of {KFID}"].detail == "2 of 2 are receiving now"


async def test_it_works_without_a_start_and_leaves_nothing_open() -> None:
    async with rig_of(start=False) as rig:
        found = await findings(rig, "")
        assert found["token"].ok
        assert not found["callback"].ok
        assert rig.adapter._session is None


async def test_a_wrong_secret_a_wrong_clock_and_nobody_behind_the_address() -> None:
    async with rig_of(secret="wrong", api_base="http://127.0.0.1:1") as rig:
        found = await findings(rig, "http://127.0.0.1:1")
        assert "can't be reached" in found["token"].detail
        assert not found["clock"].ok
        assert "can't be reached" in found["callback"].detail


async def test_a_clock_that_is_off_is_named(rig: Rig) -> None:
    rig.adapter._clock = lambda: rig.time() - 90
    assert "90 s behind" in (await findings(rig, ""))["clock"].detail


async def test_an_account_that_isnt_there_or_isnt_managed_is_named() -> None:
    async with rig_of(open_kfids=("wkgone", "wkseen")) as rig:
        rig.kf.add_account("wkseen", managed=False)
        found = await findings(rig, "")
        assert "no such account" in found["account wkgone"].detail
        assert "not manage it" in found["account wkseen"].detail


async def test_people_who_dont_belong_to_the_account_are_named() -> None:
    async with rig_of(servicers=("lisi", "zhaoliu"), departments={"卡": ("qian",)}) as rig:
        finding = (await findings(rig, ""))[f"people of {KFID}"]
        assert not finding.ok
        assert "qian, zhaoliu" in finding.detail


async def test_an_account_without_people_and_an_app_without_accounts_are_named() -> None:
    async with rig_of() as rig:
        rig.kf.accounts[KFID].servicers.clear()
        assert "nobody" in (await findings(rig, ""))[f"people of {KFID}"].detail
        rig.kf.accounts.clear()
        assert "manages no" in (await findings(rig, ""))["accounts"].detail


async def test_an_app_that_may_not_is_told_where_to_be_allowed(rig: Rig) -> None:
    rig.qyapi.fail("kf/account/list", 1, errcode=48002)
    assert "可调用接口的应用" in (await findings(rig, ""))["accounts"].detail


async def test_more_accounts_than_a_page_holds_are_all_seen(rig: Rig) -> None:
    for number in range(120):
        rig.kf.add_account(f"wk{number}", servicers={"lisi": 0})
    found = await findings(rig, "")
    assert sum(what.startswith("account ") for what in found) == 121
