"""The remote generator against real servers that behave well and badly."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.errors import InferenceUnavailable
from inference.remote import RemoteGenerator, RemoteOptions, call
from inference.remote.options import BreakerOptions
from tests.conftest import eventually, free_port
from tests.inference.remote.server import (
    DONE,
    Behaviour,
    Time,
    asking,
    chunk,
    open_stream,
    raw_server,
    refuses,
    reply,
    request,
    said,
    serving,
    streams,
    why_not,
)

GOOD = streams(*reply("A new card ", "costs CNY 8."))
TEXT = "A new card costs CNY 8."


# ── replies ──


async def test_pieces_come_as_they_are_written_and_the_request_says_what_is_needed() -> None:
    go_on = asyncio.Event()

    async def slowly(asked: web.Request) -> web.StreamResponse:
        response = await open_stream(asked)
        await response.write((": hello\n\n" + chunk("", role="assistant") + chunk("  A new")).encode())
        await go_on.wait()
        usage = {"completion_tokens": 9, "prompt_tokens": 120}
        await response.write((chunk(" card") + chunk(finish="stop", usage=usage)).encode())
        return response

    async with serving(slowly) as server, asking(server.url, key="k-1", model="m", temperature=0.25) as model:
        pieces = model.generate(request(max_tokens=77))
        assert await anext(pieces) == "A new"
        assert model.stats().engine.running == 1
        go_on.set()
        assert [piece async for piece in pieces] == [" card"]
        engine = model.stats().engine
        assert (engine.tokens, engine.prompt_tokens, engine.running) == (9, 120, 0)
    (body,) = server.bodies
    assert [message["role"] for message in body.pop("messages")] == ["system", "user", "assistant", "user"]
    assert body == {"stream": True, "max_tokens": 77, "temperature": 0.25, "model": "m"}
    assert server.headers[0]["Authorization"] == "Bearer k-1"


async def test_without_a_model_or_key_none_is_named_and_one_connection_serves_all() -> None:
    async with serving(GOOD) as server, asking(server.url) as model:
        for _ in range(3):
            assert "".join(await said(model)) == TEXT
    assert "model" not in server.bodies[0]
    assert "Authorization" not in server.headers[0]
    assert len(set(server.peers)) == 1


@pytest.mark.parametrize(
    "parts",
    [
        (chunk(TEXT), chunk(finish="stop")),  # no [DONE], as `transformers serve`
        (chunk(TEXT), DONE),  # no finish_reason
        (chunk(TEXT), "data: [DONE]"),  # not even an empty line
        (chunk(TEXT, "stop"), 'data: {"choices": [], "usage": {"completion_tokens": 5}}\n\n', DONE),
        tuple(bytes([byte]) for byte in "".join(reply(TEXT)).encode()),
        ("".join(reply(TEXT)).replace("\n", "\r\n"),),
        (*reply(TEXT), chunk(" And more, after the end."), "data: rubbish\n\n"),
        ("".join(reply(TEXT)).encode() + b"data: \xff\n\n",),
        ("".join(reply(TEXT)) + "data: " + "x" * 300_000,),
        (*reply(TEXT), "event: error\ndata: out of memory\n\n"),
    ],
)
async def test_every_proper_end_is_understood(parts: tuple[str | bytes, ...]) -> None:
    async with serving(streams(*parts)) as server, asking(server.url) as model:
        assert "".join(await said(model)) == TEXT


USAGE = 'data: {"choices": [], "usage": {"completion_tokens": 5, "prompt_tokens": 120}}\n\n'


@pytest.mark.parametrize(
    "parts",
    [
        (chunk(TEXT), chunk(finish="stop"), USAGE, DONE),
        ("".join((chunk(TEXT), chunk(finish="stop"), USAGE, DONE)),),
        tuple(bytes([byte]) for byte in "".join((chunk(TEXT), chunk(finish="stop"), USAGE)).encode()),
        (chunk(TEXT), chunk(finish="stop"), USAGE, chunk("And more.", usage={"completion_tokens": []})),
    ],
)
async def test_the_servers_count_is_taken_where_it_comes_after_the_end(
    parts: tuple[str | bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, "_FAREWELL", 30.0)

    async def pausing(asked: web.Request) -> web.StreamResponse:
        response = await open_stream(asked)
        for part in parts:
            await response.write(part if isinstance(part, bytes) else part.encode())
            await asyncio.sleep(0)
        return response

    async with serving(pausing) as server, asking(server.url) as model:
        for number in (1, 2):
            assert "".join(await said(model)) == TEXT
            engine = model.stats().engine
            assert (engine.tokens, engine.prompt_tokens) == (5 * number, 120 * number)
    assert len(set(server.peers)) == 1


async def test_a_finished_reply_does_not_wait_for_a_server_that_keeps_the_stream_open() -> None:
    async def lingers(asked: web.Request) -> web.StreamResponse:
        response = await open_stream(asked)
        await response.write("".join(reply(TEXT)).encode())
        await asyncio.Event().wait()
        return response

    async with serving(lingers) as server, asking(server.url) as model:
        assert "".join(await said(model)) == TEXT
        assert model.ready


async def test_a_reply_at_its_token_limit_ends_with_its_last_whole_sentence() -> None:
    answer = streams(*reply("It costs CNY 8.", " It arrives in 5", " business", finish="length"))
    async with (
        serving(answer, streams(*reply("It costs CNY", finish="length"))) as server,
        asking(server.url) as model,
    ):
        assert "".join(await said(model)) == "It costs CNY 8."
        assert "cut off within the first sentence" in await why_not(model)
        assert model.ready


# ── bad servers ──


async def never_answers(_asked: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def never_writes(asked: web.Request) -> web.StreamResponse:
    response = await open_stream(asked)
    while True:
        await response.write(b": still here\n\n")
        await asyncio.sleep(0.01)


async def never_ends(asked: web.Request) -> web.StreamResponse:
    response = await open_stream(asked)
    while True:
        await response.write(chunk("x").encode())
        await asyncio.sleep(0.01)


async def firehose(asked: web.Request) -> web.StreamResponse:
    response = await open_stream(asked)
    while True:
        await response.write(chunk("x" * 1000).encode() * 10)


async def empty_firehose(asked: web.Request) -> web.StreamResponse:
    response = await open_stream(asked)
    while True:
        await response.write(b": " + b"x" * 10_000 + b"\n")


async def all_at_once(_asked: web.Request) -> web.StreamResponse:
    return web.json_response({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]})


async def a_page(_asked: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>please log in</html>", content_type="text/html")


async def moved(_asked: web.Request) -> web.StreamResponse:
    raise web.HTTPTemporaryRedirect("http://127.0.0.1:1/elsewhere")


OF_THE_REQUEST = ("a reason of its own", "refused the request with status 400")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (never_answers, "no text came within 0.3 s"),
        (never_writes, "no text came within 0.3 s"),
        (never_ends, "didn't finish its reply by the deadline"),
        (firehose, "its reply is too long"),
        (empty_firehose, "its reply is too long"),
        (all_at_once, "all at once instead of streaming"),
        (a_page, "something other than a stream"),
        (moved, "redirects elsewhere"),
        (streams(chunk("A new"), "data: {oops}\n\n"), "no part of a chat completion"),
        (streams(chunk("A new"), b"data: \xff\xfe\n\n"), "isn't UTF-8"),
        (streams("data: " + "x" * 300_000), "too long"),
        (streams("<html></html>"), "broke the reply off"),
        (streams(chunk("A new card")), "broke the reply off"),
        (streams(), "broke the reply off"),
        (streams(chunk("A new card"), 'data: {"choices": [{"del'), "no part of a chat completion"),
        (streams(chunk("A new"), 'data: {"error": {"message": "A new card"}}\n\n'), "reported an error"),
        (streams(chunk("A new"), "event: error\ndata: out of memory\n\n"), "reported an error"),
        (streams(*reply()), "without any text"),
        (streams(*reply(" ", "\n")), "without any text"),
        (streams(*reply("No.", finish="content_filter")), "a reason of its own"),
        (refuses(400), "refused the request with status 400"),
        (refuses(401), "refuses the key"),
        (refuses(404), "no such address or model"),
        (refuses(418), "status 418"),
    ],
)
async def test_a_bad_server_is_a_plain_reason_after_one_call(
    behaviour: Behaviour, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "inference")
    once = BreakerOptions(failures=1)
    # Short only where it is waited for: on a busy machine all else is late.
    first_token, deadline = 0.3 if "0.3 s" in reason else 30.0, 0.6 if "deadline" in reason else 30.0
    async with (
        serving(behaviour) as server,
        asking(server.url, key="k-1", first_token=first_token, breaker=once) as model,
    ):
        said = await why_not(model, request(deadline=deadline))
        shown = said + caplog.text + str(model.status())
        blamed = not model.ready
    assert reason in said
    assert blamed == (reason not in OF_THE_REQUEST)
    assert said.endswith("answer verbatim")
    assert len(server.bodies) == 1
    for secret in ("k-1", "card", "127.0.0.1"):
        assert secret not in shown


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "doesn't speak HTTP"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", "broke|doesn't speak HTTP"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot zippe", "broke|doesn't speak HTTP"),
        (OK + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n", "doesn't speak HTTP"),
        (OK + b"Content-Length: 5000\r\n\r\n" + chunk("A new").encode(), "the connection broke"),
    ],
)
async def test_what_is_no_http_is_a_plain_reason(answer: bytes, reason: str) -> None:
    async with raw_server(answer) as url, asking(url) as model:
        with pytest.raises(InferenceUnavailable, match=reason):
            await said(model)


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_certificate_that_nobody_signed_is_refused_and_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(GOOD, ssl=certificate(tmp_path)) as server:
        async with asking(server.url) as model:
            assert "certificate isn't trusted" in await why_not(model)
        assert server.bodies == []
        async with asking(server.url.replace("https", "http")) as model:  # and plain to a TLS port
            assert "remote model" in await why_not(model)


# ── retries ──


async def test_what_may_pass_is_tried_again_with_growing_pauses_before_the_first_text() -> None:
    time = Time()
    async with (
        serving(refuses(503), refuses(500), GOOD) as server,
        asking(server.url, time=time) as model,
    ):
        assert "".join(await said(model)) == TEXT
        assert model.ready
    assert time.pauses == [0.25, 0.5]


async def test_no_more_often_than_retries_says() -> None:
    time = Time()
    async with serving(refuses(502)) as server, asking(server.url, time=time, retries=1) as model:
        assert "status 502" in await why_not(model)
    assert len(server.bodies) == 2


async def test_retry_after_is_waited_for_or_the_reply_given_up_where_it_is_too_long() -> None:
    time = Time()
    wait = refuses(429, **{"Retry-After": "3"})
    too_long = refuses(429, **{"Retry-After": "60"})
    async with serving(wait, GOOD, too_long) as server, asking(server.url, time=time) as model:
        assert "".join(await said(model)) == TEXT
        assert "overloaded" in await why_not(model)
    assert time.pauses == [3.0]
    assert len(server.bodies) == 3


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    time = Time()
    async with asking(f"http://127.0.0.1:{free_port()}/v1", time=time) as model:
        assert "can't be reached" in await why_not(model)
    assert len(time.pauses) == 2


async def test_a_connection_lost_before_the_first_text_is_tried_again_but_not_after_it() -> None:
    head = OK + b"Content-Length: 5000\r\n\r\n"
    good = OK + b"\r\n" + "".join(reply(TEXT)).encode()
    async with raw_server(b"", head, good) as url, asking(url) as model:
        assert "".join(await said(model)) == TEXT
    async with raw_server(head + chunk("A new").encode(), good) as url, asking(url) as model:
        pieces = model.generate(request())
        assert await anext(pieces) == "A new"
        with pytest.raises(InferenceUnavailable, match="the connection broke in the middle"):
            await anext(pieces)


# ── breaker ──


async def test_the_breaker_opens_leaves_the_server_alone_and_closes_after_a_probe(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "inference.remote")  # whatever level an earlier test left behind
    time = Time()
    breaker = BreakerOptions(failures=2, pause=10)
    broken = streams("data: {}\n\n")
    async with (
        serving(broken, broken, broken, GOOD) as server,
        asking(server.url, time=time, breaker=breaker) as model,
    ):
        await why_not(model)
        assert model.ready
        await why_not(model)
        assert not model.ready
        assert (model.status().state, model.status().opened) == ("backing_off", 1)
        assert "left alone" in await why_not(model)
        with pytest.raises(InferenceUnavailable, match="left alone"):
            await model.wait_ready(1)
        assert len(server.bodies) == 2
        time.seconds = 11
        assert model.ready
        await why_not(model)  # the probe fails: alone for 20 s now
        time.seconds = 30
        assert not model.ready
        time.seconds = 32
        assert "".join(await said(model)) == TEXT
        assert (model.status().state, model.status().last_error) == ("ready", "")
        assert len(server.bodies) == 4
    logged = [record for record in caplog.records if record.name == "inference.remote"]
    assert [record.levelname for record in logged] == ["WARNING", "INFO"]


async def test_one_request_probes_while_others_are_answered_verbatim() -> None:
    time = Time()
    go_on = asyncio.Event()

    async def waits(asked: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return await GOOD(asked)

    async with (
        serving(streams("data: {}\n\n"), waits, GOOD) as server,
        asking(server.url, time=time, breaker=BreakerOptions(failures=1)) as model,
    ):
        await why_not(model)
        time.seconds = 11
        probe = asyncio.create_task(said(model))
        await eventually(lambda: len(server.bodies) == 2)
        assert not model.ready
        assert "left alone" in await why_not(model)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        assert model.ready  # that one told nothing: the next probes
        go_on.set()
        assert "".join(await said(model)) == TEXT
        assert model.ready


async def test_a_request_that_the_server_refuses_for_itself_opens_nothing() -> None:
    async with (
        serving(refuses(400)) as server,
        asking(server.url, breaker=BreakerOptions(failures=1)) as model,
    ):
        await why_not(model)
        assert model.ready
        assert "status 400" in model.status().last_error


async def test_what_was_late_through_our_own_queue_is_not_the_servers_fault() -> None:
    go_on = asyncio.Event()

    async def waits(asked: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return await GOOD(asked)

    once = BreakerOptions(failures=1)
    async with (
        serving(waits, never_ends) as server,
        asking(server.url, max_concurrent=1, breaker=once) as model,
    ):
        first = asyncio.create_task(said(model))
        await eventually(lambda: len(server.bodies) == 1)
        second = asyncio.create_task(why_not(model, request(deadline=0.8)))
        await eventually(lambda: model.stats().engine.waiting == 1)
        await asyncio.sleep(0.5)
        go_on.set()
        assert "".join(await first) == TEXT
        assert "deadline" in await second
        assert model.ready


# ── cancelling, places ──


async def test_closing_the_iterator_closes_the_connection_and_counts_as_no_failure() -> None:
    gone = asyncio.Event()

    async def writes_on(asked: web.Request) -> web.StreamResponse:
        try:
            return await never_ends(asked)
        finally:
            gone.set()

    async with (
        serving(writes_on) as server,
        asking(server.url, breaker=BreakerOptions(failures=1)) as model,
    ):
        pieces = model.generate(request())
        assert (await anext(pieces)).startswith("x")
        await pieces.aclose()
        await asyncio.wait_for(gone.wait(), 5)
        assert (model.ready, model.stats().engine.running) == (True, 0)
        gone.clear()
        task = asyncio.create_task(said(model))
        await eventually(lambda: len(server.bodies) == 2)
        task.cancel()
        await asyncio.wait_for(gone.wait(), 5)
        assert (await asyncio.gather(task, return_exceptions=True))[0].__class__ is asyncio.CancelledError
        assert (model.ready, model.stats().engine.running) == (True, 0)


async def test_places_are_bounded_waiting_is_in_order_and_beyond_it_is_refused_at_once() -> None:
    go_on = asyncio.Event()
    at_once, most = 0, 0

    async def counts(asked: web.Request) -> web.StreamResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await go_on.wait()
        at_once -= 1
        return await GOOD(asked)

    async with serving(counts) as server, asking(server.url, max_concurrent=2, queue=3) as model:
        asked = []
        for number in range(5):
            asked.append(asyncio.create_task(said(model, request(question=f"question {number}"))))
            await asyncio.sleep(0)
        engine = model.stats().engine
        assert (engine.running, engine.waiting) == (2, 3)
        assert "overloaded" in await why_not(model)
        assert "no place" in await why_not_in_place_of(asked.pop(2), model)
        await eventually(lambda: len(server.bodies) == 2)
        go_on.set()
        assert ["".join(pieces) for pieces in await asyncio.gather(*asked)] == [TEXT] * 4
        assert most == 2
        engine = model.stats().engine
        assert (engine.running, engine.waiting) == (0, 0)
    order = [body["messages"][-1]["content"][-3:-1] for body in server.bodies]
    assert sorted(order[:2]) == [" 0", " 1"]
    assert sorted(order[2:]) == [" 3", " 4"]


async def why_not_in_place_of(task: asyncio.Task[list[str]], model: RemoteGenerator) -> str:
    """Cancel one that waits, and take its place with a request that has no time."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return await why_not(model, request(deadline=0.05))


