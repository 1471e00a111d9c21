from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from yarl import URL

from adapters.web import COOKIE, WebAdapter, chat_of
from bot.errors import QueueFull, RetryLater, StoreBusy
from bot.types import Button, Buttons, Citation, Conversation, Image, Sources, Text
from tests.adapters.host import MemoryHost
from tests.adapters.web_host import SETTINGS, Served, message, serve

SMALL = replace(SETTINGS, body_limit_bytes=2048, upload_limit_bytes=4096)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve(WebAdapter(SMALL, heartbeat=0.2), MemoryHost()) as it:
        yield it


def browser(served: Served) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(served.url, cookie_jar=aiohttp.CookieJar(unsafe=True))


@pytest.fixture
async def page(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser that has opened the page."""
    async with browser(served) as session:
        await (await session.get("/")).read()
        yield session


def conversation_of(session: aiohttp.ClientSession) -> Conversation:
    token = next(cookie.value for cookie in session.cookie_jar if cookie.key == COOKIE)
    return Conversation("web", "web", chat_of(token))


async def refusal(response: aiohttp.ClientResponse) -> dict[str, Any]:
    error: dict[str, Any] = (await response.json())["error"]
    assert error["message"]["zh"]
    assert error["message"]["en"]
    return error


# ── page and session ────────────────────────────────────────────────────────────────────────────


async def test_the_page_may_run_nothing_but_its_own_files(served: Served) -> None:
    async with browser(served) as session, session.get("/") as response:
        html = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert "style=" not in html
    assert " on" + "click=" not in html
    assert html.count("<script") == 2  # the module, and data


async def test_the_page_comes_in_the_browsers_language(served: Served) -> None:
    async with browser(served) as session:
        for accept, lang, name in (
            ("en-GB,en;q=0.9", "en", "Lanwan Bank"),
            ("zh-TW,en;q=0.5", "zh-Hans", "澜湾银行"),
            ("de-DE,en;q=0.5", "en", "Lanwan Bank"),
            ("", "zh-Hans", "澜湾银行"),
        ):
            html = await (await session.get("/", headers={"Accept-Language": accept})).text()
            assert f'<html lang="{lang}">' in html
            assert f'<h1 id="bank">{name}</h1>' in html


async def test_settings_cannot_break_out_of_the_page() -> None:
    hostile = replace(SETTINGS.bank_name, zh="</script><b>&")
    async with (
        serve(WebAdapter(replace(SETTINGS, bank_name=hostile)), MemoryHost()) as served,
        browser(served) as session,
    ):
        html = await (await session.get("/")).text()
    assert "<b>" not in html
    config = html.split('id="config">')[1].split("</script>")[0]
    assert json.loads(config)["bank"]["zh"] == "</script><b>&"


async def test_own_files_are_kept_for_a_year_under_their_version_only(served: Served) -> None:
    async with browser(served) as session:
        html = await (await session.get("/")).text()
        address = html.split('type="module" src="')[1].split('"')[0]
        kept = await session.get("/" + address)
        plain = await session.get("/static/chat.js")
        stale = await session.get("/static/0000/chat.js")
        css = await session.get("/static/chat.css")
        svg = await session.get("/static/logo.svg")
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert plain.headers["Cache-Control"] == stale.headers["Cache-Control"] == "no-cache"
    assert kept.content_type == "text/javascript"
    assert css.content_type == "text/css"
    assert svg.content_type == "image/svg+xml"
    assert {r.headers["X-Content-Type-Options"] for r in (kept, css, svg)} == {"nosniff"}


@pytest.mark.parametrize("name", ["adapter.py", "..%2Fadapter.py", "..%2ftemplates%2fchat.html", "none.js"])
async def test_nothing_else_is_served(served: Served, name: str) -> None:
    async with browser(served) as session:
        for path in (f"/static/{name}", f"/static/x/{name}"):
            assert (await session.get(URL(served.url + path, encoded=True))).status == 404


async def test_a_session_is_a_random_cookie_out_of_scripts_reach(served: Served) -> None:
    tokens = set()
    for _ in range(3):
        async with browser(served) as session, session.get("/") as response:
            cookie = response.cookies[COOKIE]
            tokens.add(cookie.value)
            assert cookie["httponly"]
            assert cookie["samesite"] == "Lax"
            assert not cookie["secure"]
    assert len(tokens) == 3
    assert min(map(len, tokens)) * 6 >= 128


async def test_cookies_are_secure_where_configured() -> None:
    async with (
        serve(WebAdapter(replace(SETTINGS, secure_cookies=True)), MemoryHost()) as served,
        browser(served) as session,
        session.get("/") as response,
    ):
        assert response.cookies[COOKIE]["secure"]


async def test_the_cookie_survives_a_reload_but_not_a_reset(page: aiohttp.ClientSession) -> None:
    first = conversation_of(page)
    await page.get("/")
    assert conversation_of(page) == first
    assert (await page.post("/api/session/reset")).status == 200
    assert conversation_of(page) != first


async def test_the_conversations_name_does_not_give_the_cookie_away(
    page: aiohttp.ClientSession, served: Served
) -> None:
    await page.post("/api/messages", json={"id": "1", "text": "你好"})
    token = next(cookie.value for cookie in page.cookie_jar)
    assert token not in repr(served.host.events[0])


@pytest.mark.parametrize("cookie", ["", "short", "x" * 65, "../../../../../../../../etc", "a b" * 10])
async def test_without_a_proper_session_the_api_is_closed(served: Served, cookie: str) -> None:
    headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
    async with browser(served) as session:
        for path in ("/api/history", "/api/stream", "/api/uploads/x"):
            assert (await session.get(path, headers=headers)).status == 401
        response = await session.post("/api/messages", json={"id": "1", "text": "x"}, headers=headers)
    assert response.status == 401
    assert (await refusal(response))["code"] == "no_session"


# ── messages ────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_becomes_an_event(page: aiohttp.ClientSession, served: Served) -> None:
    response = await page.post("/api/messages", json={"id": "m-1", "text": "你好\x00", "language": "en"})
    assert (response.status, await response.json()) == (202, {"accepted": True})
    (event,) = served.host.events
    conversation = conversation_of(page)
    assert event.conversation == conversation
    assert event.event_id == f"{conversation.chat}:m-1"
    assert (event.kind, event.text, event.sender.locale) == ("message", "你好", "en")
    assert event.occurred_at.tzinfo is not None
    assert json.loads(served.host.raw[0])["id"] == "m-1"


async def test_a_retried_message_is_accepted_again_and_stored_once(
    page: aiohttp.ClientSession, served: Served
) -> None:
    for _ in range(3):
        assert (await page.post("/api/messages", json={"id": "same", "text": "一次"})).status == 202
    assert len(served.host.events) == 1


async def test_equal_ids_of_two_customers_are_two_events(page: aiohttp.ClientSession, served: Served) -> None:
    await page.post("/api/messages", json={"id": "1", "text": "a"})
    async with browser(served) as other:
        await other.get("/")
        await other.post("/api/messages", json={"id": "1", "text": "b"})
    assert [event.text for event in served.host.events] == ["a", "b"]


async def test_a_pressed_button_brings_its_value(page: aiohttp.ClientSession, served: Served) -> None:
    await page.post("/api/messages", json={"id": "1", "button": {"value": "no", "label": "取消"}})
    (event,) = served.host.events
    assert (event.kind, event.value, event.text) == ("button", "no", "取消")


async def test_a_text_up_to_the_body_limit_goes_to_the_core(
    page: aiohttp.ClientSession, served: Served
) -> None:
    assert (await page.post("/api/messages", json={"id": "1", "text": "x" * 1900})).status == 202
    assert len(served.host.events[0].text) == 1900


@pytest.mark.parametrize("length", [True, False], ids=["announced", "chunked"])
async def test_a_larger_body_is_refused_and_the_limit_named(
    page: aiohttp.ClientSession, served: Served, length: bool
) -> None:
    body = json.dumps({"id": "1", "text": "x" * 3000}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 500):
            yield body[start : start + 500]

    response = await page.post(
        "/api/messages", data=body if length else pieces(), headers={"Content-Type": "application/json"}
    )
    assert response.status == 413
    assert "2 KB" in (await refusal(response))["message"]["en"]
    assert not served.host.events


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "bad_json"),
        ("", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        ('{"id": "1", "text": "\\ud800"}', "bad_json"),
        ("[]", "bad_field"),
        ('{"id": 5, "text": "x"}', "bad_field"),
        ('{"id": "1", "text": ["x"]}', "bad_field"),
        ('{"id": "1", "text": "x", "language": "fr"}', "bad_field"),
        ('{"id": "1", "button": {"value": ""}}', "bad_field"),
        ('{"text": "x"}', "bad_id"),
        ('{"id": "' + "x" * 65 + '", "text": "x"}', "bad_id"),
        ('{"id": "a:b", "text": "x"}', "bad_id"),
        ('{"id": "1"}', "empty"),
        ('{"id": "1", "text": "  \\n "}', "empty"),
        ('{"id": "1", "attachments": ["a", "b", "c", "d", "e", "f", "g"]}', "too_many_attachments"),
        ('{"id": "1", "attachments": ["nobodys"]}', "unknown_attachment"),
    ],
)
async def test_what_is_wrong_with_a_message_is_said(
    page: aiohttp.ClientSession, served: Served, body: str | bytes, code: str
) -> None:
    response = await page.post("/api/messages", data=body, headers={"Content-Type": "application/json"})
    assert response.status == 400
    error = await refusal(response)
    assert error["code"] == code
    if "limit" in error:
        assert str(error["limit"]) in error["message"]["zh"]
    assert not served.host.events


@pytest.mark.parametrize("failure", [StoreBusy("locked"), QueueFull("full")])
async def test_a_busy_store_asks_to_come_back(
    page: aiohttp.ClientSession, served: Served, failure: Exception
) -> None:
    served.host.failure = failure
    response = await page.post("/api/messages", json={"id": "1", "text": "x"})
    assert response.status == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert (await refusal(response))["code"] == "busy"
    assert (await page.get("/api/history")).status == 503
    served.host.failure = None
    assert (await page.post("/api/messages", json={"id": "1", "text": "x"})).status == 202
    assert len(served.host.events) == 1


async def test_an_unforeseen_failure_tells_nothing(
    page: aiohttp.ClientSession, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.host.failure = RuntimeError("secret detail, parameters: my words")
    response = await page.post("/api/messages", json={"id": "1", "text": "my words"})
    assert response.status == 500
    assert "secret" not in await response.text()
    assert "my words" not in caplog.text
    assert "RuntimeError" in caplog.text
    assert "host.py" in caplog.text


async def test_a_customer_who_sends_too_fast_waits() -> None:
    async with (
        serve(WebAdapter(SETTINGS, admit=lambda conversation: 2.5), MemoryHost()) as served,
        browser(served) as session,
    ):
        await session.get("/")
        response = await session.post("/api/messages", json={"id": "1", "text": "x"})
    assert (response.status, response.headers["Retry-After"]) == (429, "3")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_other_sites_cannot_speak_for_a_customer(
    page: aiohttp.ClientSession, served: Served, headers: dict[str, str]
) -> None:
    before = conversation_of(page)
    form = aiohttp.FormData()
    form.add_field("file", b"hello", filename="a.txt")
    for response in (
        await page.post("/api/messages", json={"id": "1", "text": "x"}, headers=headers),
        await page.post("/api/uploads", data=form, headers=headers),
        await page.post("/api/session/reset", headers=headers),
    ):
        assert response.status == 403
        assert (await refusal(response))["code"] == "forbidden"
    assert not served.host.events
    assert conversation_of(page) == before


async def test_the_pages_own_origin_may(page: aiohttp.ClientSession, served: Served) -> None:
    headers = {"Origin": served.url, "Sec-Fetch-Site": "same-origin"}
    response = await page.post("/api/messages", json={"id": "1", "text": "x"}, headers=headers)
    assert response.status == 202


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_only_json_is_a_message(page: aiohttp.ClientSession, served: Served, kind: str) -> None:
    response = await page.post("/api/messages", data='{"id":"1","text":"x"}', headers={"Content-Type": kind})
    assert response.status == 415
    assert not served.host.events


# ── history ─────────────────────────────────────────────────────────────────────────────────────


async def test_history_holds_both_sides_in_order(page: aiohttp.ClientSession, served: Served) -> None:
    conversation = conversation_of(page)
    await page.post("/api/messages", json={"id": "q-1", "text": "限额？"})
    answer = message(
        conversation,
        "a-1",
        "每日 20 万元。",
        Sources((Citation("limit", "限额", "每日 20 万元"),)),
        Buttons((Button("转人工", "staff"),)),
    )
    served.host.release(answer)
    await page.post("/api/messages", json={"id": "q-2", "button": {"value": "staff", "label": "转人工"}})
    served.host.release(message(conversation, "a-2", "您好，我是客服。"), by_staff=True)

    history = await (await page.get("/api/history")).json()

    assert history["last"] == 2
    first, answered, pressed, staff = history["lines"]
    assert (first["id"], first["role"], first["parts"]) == (
        "q-1",
        "customer",
        [{"type": "text", "text": "限额？"}],
    )
    assert (answered["id"], answered["n"], answered["kind"], answered["language"]) == (
        "a-1",
        1,
        "answer",
        "zh",
    )
    assert [part["type"] for part in answered["parts"]] == ["text", "sources", "buttons"]
    assert answered["parts"][1]["citations"][0]["excerpt"] == "每日 20 万元"
    assert pressed["value"] == "staff"
    assert (staff["role"], staff["n"]) == ("staff", 2)
    assert staff["at"].endswith("Z")


async def test_a_new_conversation_starts_empty(page: aiohttp.ClientSession) -> None:
    await page.post("/api/messages", json={"id": "1", "text": "x"})
    await page.post("/api/session/reset")
    response = await page.get("/api/history")
    assert await response.json() == {"lines": [], "last": 0}
    assert response.headers["Cache-Control"] == "no-store"


async def test_attachments_come_with_their_message(page: aiohttp.ClientSession, served: Served) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"\x89PNG\r\n\x1a\n....", filename="a.png")
    kept = await (await page.post("/api/uploads", data=form)).json()
    await page.post("/api/messages", json={"id": "1", "text": "看", "attachments": [kept["ref"]]})
    text, image = served.host.events[0].parts
    assert text == Text("看")
    assert image == Image(kept["ref"], mime="image/png", size=12, name="a.png")
    (line,) = (await (await page.get("/api/history")).json())["lines"]
    assert line["parts"][1]["url"] == f"api/uploads/{kept['ref']}"


# ── as an adapter ───────────────────────────────────────────────────────────────────────────────


async def test_before_its_start_and_after_its_stop_it_takes_and_sends_nothing() -> None:
    adapter = WebAdapter(SETTINGS)
    said = message(Conversation("web", "web", "c"), "k", "x")
    with pytest.raises(RetryLater):
        await adapter.send(said)
    async with serve(adapter, MemoryHost()) as served, browser(served) as session:
        await session.get("/")
        assert (await adapter.health()).ok
        assert (await adapter.send(said)).message_id == "k"
        await adapter.stop()
        assert not (await adapter.health()).ok
        assert (await session.post("/api/messages", json={"id": "1", "text": "x"})).status == 503


async def test_a_lost_push_is_no_failed_send() -> None:
    class Deaf(MemoryHost):
        async def push(self, topic: str, payload: bytes) -> None:
            raise ConnectionError("the bus is gone")

    adapter = WebAdapter(SETTINGS)
    await adapter.start(Deaf())
    assert (await adapter.send(message(Conversation("web", "web", "c"), "k", "x"))).message_id == "k"
    await adapter.typing(Conversation("web", "web", "c"), "zh")
    await adapter.stop()


async def test_many_customers_at_once_each_get_their_own(served: Served) -> None:
    async def one(number: int) -> list[str]:
        async with browser(served) as session:
            await session.get("/")
            await session.post("/api/messages", json={"id": "1", "text": f"customer {number}"})
            lines = (await (await session.get("/api/history")).json())["lines"]
            return [line["parts"][0]["text"] for line in lines]

    heard = await asyncio.gather(*(one(number) for number in range(20)))
    assert heard == [[f"customer {number}"] for number in range(20)]
