"""Socket Mode: one connection, acknowledged when stored, back after every way of losing it."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from bot.errors import QueueFull, StoreBusy
from tests.adapters.slack.bench import Bench, bench
from tests.emulators.slack import SlackEmulator


async def reconnected(there: Bench, opened: int) -> None:
    await there.slack.until(
        lambda: there.slack.sockets.opened >= opened and len(there.slack.sockets.open) == 1
    )


async def healthy(there: Bench) -> None:
    for _ in range(500):
        if (await there.adapter.health()).ok:
            return
        await asyncio.sleep(0.01)
    raise AssertionError((await there.adapter.health()).detail)


@pytest.mark.parametrize("error", [StoreBusy("locked"), QueueFull("full")])
async def test_what_could_not_be_stored_is_not_acknowledged_and_comes_again(error: Exception) -> None:
    async with bench() as there:
        there.host.failure = error
        await there.slack.say("你好")
        await asyncio.sleep(0.05)
        assert len(there.slack.sockets.unacknowledged) == 1
        there.host.failure = None
        await there.slack.sockets.redeliver()
        await there.slack.until(lambda: not there.slack.sockets.unacknowledged)
        assert [e.text for e in there.host.events] == ["你好"]


async def test_the_same_envelope_twice_is_one_event_and_two_acknowledgements() -> None:
    async with bench() as there:
        envelope = await there.slack.sockets.send("events_api", _event(there.slack, "你好"))
        again = there.slack.sockets.unacknowledged[envelope]
        await there.slack.until(lambda: not there.slack.sockets.unacknowledged)
        there.slack.sockets.unacknowledged[envelope] = again
        await there.slack.sockets.redeliver()
        await there.slack.until(lambda: there.slack.sockets.acknowledged == [envelope, envelope])
        assert len(there.host.events) == 1
        assert not there.slack.sockets.wrong_acks


async def test_nothing_is_acknowledged_before_it_is_stored() -> None:
    async with bench() as there:
        held = asyncio.Event()
        accept = there.host.accept

        async def slow(event: object, raw: bytes = b"") -> bool:
            await held.wait()
            return await accept(event, raw)  # type: ignore[arg-type]

        there.host.accept = slow  # type: ignore[method-assign]
        await there.slack.say("你好")
        await asyncio.sleep(0.05)
        assert there.slack.sockets.acknowledged == []
        held.set()
        await there.slack.until(lambda: len(there.slack.sockets.acknowledged) == 1)


@pytest.mark.parametrize("reason", ["refresh_requested", "warning"])
async def test_slacks_wish_to_reconnect_is_followed_without_a_second_connection(reason: str) -> None:
    async with bench() as there:
        await there.slack.sockets.disconnect(reason)
        await reconnected(there, 2)
        await there.slack.say("还在吗")
        assert (await there.host.event(1)).text == "还在吗"
        assert there.slack.sockets.most_at_once == 1


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 4000])
async def test_any_close_is_followed_by_a_new_connection(code: int) -> None:
    async with bench() as there:
        if code == 1006:
            for socket in there.slack.sockets.open:
                assert socket._req is not None
                assert socket._req.transport is not None
                socket._req.transport.abort()
        else:
            await there.slack.sockets.close(code)
        await reconnected(there, 2)
        await there.slack.say("还在吗")
        await there.host.event(1)
        assert there.slack.sockets.most_at_once == 1


async def test_a_disconnect_and_a_close_at_once_make_one_connection() -> None:
    async with bench() as there:
        for _ in range(3):
            opened = there.slack.sockets.opened
            await there.slack.sockets.disconnect("warning")
            await there.slack.sockets.close(1000)
            await reconnected(there, opened + 1)
        assert there.slack.sockets.most_at_once == 1
        assert len(there.slack.api.tickets) == 0
        await there.slack.say("一次")
        await there.slack.until(lambda: not there.slack.sockets.unacknowledged)
        assert len(there.host.events) == 1


async def test_a_connection_that_answers_no_ping_is_replaced() -> None:
    async with bench() as there:
        there.slack.sockets.answers_pings = False
        await there.slack.until(lambda: there.slack.sockets.opened >= 2)
        there.slack.sockets.answers_pings = True
        await there.slack.say("还在吗")
        await there.slack.sockets.redeliver()
        await there.host.event(1)


async def test_what_was_under_way_at_a_disconnect_is_still_acknowledged_on_its_connection() -> None:
    async with bench() as there:
        held = asyncio.Event()
        accept = there.host.accept

        async def slow(event: object, raw: bytes = b"") -> bool:
            await held.wait()
            return await accept(event, raw)  # type: ignore[arg-type]

        there.host.accept = slow  # type: ignore[method-assign]
        await there.slack.say("你好")
        await there.slack.sockets.disconnect()
        await asyncio.sleep(0.05)
        held.set()
        await reconnected(there, 2)
        assert not there.slack.sockets.unacknowledged
        assert not there.slack.sockets.wrong_acks


async def test_too_many_connections_are_not_fought_over() -> None:
    async with bench() as there:
        for _ in range(3):
            await there.slack.sockets.disconnect("too_many_websockets")
            await reconnected(there, there.slack.sockets.opened + 1)
        # 1, 2 and 4 s of pause, at a twentieth.
        assert there.slack.sockets.most_at_once == 1


async def test_other_connections_of_the_app_are_told_of() -> None:
    def ghosts(slack: SlackEmulator) -> None:
        slack.sockets.ghosts = 3

    async with bench(before=ghosts) as there:
        await there.slack.say("你好")
        await there.host.event(1)
        assert "4 connections" in (await there.adapter.health()).detail


async def test_health_tells_of_a_receiver_that_is_gone_and_of_its_return() -> None:
    def closed(slack: SlackEmulator) -> None:
        slack.sockets.says_hello = False

    async with bench(before=closed) as there:
        there.clock.offset += 30
        told = await there.adapter.health()
        assert not told.ok
        assert "no connection" in told.detail
        there.slack.sockets.says_hello = True
        await there.slack.sockets.close()
        await healthy(there)


@pytest.mark.parametrize(
    ("how", "word"),
    [("link_disabled", "link_disabled"), ("invalid_auth", "token"), ("refuse", "no connection")],
)
async def test_a_refused_connection_says_why(how: str, word: str) -> None:
    def broken(slack: SlackEmulator) -> None:
        slack.fail("apps.connections.open", how, times=-1)
        slack.sockets.says_hello = False

    async with bench(before=broken) as there:
        await asyncio.sleep(0.05)
        there.clock.offset += 30
        told = await there.adapter.health()
        assert not told.ok
        assert word in told.detail


async def test_a_bad_bot_token_is_unwell_until_it_is_mended() -> None:
    def revoked(slack: SlackEmulator) -> None:
        slack.team.revoked = True

    async with bench(before=revoked) as there:
        told = await there.adapter.health()
        assert not told.ok
        assert "install the app again" in told.detail
        await there.slack.say("你好")
        await there.host.event(1)
        there.slack.team.revoked = False
        await healthy(there)


async def test_hostile_frames_end_nothing() -> None:
    async with bench() as there:
        (socket,) = there.slack.sockets.open
        frames = [
            "",
            "[]",
            "{",
            "null",
            '{"type":7}',
            '{"type":"events_api"}',
            '{"type":"events_api","envelope_id":7,"payload":{}}',
            '{"type":"events_api","envelope_id":"e","payload":"x"}',
            '{"type":"events_api","envelope_id":"e","payload":[]}',
            "[" * 100_000,
        ]
        for frame in frames:
            await socket.send_str(frame)
        await socket.send_str('{"type":"events_api","envelope_id":"bad","payload":{"type":"event_callback"}}')
        await there.slack.say("你好")
        await there.host.event(1)
        assert there.slack.sockets.opened == 1
        # Malformed, and it won't be better the next time: acknowledged, and counted.
        await there.slack.until(lambda: len(there.slack.sockets.wrong_acks) == 1)
        assert there.host.refusals["malformed"] == 1


async def test_stopping_receives_nothing_more_but_still_sends() -> None:
    from tests.adapters.slack.bench import message, place

    async with bench() as there:
        await there.adapter.stop()
        await there.slack.until(lambda: not there.slack.sockets.open)
        await there.slack.say("有人吗")
        await there.adapter.send(message(place("D1"), "再见"))
        assert there.host.events == []
        assert len(there.slack.by_bot("D1")) == 1
        await there.adapter.start(there.host)
        await reconnected(there, 2)
        await there.slack.sockets.redeliver()
        await there.host.event(1)


async def test_a_process_that_only_sends_opens_no_connection() -> None:
    from adapters.slack import SlackAdapter

    async with bench() as there:
        second = SlackAdapter(there.adapter._settings, clock=there.clock)
        await second.start(there.host, receive=False)
        assert (await second.health()).ok
        await second.close()
        assert there.slack.sockets.opened == 1


async def test_a_conversations_messages_are_stored_in_the_order_they_came() -> None:
    async with bench() as there:
        first = asyncio.Event()
        accept, seen = there.host.accept, list[str]()

        async def uneven(event: object, raw: bytes = b"") -> bool:
            if event.text == "1":  # type: ignore[attr-defined]
                await first.wait()
            seen.append(event.text)  # type: ignore[attr-defined]
            return await accept(event, raw)  # type: ignore[arg-type]

        there.host.accept = uneven  # type: ignore[method-assign]
        for text in ("1", "2", "3"):
            await there.slack.say(text, channel="D1")
        await there.slack.say("other", channel="D2")
        await there.host.event(1)
        assert seen == ["other"]
        first.set()
        await there.host.event(4)
        assert seen == ["other", "1", "2", "3"]


async def test_an_app_with_a_signing_secret_alone_opens_no_connection() -> None:
    async with bench("http", change=lambda s: dataclasses.replace(s, app_token="")) as there:
        assert there.slack.sockets.opened == 0
        assert (await there.adapter.health()).ok


def _event(slack: SlackEmulator, text: str) -> dict[str, object]:
    from tests.emulators.slack_events import event_callback, message_event

    ts = slack.api.ts()
    return event_callback(slack.team, slack.api.number(), message_event(slack.team, "D1", "U1", text, ts), 0)


class Forwarder:
    """A forward proxy to one server; it keeps what was sent."""

    def __init__(self) -> None:
        self.sent = bytearray()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        self.sent += line
        target = urlsplit(line.split()[1].decode())
        there, out = await asyncio.open_connection(target.hostname, target.port)
        out.write(line)
        await asyncio.gather(self._pipe(reader, out, self.sent), self._pipe(there, writer, bytearray()))

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                kept += data
                writer.write(data)
                await writer.drain()
        writer.close()


async def test_the_socket_takes_the_proxy_that_the_calls_take(monkeypatch: pytest.MonkeyPatch) -> None:
    forwarder = Forwarder()
    async with await asyncio.start_server(forwarder.carry, "127.0.0.1", 0) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        async with bench() as there:
            await there.slack.say("您好")
            assert (await there.host.event(1)).text == "您好"
    assert b"/apps.connections.open" in forwarder.sent
    assert b"Upgrade: websocket" in forwarder.sent


async def test_an_address_that_ran_out_is_not_tried_again() -> None:
    async with bench() as there:
        # The next address is taken back before it is used.
        taken = there.slack.api.tickets

        class Forgetful(set[str]):
            forgets = 2

            def __contains__(self, ticket: object) -> bool:
                self.forgets -= 1
                return self.forgets < 0 and super().__contains__(ticket)

        there.slack.api.tickets = Forgetful(taken)
        await there.slack.sockets.close()
        await reconnected(there, 2)
        assert len(there.slack.calls("apps.connections.open")) == 4
