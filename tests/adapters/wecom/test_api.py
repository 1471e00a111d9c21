"""The API client: one token, kept fresh, and errors that say what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from adapters.wecom.api import WeComApi, WeComError, WeComRefused
from adapters.wecom.errcodes import error_of
from bot.errors import AttachmentRefused, RetryLater, SendAmbiguous, SendError, StoreBusy
from tests.adapters.host import MemoryHost, MemoryNotes
from tests.adapters.wecom.app_rig import Clock
from tests.emulators.qyapi import App, Call, Qyapi

AGENT = {"agentid": "1000002"}


@dataclass
class Line:
    qyapi: Qyapi
    app: App
    clock: Clock
    host: MemoryHost
    session: aiohttp.ClientSession

    @property
    def notes(self) -> MemoryNotes:
        return self.host.notes("wecom", "app")

    def api(
        self, *, secret: str = "", corp_id: str = "", durable: bool = True, timeout_s: float = 5.0
    ) -> WeComApi:
        return WeComApi(
            api_base=self.qyapi.base_url,
            corp_id=corp_id or self.qyapi.corp_id,
            secret=secret or self.app.secret,
            notes=self.notes if durable else None,
            session=lambda: self.session,
            clock=self.clock,
            timeout_s=timeout_s,
        )


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    clock = Clock()
    async with Qyapi(clock=clock) as qyapi, aiohttp.ClientSession() as session:
        yield Line(qyapi, qyapi.add_app(), clock, MemoryHost(clock), session)


async def test_concurrent_calls_make_one_gettoken(line: Line) -> None:
    api = line.api()
    await asyncio.gather(*(api.call("GET", "agent/get", params=AGENT) for _ in range(20)))
    assert line.qyapi.calls == {"gettoken": 1, "agent/get": 20}


async def test_processes_share_the_token(line: Line) -> None:
    await line.api().call("GET", "agent/get", params=AGENT)
    await line.api().call("GET", "agent/get", params=AGENT)
    assert line.qyapi.calls["gettoken"] == 1


async def test_without_notes_the_token_stays_in_the_object(line: Line) -> None:
    api = line.api(durable=False)
    await api.call("GET", "agent/get", params=AGENT)
    await api.call("GET", "agent/get", params=AGENT)
    assert line.qyapi.calls["gettoken"] == 1
    assert line.notes.kept == {}


async def test_the_token_is_given_up_before_it_ends(line: Line) -> None:
    api = line.api()
    await api.token()
    line.clock.move(7200 - 301)
    await api.token()
    assert line.qyapi.calls["gettoken"] == 1
    line.clock.move(2)
    await api.token()
    assert line.qyapi.calls["gettoken"] == 2


async def test_a_refused_token_is_renewed_once_for_all_who_held_it(line: Line) -> None:
    api = line.api()
    await api.token()
    line.qyapi.expire_tokens()
    await asyncio.gather(*(api.call("GET", "agent/get", params=AGENT) for _ in range(10)))
    assert line.qyapi.calls["gettoken"] == 2


async def test_a_token_that_another_process_renewed_is_taken_from_the_notes(line: Line) -> None:
    here, there = line.api(), line.api()
    await here.token()
    await there.token()
    line.qyapi.expire_tokens()
    await there.call("GET", "agent/get", params=AGENT)
    await here.call("GET", "agent/get", params=AGENT)
    assert line.qyapi.calls["gettoken"] == 2


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_token_refused_again_is_an_error_and_no_loop(line: Line, errcode: int) -> None:
    line.qyapi.fail("agent/get", times=100, errcode=errcode)
    with pytest.raises(WeComError, match=str(errcode)):
        await line.api().call("GET", "agent/get", params=AGENT)
    assert line.qyapi.calls["agent/get"] == 2
    assert line.qyapi.calls["gettoken"] <= 2


async def test_a_damaged_note_is_a_token_fetched_anew(line: Line) -> None:
    await line.api().token()
    (note,) = line.notes.kept
    await line.notes.put(note, "not json")
    await line.api().token()
    assert line.qyapi.calls["gettoken"] == 2


async def test_the_note_is_not_named_after_the_secret_itself(line: Line) -> None:
    await line.api().token()
    assert all(
        line.app.secret not in key and line.app.secret not in value
        for key, (value, _) in line.notes.kept.items()
    )


async def test_two_apps_of_one_account_do_not_take_each_others_token(line: Line) -> None:
    line.qyapi.add_app(agent_id=1000003, secret="second")
    first, second = line.api(), line.api(secret="second")
    assert await first.token() != await second.token()
    assert await first.token() != await second.token()


@pytest.mark.parametrize(
    ("wrong", "says"), [({"secret": "nope"}, "secret is wrong"), ({"corp_id": "nope"}, "corp_id is wrong")]
)
async def test_wrong_credentials_are_named(line: Line, wrong: dict[str, str], says: str) -> None:
    api = line.api(**wrong)  # type: ignore[arg-type]
    with pytest.raises(WeComError, match=says):
        await api.call("POST", "message/send", json={})
    assert "copy it again" in api.trouble


async def test_no_answer_to_gettoken_is_not_ambiguous(line: Line) -> None:
    line.qyapi.fail("gettoken", hang=True)
    with pytest.raises(SendError) as failed:
        await line.api(timeout_s=0.2).call("POST", "message/send", json={})
    assert not isinstance(failed.value, SendAmbiguous)


@pytest.mark.parametrize(
    "garbage", [b"", b"[]", b"{", b"\xff\xfe", b'{"errcode":"0"}', b"<html>", b"[" * 100_000, b"null"]
)
async def test_an_answer_that_cant_be_read_is_ambiguous_only_where_something_was_sent(
    line: Line, garbage: bytes
) -> None:
    api = line.api()
    line.qyapi.register("POST", "echo", lambda call: {})
    line.qyapi.fail("echo", times=2, garbage=garbage)
    with pytest.raises(SendAmbiguous):
        await api.call("POST", "echo", json={})
    with pytest.raises(SendError) as failed:
        await api.call("POST", "echo", json={}, repeatable=True)
    assert not isinstance(failed.value, SendAmbiguous)


async def test_json_goes_as_it_is_not_escaped(line: Line) -> None:
    got: list[object] = []

    def echo(call: Call) -> dict[str, str]:
        got.append(call.body)
        return {}

    line.qyapi.register("POST", "echo", echo)
    await line.api().call("POST", "echo", json={"text": "转账 😀 \u2028"})
    assert got == [{"text": "转账 😀 \u2028"}]


async def test_a_redirect_is_not_followed(line: Line) -> None:
    from aiohttp import web

    line.qyapi.register(
        "GET", "moved", lambda call: web.Response(status=302, headers={"Location": "http://x/"})
    )
    with pytest.raises(SendError, match="302"):
        await line.api().call("GET", "moved")


async def test_the_clocks_distance_is_known_from_any_answer(line: Line) -> None:
    api = line.api()
    before = api.skew_s
    await api.token()
    assert (before, api.skew_s) == (None, 0.0)


async def test_a_download_gives_the_file(line: Line) -> None:
    media_id = line.qyapi.keep_media("a.pdf", b"%PDF", "application/pdf")
    got = await line.api().download("media/get", params={"media_id": media_id}, limit=100)
    assert (got.data, got.mime) == (b"%PDF", "application/pdf")


async def test_a_download_that_is_an_error_in_disguise_is_an_error(line: Line) -> None:
    # WeCom answers with status 200 and JSON where a file was asked for.
    with pytest.raises(WeComRefused) as failed:
        await line.api().download("media/get", params={"media_id": "gone"}, limit=100)
    assert failed.value.errcode == 40007


async def test_a_download_with_a_stale_token_is_repeated_with_a_fresh_one(line: Line) -> None:
    media_id = line.qyapi.keep_media("a.pdf", b"%PDF")
    api = line.api()
    await api.token()
    line.qyapi.expire_tokens()
    assert (await api.download("media/get", params={"media_id": media_id}, limit=100)).data == b"%PDF"


async def test_a_download_above_the_limit_is_cut_short(line: Line) -> None:
    media_id = line.qyapi.keep_media("a.pdf", bytes(101))
    with pytest.raises(AttachmentRefused, match="100 bytes"):
        await line.api().download("media/get", params={"media_id": media_id}, limit=100)


async def test_a_busy_store_is_passed_on(line: Line) -> None:
    line.host.failure = StoreBusy("locked")
    with pytest.raises(StoreBusy):
        await line.api().token()


def test_a_rate_limit_says_how_long_to_wait() -> None:
    limited = error_of(45009, "api freq out of limit")
    assert isinstance(limited, RetryLater)
    assert limited.retry_after == 60


def test_an_unknown_code_keeps_wecoms_words_without_its_trace() -> None:
    error = error_of(
        95018, "send msg session status invalid, hint: [1], from ip: 1.2.3.4, more info at https://x"
    )
    assert isinstance(error, WeComError)
    assert error.errcode == 95018
    assert str(error) == "WeCom answers 95018: send msg session status invalid"
