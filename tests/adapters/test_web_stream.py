from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http.cookies import Morsel
from typing import Any

import aiohttp
import pytest

from adapters.web import WebAdapter
from bot.errors import StoreBusy
from bot.types import Draft
from tests.adapters.host import MemoryHost
from tests.adapters.test_web_api import browser, conversation_of
from tests.adapters.web_host import SETTINGS, Served, message, serve


@dataclass(frozen=True)
class Sent:
    """One server-sent event; a heartbeat has the name ":"."""

    name: str
    data: Any = None
    id: int | None = None


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    rest = bytearray()
    async for chunk in response.content.iter_any():
        rest += chunk
        if b"\n" in chunk:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                yield line.decode()


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Sent]:
    """As a browser reads them (HTML, section 9.2.6)."""
    fields: dict[str, str] = {}
    async for line in lines(response):
        if line.startswith(":"):
            yield Sent(":")
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            number = int(fields["id"]) if "id" in fields else None
            yield Sent(fields["event"], json.loads(fields["data"]), number)
            fields = {}
        else:
            fields = {}


async def until(stream: AsyncIterator[Sent], name: str) -> Sent:
    async with asyncio.timeout(5):
        async for sent in stream:
            if sent.name == name:
                return sent
    raise AssertionError(f"the stream ended without a {name}")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve(WebAdapter(SETTINGS, heartbeat=30), MemoryHost()) as it:
        yield it