async def test_many_cancelled_at_any_moment_leave_no_place_taken() -> None:
    async with serving(GOOD) as server, asking(server.url, max_concurrent=2, queue=100) as model:
        tasks = [asyncio.create_task(said(model)) for _ in range(40)]
        for number, task in enumerate(tasks):
            await asyncio.sleep(0 if number % 3 else 0.002)
            if number % 2:
                task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in ended} <= {list, asyncio.CancelledError}
        assert all("".join(result) == TEXT for result in ended if isinstance(result, list))
        engine = model.stats().engine
        assert (engine.running, engine.waiting, model.ready) == (0, 0, True)
        assert "".join(await said(model)) == TEXT


# ── lifetime ──


async def rest_of(pieces: AsyncIterator[str]) -> list[str]:
    return [piece async for piece in pieces]


async def test_before_start_and_after_stop_it_is_off() -> None:
    model = RemoteGenerator(RemoteOptions(url="http://127.0.0.1:1/v1"))
    assert (model.ready, model.status().state) == (False, "off")
    assert "is off" in await why_not(model)
    async with serving(never_ends) as server, asking(server.url) as model:
        await model.wait_ready(0)
        pieces = model.generate(request())
        await anext(pieces)
        await model.stop()
        with pytest.raises(InferenceUnavailable, match="connection broke"):
            await rest_of(pieces)
        assert (model.ready, model.status().state, model.stats().engine.running) == (False, "off", 0)
