"""微信客服: what is pulled, from where, and that nothing is lost or taken twice."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from adapters.wecom.callback import XML_LIMIT
from adapters.wecom.kf import KfAdapter, WeComKf, pull
from bot.errors import QueueFull, StoreBusy
from bot.types import InboundEvent
from tests.adapters.host import MemoryHost
from tests.adapters.wecom.kf_rig import CUSTOMER, Rig, rig_of
from tests.emulators.qyapi_kf import KFID


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with rig_of() as rig:
        yield rig


def texts(rig: Rig) -> list[str]:
    return [event.text for event in rig.host.events]


async def put_quietly(rig: Rig, *said: str, age: float = 0.0) -> None:
    """Messages that no nudge tells of."""
    nudging, rig.kf.nudging = rig.kf.nudging, False
    for text in said:
        await rig.kf.say(CUSTOMER, text)
        rig.kf.accounts[KFID].items[-1]["send_time"] -= int(age)
    rig.kf.nudging = nudging


async def restart(rig: Rig, *, start: bool = True) -> None:
    """As after a crash, with what the host has kept."""
    await rig.adapter.stop()
    await rig.adapter.close()
    rig.adapter = rig.new_adapter()
    if start:
        await rig.adapter.start(rig.host)


async def test_every_item_of_a_page_is_taken_in_order(rig: Rig) -> None:
    await put_quietly(rig, "一", "二", "三", "四")
    await rig.kf.say(CUSTOMER, "五")
    await rig.heard(5)
    assert texts(rig) == ["一", "二", "三", "四", "五"]
    assert [e.event_id for e in rig.host.events] == [i["msgid"] for i in rig.kf.accounts[KFID].items]


async def test_the_same_words_twice_are_two_messages(rig: Rig) -> None:
    await rig.kf.say(CUSTOMER, "是")
    await rig.kf.say(CUSTOMER, "是")
    await rig.heard(2)
    assert texts(rig) == ["是", "是"]


async def test_more_is_followed_on_short_and_empty_pages(rig: Rig) -> None:
    rig.kf.page_sizes.extend([1, 0, 2, 0])
    await put_quietly(rig, "一", "二", "三", "四")
    await rig.kf.nudge()
    await rig.heard(4)
    assert texts(rig) == ["一", "二", "三", "四"]


async def test_the_cursor_waits_for_the_store(rig: Rig) -> None:
    host = FullHost(rig.time, after=2)
    await rig.adapter.stop()
    rig.host = host
    await rig.adapter.start(host)
    await put_quietly(rig, "一", "二", "三", "四")
    await rig.kf.nudge()
    await host.event(2)
    await rig.until(lambda: host.turned_away >= 2)
    assert not any(key.startswith("cursor:") for key in rig.notes.kept)
    host.after = 99
    await host.event(4)
    await rig.quiet()
    assert texts(rig) == ["一", "二", "三", "四"]
    assert any(key.startswith("cursor:") for key in rig.notes.kept)


class FullHost(MemoryHost):
    """Full after so many events."""

    def __init__(self, clock: object, *, after: int) -> None:
        super().__init__(clock)  # type: ignore[arg-type]
        self.after = after
        self.turned_away = 0

    async def accept(self, event: InboundEvent, raw: bytes = b"") -> bool:
        if len(self.events) >= self.after and event.event_id not in {e.event_id for e in self.events}:
            self.turned_away += 1
            raise QueueFull("full")
        return await super().accept(event, raw)


async def test_a_restart_goes_on_from_the_stored_cursor(rig: Rig) -> None:
    await rig.kf.say(CUSTOMER, "一")
    await rig.heard(1)
    await rig.quiet()
    await restart(rig, start=False)
    await put_quietly(rig, "二")
    before = len(rig.kf.pulls)
    await rig.adapter.start(rig.host)
    await rig.heard(2)
    assert rig.kf.pulls[before]["cursor"].startswith("cursor_1_")
    assert texts(rig) == ["一", "二"]


async def test_a_crash_between_nudge_and_pull_loses_nothing(rig: Rig) -> None:
    rig.qyapi.fail("kf/sync_msg", 1000, status=502)
    await rig.kf.say(CUSTOMER, "在吗")
    await rig.until(lambda: rig.qyapi.calls["kf/sync_msg"] > 0)
    assert not rig.host.events
    await restart(rig, start=False)
    rig.qyapi._failures.clear()
    # Nothing nudges again: the start itself has to look.
    await rig.adapter.start(rig.host)
    await rig.heard(1)
    assert texts(rig) == ["在吗"]


async def test_the_very_first_pull_leaves_old_mail_alone(rig: Rig) -> None:
    await put_quietly(rig, "前天", age=2 * 86400)
    await put_quietly(rig, "一小时前", age=3600)
    await put_quietly(rig, "一分钟前", age=60)
    await rig.kf.say(CUSTOMER, "刚才")
    await rig.heard(2)
    assert texts(rig) == ["一分钟前", "刚才"]
    assert rig.host.refusals["stale"] == 2


async def test_after_the_first_run_nothing_is_too_old(rig: Rig) -> None:
    await rig.kf.say(CUSTOMER, "一")
    await rig.heard(1)
    await rig.quiet()
    await restart(rig, start=False)
    await put_quietly(rig, "停机时")
    rig.time.pass_(7200)
    await rig.adapter.start(rig.host)
    await rig.heard(2)
    assert texts(rig) == ["一", "停机时"]
    assert not rig.host.refusals["stale"]


async def test_a_first_run_that_broke_off_judges_by_its_own_beginning(rig: Rig) -> None:
    rig.qyapi.fail("kf/sync_msg", 1, status=502)
    await put_quietly(rig, "前天", age=2 * 86400)
    await rig.kf.say(CUSTOMER, "刚才")
    await rig.adapter.stop()
    await rig.adapter.close()
    rig.time.pass_(7200)
    rig.adapter = rig.new_adapter()
    await rig.adapter.start(rig.host)
    await rig.heard(1)
    assert texts(rig) == ["刚才"]


async def test_nudges_during_a_pull_cause_one_more(rig: Rig) -> None:
    host = SlowHost(rig.time)
    await rig.adapter.stop()
    rig.host = host
    await rig.adapter.start(host)
    await rig.kf.say(CUSTOMER, "一")
    await host.reached.wait()
    await rig.kf.say(CUSTOMER, "二")
    await rig.kf.say(CUSTOMER, "三")
    await rig.kf.say(CUSTOMER, "四")
    host.gate.set()
    await rig.heard(4)
    await rig.quiet()
    assert texts(rig) == ["一", "二", "三", "四"]
    assert len(rig.kf.pulls) == 2


class SlowHost(MemoryHost):
    """Accepts nothing until told."""

    def __init__(self, clock: object) -> None:
        super().__init__(clock)  # type: ignore[arg-type]
        self.reached, self.gate = asyncio.Event(), asyncio.Event()

    async def accept(self, event: InboundEvent, raw: bytes = b"") -> bool:
        self.reached.set()
        await self.gate.wait()
        return await super().accept(event, raw)


async def test_a_stop_that_waits_no_longer_ends_what_is_being_accepted(rig: Rig) -> None:
    host = SlowHost(rig.time)
    await rig.adapter.stop()
    rig.host = host
    await rig.adapter.start(host)
    await rig.kf.say(CUSTOMER, "一")
    await host.reached.wait()
    await rig.adapter.close()
    host.gate.set()
    await asyncio.sleep(0.05)
    assert not host.events
    rig.adapter = rig.new_adapter()
    await rig.adapter.start(host)
    await rig.heard(1)


async def test_a_lost_lease_ends_what_is_being_accepted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "LEASE_S", 0.08)
    host = SlowHost(rig.time)
    await rig.adapter.stop()
    rig.host = host
    await rig.adapter.start(host)
    await rig.kf.say(CUSTOMER, "一")
    await host.reached.wait()
    await rig.notes.put(f"lease:{KFID}", "another", ttl_s=20.0)
    await asyncio.sleep(0.15)
    host.gate.set()
    await asyncio.sleep(0.05)
    assert not host.events
    rig.time.pass_(21)
    await rig.heard(1)


async def test_a_store_that_is_full_makes_no_page_smaller(rig: Rig) -> None:
    host = FullHost(rig.time, after=0)
    await rig.adapter.stop()
    rig.host = host
    await rig.adapter.start(host)
    await rig.kf.say(CUSTOMER, "一")
    await rig.until(lambda: host.turned_away >= 4)
    host.after = 99
    await host.event(1)
    assert {asked["limit"] for asked in rig.kf.pulls} == {pull.PAGE}


async def test_pages_grow_again_when_wecom_is_back(rig: Rig) -> None:
    rig.qyapi.fail("kf/sync_msg", 5, status=502)
    await put_quietly(rig, *(f"第{n}条" for n in range(60)))
    await rig.kf.nudge()
    await rig.heard(60)
    limits = [asked["limit"] for asked in rig.kf.pulls]
    assert limits == [8, 16, 24, 32]


async def test_two_new_accounts_at_one_time_are_both_pulled_after_a_restart(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.kf.add_account("wkother")
    get = rig.notes.get

    async def slowly(key: str) -> str | None:
        found: str | None = await get(key)
        await asyncio.sleep(0.02)
        return found

    monkeypatch.setattr(rig.notes, "get", slowly)
    await asyncio.gather(rig.kf.nudge(KFID), rig.kf.nudge("wkother"))
    monkeypatch.undo()
    assert json.loads(await rig.notes.get("accounts")) == sorted([KFID, "wkother"])


async def test_a_nudge_that_meets_a_stop_starts_no_pulling(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    put, reached, gate = rig.notes.put, asyncio.Event(), asyncio.Event()

    async def held(key: str, value: str, *, ttl_s: float | None = None) -> None:
        if key.startswith("nudge:"):
            reached.set()
            await gate.wait()
        await put(key, value, ttl_s=ttl_s)

    monkeypatch.setattr(rig.notes, "put", held)
    await put_quietly(rig, "在吗")
    nudging = asyncio.create_task(rig.kf.nudge())
    await reached.wait()
    await rig.adapter.stop()
    gate.set()
    assert await nudging == [200]
    await asyncio.sleep(0.05)
    assert not rig.kf.pulls
    await restart(rig, start=False)
    monkeypatch.undo()
    rig.settings = replace(rig.settings, open_kfids=(KFID,))
    rig.adapter = rig.new_adapter()
    await rig.adapter.start(rig.host)
    await rig.heard(1)


async def test_a_token_that_isnt_taken_is_left_out(rig: Rig) -> None:
    await put_quietly(rig, "在吗")
    await rig.kf.nudge(token="ENCforged")
    await rig.heard(1)
    assert [pull.get("token") for pull in rig.kf.pulls] == ["ENCforged", None]


async def test_an_old_nudges_token_isnt_sent(rig: Rig) -> None:
    rig.qyapi.fail("kf/sync_msg", 1000, status=502)
    await rig.kf.say(CUSTOMER, "在吗")
    await restart(rig, start=False)
    rig.qyapi._failures.clear()
    rig.time.pass_(601)
    before = len(rig.kf.pulls)
    await rig.adapter.start(rig.host)
    await rig.heard(1)
    assert "token" not in rig.kf.pulls[before]


async def test_while_another_process_pulls_this_one_waits(rig: Rig) -> None:
    await rig.notes.put(f"lease:{KFID}", "another", ttl_s=20.0)
    await rig.kf.say(CUSTOMER, "在吗")
    await asyncio.sleep(0.1)
    assert not rig.kf.pulls
    rig.time.pass_(21)  # the other died: its lease runs out
    await rig.heard(1)
    assert texts(rig) == ["在吗"]


async def test_two_processes_take_each_message_once(rig: Rig) -> None:
    other = rig.new_adapter()
    await other.start(rig.host)
    for number in range(6):
        await rig.kf.say(CUSTOMER, f"第{number}条")
        rig.adapter, other = other, rig.adapter  # the callbacks go to either
    await rig.heard(6)
    assert texts(rig) == [f"第{number}条" for number in range(6)]
    await other.stop()
    await other.close()


async def test_what_cant_be_read_doesnt_stop_what_is_behind_it(rig: Rig) -> None:
    junk: list[object] = [None, 7, [], {}, {"msgtype": "text"}, {"msgtype": "event", "event": 3}]
    rig.kf.accounts[KFID].items.extend(junk)  # type: ignore[arg-type]
    rig.kf._start = lambda account, cursor: 0  # type: ignore[method-assign]
    await rig.kf.say(CUSTOMER, "在吗")
    await rig.heard(1)
    assert texts(rig) == ["在吗"]
    assert rig.host.refusals["malformed"] == len(junk)


async def test_more_that_leads_nowhere_is_an_error_and_no_loop(rig: Rig) -> None:
    rig.qyapi.fail("kf/sync_msg", 1000, garbage=b'{"errcode":0,"has_more":1,"msg_list":[]}')
    await rig.kf.nudge()
    await rig.until(lambda: rig.qyapi.calls["kf/sync_msg"] >= 4)
    health = await rig.adapter.health()
    assert not health.ok
    assert "not from where" in health.detail
    rig.qyapi._failures.clear()
    await rig.kf.say(CUSTOMER, "在吗")
    await rig.heard(1)
    await rig.quiet()
    assert (await rig.adapter.health()).ok


async def test_pages_too_large_to_read_are_asked_for_smaller(rig: Rig) -> None:
    await put_quietly(rig, *(f"第{n}条" + "很长" * 8000 for n in range(100)))
    await rig.kf.nudge()
    await rig.heard(100)
    assert [pull["limit"] for pull in rig.kf.pulls][:3] == [256, 128, 64]
    assert len(rig.host.events) == 100


async def test_a_day_of_failures_doesnt_end_the_pulling(rig: Rig) -> None:
    await rig.kf.say(CUSTOMER, "一")
    await rig.heard(1)
    await rig.quiet()
    rig.adapter._pullers[KFID]._failures = 5000
    rig.qyapi.fail("kf/sync_msg", 1, status=502)
    await rig.kf.say(CUSTOMER, "二")
    await rig.until(lambda: rig.qyapi.calls["kf/sync_msg"] == 2)
    await rig.kf.say(CUSTOMER, "三")
    await rig.heard(3)


async def test_a_refused_secret_shows_in_health() -> None:
    async with rig_of(secret="wrong") as rig:
        await rig.kf.say(CUSTOMER, "在吗")
        await rig.until(lambda: rig.qyapi.calls["gettoken"] >= 4)
        health = await rig.adapter.health()
        assert not health.ok
        assert "secret is wrong" in health.detail


async def test_a_rate_limit_is_waited_out(rig: Rig) -> None:
    rig.qyapi.fail("kf/sync_msg", 1, errcode=45009)
    await rig.kf.say(CUSTOMER, "在吗")
    await rig.until(lambda: rig.qyapi.calls["kf/sync_msg"] == 1)
    await rig.kf.nudge()  # a nudge doesn't wait for the pause to end
    await rig.heard(1)


async def test_an_expired_access_token_costs_one_refresh(rig: Rig) -> None:
    await rig.kf.say(CUSTOMER, "一")
    await rig.heard(1)
    rig.qyapi.expire_tokens()
    await rig.kf.say(CUSTOMER, "二")
    await rig.heard(2)
    assert rig.qyapi.calls["gettoken"] == 2


async def test_a_lost_nudge_costs_time_but_no_message() -> None:
    async with rig_of(poll_every_s=0.05, open_kfids=(KFID,)) as rig:
        await rig.until(lambda: len(rig.kf.pulls) > 0)
        await put_quietly(rig, "没人告诉我")
        await rig.heard(1)


async def test_named_accounts_are_pulled_at_the_start_and_others_never() -> None:
    async with rig_of(start=False, open_kfids=(KFID,)) as rig:
        rig.kf.add_account("wkother")
        await put_quietly(rig, "在吗")
        await rig.adapter.start(rig.host)
        await rig.heard(1)
        assert await rig.kf.nudge("wkother") == [200]
        assert rig.host.refusals["unknown_account"] == 1
        assert {pull["open_kfid"] for pull in rig.kf.pulls} == {KFID}


async def test_a_process_that_only_sends_doesnt_pull() -> None:
    async with rig_of(start=False, open_kfids=(KFID,)) as rig:
        await rig.adapter.start(rig.host, receive=False)
        await put_quietly(rig, "在吗")
        assert (await rig.kf.nudge())[-1] == 503
        assert not rig.kf.pulls


# ── the callback ──


async def test_a_nudge_is_acknowledged_only_once_it_is_noted(rig: Rig) -> None:
    rig.host.failure = StoreBusy("locked")
    assert await rig.kf.nudge() == [503] * 4
    rig.host.failure = None
    await put_quietly(rig, "在吗")
    assert await rig.kf.nudge() == [200]
    await rig.heard(1)


async def test_a_nudge_that_comes_again_changes_nothing(rig: Rig) -> None:
    await rig.kf.say(CUSTOMER, "在吗")
    await rig.heard(1)
    assert await rig.qyapi.redeliver() == [200]
    await rig.quiet()
    assert texts(rig) == ["在吗"]


async def test_the_address_check_is_answered_with_the_bare_plain_text(rig: Rig) -> None:
    assert await rig.qyapi.check_address(rig.app, "5927782489442352469") == (200, b"5927782489442352469")


async def test_forged_stale_damaged_and_foreign_callbacks_are_turned_away(rig: Rig) -> None:
    token, rig.app.token = rig.app.token, "another"
    assert (await rig.kf.nudge())[-1] == 401
    rig.app.token = token
    rig.qyapi.skew = -301.0
    assert (await rig.kf.nudge())[-1] == 401
    rig.qyapi.skew = 0.0
    corp, rig.qyapi.corp_id = rig.qyapi.corp_id, "wwsomebodyelse"
    assert (await rig.kf.nudge())[-1] == 403
    rig.qyapi.corp_id = corp
    assert (await rig.qyapi.deliver(rig.app, "not xml"))[-1] == 400
    assert (await rig.kf.nudge("../etc"))[-1] == 400
    counted = {reason: rig.host.refusals[reason] for reason in ("bad_signature", "stale", "wrong_receiver")}
    assert counted == {"bad_signature": 4, "stale": 4, "wrong_receiver": 4}
    assert rig.host.refusals["malformed"] == 8
    assert not rig.kf.pulls


async def test_other_callbacks_are_acknowledged_and_counted(rig: Rig) -> None:
    assert await rig.qyapi.event("zhangsan", "enter_agent", app=rig.app) == [200]
    assert rig.host.refusals["unknown_type"] == 1


async def test_a_body_above_the_limit_is_refused(rig: Rig) -> None:
    query, _ = rig.qyapi.sealed(rig.app, "<xml/>")
    async with (
        aiohttp.ClientSession() as session,
        session.post(rig.app.callback_url, params=query, data=io.BytesIO(b"x" * (XML_LIMIT + 1))) as response,
    ):
        assert response.status == 413


async def test_after_stop_nothing_is_taken_and_sending_goes_on(rig: Rig) -> None:
    await rig.kf.say(CUSTOMER, "在吗")
    await rig.heard(1)
    await rig.adapter.stop()
    assert (await rig.kf.nudge())[-1] == 503
    await rig.send("在的。")
    assert rig.kf.shown[0].text == "在的。"


def test_the_path_has_the_accounts_name_and_is_bare_for_one() -> None:
    def paths(account: str, bare: bool | None = None) -> set[str]:
        key = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
        settings = WeComKf("ww1", "s", "t", key, account=account, bare_path=bare)
        return {route.path for route in KfAdapter(settings).routes()}

    assert paths("kf") == {"/webhooks/wecom/kf", "/webhooks/wecom/kf/kf"}
    assert paths("default") == {"/webhooks/wecom/kf", "/webhooks/wecom/kf/default"}
    assert paths("cards") == paths("cards", False) == {"/webhooks/wecom/kf/cards"}
    assert paths("cards", True) == {"/webhooks/wecom/kf", "/webhooks/wecom/kf/cards"}
    assert paths("kf", False) == {"/webhooks/wecom/kf/kf"}