@pytest.fixture
async def page(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with browser(served) as session:
        await (await session.get("/")).read()
        yield session


async def test_a_sent_message_arrives_with_its_number_and_speaker(
    page: aiohttp.ClientSession, served: Served
) -> None:
    conversation = conversation_of(page)
    async with page.get("/api/stream") as response:
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        stream = events(response)
        await served.say(message(conversation, "k1", "您好"))
        first = await until(stream, "message")
        await served.say(message(conversation, "k2", "我是客服"), by_staff=True)
        second = await until(stream, "message")
    assert (first.id, first.data["id"], first.data["n"], first.data["role"]) == (1, "k1", 1, "bot")
    assert first.data["parts"] == [{"type": "text", "text": "您好"}]
    assert (second.id, second.data["role"]) == (2, "staff")


async def test_the_stream_shows_what_history_will_show(page: aiohttp.ClientSession, served: Served) -> None:
    async with page.get("/api/stream") as response:
        await served.say(message(conversation_of(page), "k", "x", kind="warning"))
        live = await until(events(response), "message")
    (kept,) = (await (await page.get("/api/history")).json())["lines"]
    assert live.data == kept


@pytest.mark.parametrize("how", ["header", "query", "header over query"])
async def test_a_page_that_comes_back_gets_just_what_it_missed(
    page: aiohttp.ClientSession, served: Served, how: str
) -> None:
    for number in range(1, 6):
        served.host.release(message(conversation_of(page), f"k{number}", "x"))
    query = {"query": "?after=3", "header over query": "?after=1"}.get(how, "")
    headers = {"Last-Event-ID": "3"} if "header" in how else {}
    async with page.get(f"/api/stream{query}", headers=headers) as response:
        stream = events(response)
        assert [(await until(stream, "message")).id for _ in range(2)] == [4, 5]


@pytest.mark.parametrize("after", ["", "x", "-1", "1.5", "٣"])
async def test_a_senseless_number_means_from_the_start(
    page: aiohttp.ClientSession, served: Served, after: str
) -> None:
    served.host.release(message(conversation_of(page), "k", "x"))
    async with page.get("/api/stream", params={"after": after}) as response:
        assert (await until(events(response), "message")).id == 1


async def test_a_message_whose_push_was_lost_comes_with_the_heartbeat() -> None:
    async with serve(WebAdapter(SETTINGS, heartbeat=0.1), MemoryHost()) as served, browser(served) as page:
        await page.get("/")
        async with page.get("/api/stream") as response:
            stream = events(response)
            await until(stream, ":")
            served.host.release(message(conversation_of(page), "k", "x"))
            assert (await until(stream, "message")).id == 1


async def test_drafts_grow_and_their_message_ends_them(page: aiohttp.ClientSession, served: Served) -> None:
    conversation = conversation_of(page)
    async with page.get("/api/stream") as response:
        stream = events(response)
        await served.adapter.typing(conversation, "zh")
        assert (await until(stream, "typing")).data == {}
        await served.adapter.draft(Draft(conversation, "k", "每日", 1))
        draft = await until(stream, "draft")
        assert (draft.data, draft.id) == ({"key": "k", "text": "每日", "sequence": 1}, None)
        await served.say(message(conversation, "k", "每日 20 万元。"))
        await until(stream, "message")
        await served.adapter.draft(Draft(conversation, "k", "late", 9))
        await served.adapter.draft(Draft(conversation, "next", "新的", 1))
        assert (await until(stream, "draft")).data["key"] == "next"


async def test_drafts_cost_no_reading_of_the_store(page: aiohttp.ClientSession, served: Served) -> None:
    conversation = conversation_of(page)
    async with page.get("/api/stream") as response:
        stream = events(response)
        await served.adapter.draft(Draft(conversation, "k", "a", 0))
        await until(stream, "draft")
        before = served.host.reads
        for number in range(1, 20):
            await served.adapter.draft(Draft(conversation, "k", "a" * number, number))
        while (await until(stream, "draft")).data["sequence"] < 19:
            pass
        assert served.host.reads == before


async def test_nobody_hears_another_conversation(page: aiohttp.ClientSession, served: Served) -> None:
    async with browser(served) as other:
        await other.get("/")
        async with other.get("/api/stream") as response:
            stream = events(response)
            await served.adapter.draft(Draft(conversation_of(page), "k", "secret", 1))
            await served.say(message(conversation_of(page), "k", "secret"))
            await served.say(message(conversation_of(other), "mine", "x"))
            async with asyncio.timeout(5):
                assert (await anext(stream)).data["id"] == "mine"


async def test_two_tabs_both_hear(page: aiohttp.ClientSession, served: Served) -> None:
    async with page.get("/api/stream") as one, page.get("/api/stream") as two:
        await served.say(message(conversation_of(page), "k", "x"))
        assert (await until(events(one), "message")).id == (await until(events(two), "message")).id == 1


async def test_pushes_that_make_no_sense_are_passed_over(page: aiohttp.ClientSession, served: Served) -> None:
    async with page.get("/api/stream") as response:
        for payload in (b"", b"{", b'{"type": "message"}', b"\xff"):
            await served.host.push("web", payload)
        await served.say(message(conversation_of(page), "k", "x"))
        assert (await until(events(response), "message")).id == 1


async def test_listening_goes_on_after_the_bus_broke() -> None:
    class Fragile(MemoryHost):
        broken = 0

        def pushed(self, topic: str) -> Any:
            self.broken += 1
            if self.broken == 1:
                raise ConnectionError("no bus yet")
            return super().pushed(topic)

    host = Fragile()
    async with serve(WebAdapter(SETTINGS, heartbeat=30), host) as served, browser(served) as page:
        await page.get("/")
        assert host.broken == 2
        async with page.get("/api/stream") as response:
            await served.adapter.typing(conversation_of(page), "zh")
            await until(events(response), "typing")


async def test_a_busy_store_delays_the_stream_and_does_not_end_it() -> None:
    async with serve(WebAdapter(SETTINGS, heartbeat=0.1), MemoryHost()) as served, browser(served) as page:
        await page.get("/")
        served.host.release(message(conversation_of(page), "k", "x"))
        served.host.failure = StoreBusy("locked")
        async with page.get("/api/stream") as response:
            stream = events(response)
            await until(stream, ":")
            served.host.failure = None
            assert (await until(stream, "message")).id == 1


async def test_too_many_tabs_are_told_to_wait() -> None:
    async with (
        serve(WebAdapter(replace(SETTINGS, streams_per_conversation=2)), MemoryHost()) as served,
        browser(served) as page,
    ):
        await page.get("/")
        one, two = await page.get("/api/stream"), await page.get("/api/stream")
        refused = await page.get("/api/stream")
        assert refused.status == 503
        assert "Retry-After" in refused.headers
        async with browser(served) as other:
            await other.get("/")
            async with other.get("/api/stream") as response:
                assert response.status == 200
        one.close()
        two.close()


async def test_stopping_ends_all_streams_at_once(page: aiohttp.ClientSession, served: Served) -> None:
    responses = [await page.get("/api/stream") for _ in range(3)]
    started = asyncio.get_running_loop().time()
    await served.adapter.stop()
    async with asyncio.timeout(2):
        for response in responses:
            await response.read()
    assert asyncio.get_running_loop().time() - started < 1
    assert (await page.get("/api/stream")).status == 503


@asynccontextmanager
async def unread_stream(served: Served, page: aiohttp.ClientSession) -> AsyncIterator[None]:
    """A stream opened by a reader that then never reads."""
    cookie = next(iter(page.cookie_jar))
    with socket.socket() as reader:
        await open_stream(reader, served, cookie)
        yield


async def open_stream(reader: socket.socket, served: Served, cookie: Morsel[str]) -> None:
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.setblocking(False)
    host, port = served.url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    await loop.sock_connect(reader, (host, int(port)))
    request = f"GET /api/stream HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie.key}={cookie.value}\r\n\r\n"
    await loop.sock_sendall(reader, request.encode())
    assert (await loop.sock_recv(reader, 12)).endswith(b"200")


async def test_a_reader_that_does_not_read_holds_up_nobody_and_is_cut_off() -> None:
    adapter = WebAdapter(SETTINGS, heartbeat=0.1, stall=0.5)
    async with serve(adapter, MemoryHost()) as served, browser(served) as page:
        await page.get("/")
        conversation = conversation_of(page)
        async with unread_stream(served, page), page.get("/api/stream") as response:
            stream = events(response)
            big = "长" * 400_000
            for number in range(1, 13):
                await served.say(message(conversation, f"k{number}", big))
                assert (await until(stream, "message")).id == number
            assert (await adapter.health()).detail == "2 open pages"
            async with asyncio.timeout(5):
                while (await adapter.health()).detail != "1 open pages":
                    await until(stream, ":")
            await served.say(message(conversation, "last", "x"))
            assert (await until(stream, "message")).id == 13


async def test_a_thousand_drafts_for_a_stuck_reader_take_no_memory() -> None:
    adapter = WebAdapter(SETTINGS, heartbeat=30, stall=30)
    async with serve(adapter, MemoryHost()) as served, browser(served) as page:
        await page.get("/")
        conversation = conversation_of(page)
        async with unread_stream(served, page):
            for number in range(12):
                served.host.release(message(conversation, f"k{number}", "长" * 400_000))
            await served.say(message(conversation, "end", "x"))
            for number in range(1000):
                await served.adapter.draft(Draft(conversation, f"d{number % 50}", "字" * 1000, number))
                await asyncio.sleep(0)
            streams = adapter._streams
            (mailboxes,) = streams._open.values()
            (mailbox,) = mailboxes
            assert sum(map(len, mailbox.take().drafts.values())) < 20_000
            started = asyncio.get_running_loop().time()
            await adapter.stop()
            assert asyncio.get_running_loop().time() - started < 2
