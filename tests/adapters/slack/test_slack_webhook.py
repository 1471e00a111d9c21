"""Slack's HTTP requests: only what is signed and fresh is read, and nothing hostile is a 500."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import io
import json
import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from adapters.slack.fields import Malformed
from adapters.slack.signature import sign, verify
from adapters.slack.webhook import Webhook
from bot.errors import QueueFull, StoreBusy
from tests.adapters.slack.bench import Bench, bench
from tests.conftest import eventually
from tests.emulators.slack_events import block_actions, event_callback, message_event, slash_command
from tests.emulators.slack_state import Team

FUZZ = 10_000
"""Cases of the big fuzz."""


@pytest.fixture
async def there() -> AsyncIterator[Bench]:
    async with bench("http") as made:
        yield made


async def post(there: Bench, body: bytes, mime: str = "application/json", **headers: str) -> tuple[int, str]:
    stamp = headers.pop("stamp", str(int(there.clock())))
    signature = headers.pop("signature", sign(there.slack.signing_secret, stamp, body))
    sent = {
        "Content-Type": mime,
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signature,
        **headers,
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(there.slack.events_url, data=io.BytesIO(body), headers=sent) as response,
    ):
        return response.status, await response.text()


def hello() -> dict[str, Any]:
    return event_callback(Team(), 1, message_event(Team(), "D1", "U1", "你好", "1790000000.000100"), 0)


async def test_a_wrong_signature_is_401_and_nothing_is_read(there: Bench) -> None:
    body = json.dumps(hello()).encode()
    stamp = str(int(there.clock()))
    for signature in ("", "v0=", "v0=" + "0" * 64, sign("other secret", stamp, body), "v0=é", "v1=x"):
        assert (await post(there, body, signature=signature))[0] == 401
    good = sign(there.slack.signing_secret, stamp, body)
    assert (await post(there, body + b" ", stamp=stamp, signature=good))[0] == 401
    assert there.host.refusals == {"bad_signature": 7}
    assert there.host.events == []


@pytest.mark.parametrize("offset", [-301, 301, -100_000])
async def test_a_stale_timestamp_is_401(there: Bench, offset: int) -> None:
    body = json.dumps(hello()).encode()
    assert (await post(there, body, stamp=str(int(there.clock()) + offset)))[0] == 401
    assert there.host.refusals == {"stale": 1}


@pytest.mark.parametrize("stamp", ["", "abc", "12.5", "1e9", "-1", "１７９", "1_0", "9" * 40, "0x10"])
async def test_a_timestamp_that_is_no_number_is_401(there: Bench, stamp: str) -> None:
    body = json.dumps(hello()).encode()
    assert (await post(there, body, stamp=stamp))[0] == 401


@pytest.mark.parametrize(
    ("body", "mime"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 200_000, "application/json"),
        (b'{"a":' * 100_000, "application/json"),
        (b"\xff\xfe=1", "application/x-www-form-urlencoded"),
        (b"payload=%7B", "application/x-www-form-urlencoded"),
        (b"payload=%5B%5D", "application/x-www-form-urlencoded"),
        (b"a=1&" * 100, "application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded"),
        (b"x", "text/plain"),
        (b'{"type":"event_callback"}', "application/json"),
        (b'{"type":"event_callback","event_id":"Ev1","event":"x"}', "application/json"),
        (
            b'{"type":"event_callback","event_id":"Ev1","event":{"type":"message","user":{}}}',
            "application/json",
        ),
        (b'{"type":"block_actions","team":7}', "application/json"),
        (b'{"type":"url_verification","challenge":{}}', "application/json"),
        (b"command=help&team_id=T1", "application/x-www-form-urlencoded"),
    ],
)
async def test_signed_garbage_is_400_and_not_asked_for_again(there: Bench, body: bytes, mime: str) -> None:
    assert (await post(there, body, mime))[0] == 400
    assert there.host.refusals == {"malformed": 1}


async def test_too_large_a_body_is_413(there: Bench) -> None:
    assert (await post(there, b" " * ((1 << 20) + 1)))[0] == 413
    assert there.host.refusals == {"too_large": 1}


async def test_the_url_is_verified_and_the_certificate_probed(there: Bench) -> None:
    body = b'{"type":"url_verification","token":"x","challenge":"3eZbrw1aB"}'
    assert await post(there, body) == (200, "3eZbrw1aB")
    assert (await post(there, body, signature="v0=0"))[0] == 401
    form = b"ssl_check=1&token=x"
    assert await post(there, form, "application/x-www-form-urlencoded") == (200, "")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{there.slack.events_url}?ssl_check=1") as probed,
    ):
        assert probed.status == 200


@pytest.mark.parametrize("error", [StoreBusy("locked"), QueueFull("full")])
async def test_what_could_not_be_stored_is_503_and_retried_by_slack(there: Bench, error: Exception) -> None:
    there.host.failure = error
    await there.slack.say("你好")
    await eventually(lambda: there.slack.statuses)
    there.host.failure = None
    await there.slack.delivered()
    assert there.slack.statuses == [503, 200]
    assert [e.text for e in there.host.events] == ["你好"]


async def test_a_retry_of_what_was_never_stored_is_not_dropped(there: Bench) -> None:
    status, _ = await there.slack.post("events_api", hello(), {"X-Slack-Retry-Num": "1"})
    assert status == 200
    assert len(there.host.events) == 1


async def test_a_receiver_that_stops_answers_503(there: Bench) -> None:
    await there.adapter.stop()
    assert (await post(there, json.dumps(hello()).encode()))[0] == 503


async def test_each_account_has_a_path_of_its_own() -> None:
    async with bench("http", change=lambda s: dataclasses.replace(s, account="branch")) as there:
        there.slack.events_url = f"{there.url}/webhooks/slack/events/branch"
        assert (await post(there, json.dumps(hello()).encode()))[0] == 200
        there.slack.events_url = f"{there.url}/webhooks/slack/events"
        assert (await post(there, json.dumps(hello()).encode()))[0] == 404
    async with bench("http") as there:
        there.slack.events_url += "/default"
        assert (await post(there, json.dumps(hello()).encode()))[0] == 200


def test_the_signature_is_the_one_in_slacks_documentation() -> None:
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    secret = "8f742231b10e8888abcd99yyyzzz85a5"
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    expected = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert sign(secret, "1531420618", body) == expected
    assert verify(secret, "1531420618", body, expected, 1531420618.0) == ""


# ── fuzz ──

_team = Team()
_button = {"type": "button", "action_id": "a", "value": "v", "text": {"type": "plain_text", "text": "l"}}
_payloads: list[dict[str, Any]] = [
    hello(),
    event_callback(_team, 2, message_event(_team, "C1", "U1", "<@U0BOT> x", "1.1", "1.0"), 0),
    event_callback(
        _team,
        3,
        {
            "type": "message",
            "subtype": "message_changed",
            "channel": "D1",
            "channel_type": "im",
            "ts": "3.1",
            "message": message_event(_team, "D1", "U1", "b", "2.1") | {"edited": {"user": "U1", "ts": "3.0"}},
            "previous_message": message_event(_team, "D1", "U1", "a", "2.1"),
        },
        0,
    ),
    event_callback(
        _team,
        4,
        message_event(
            _team, "D1", "U1", "f", "4.1", files=[{"id": "F1", "mimetype": "image/png", "size": 1}]
        ),
        0,
    ),
    event_callback(
        _team, 5, {"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "messages"}, 0
    ),
    event_callback(
        _team,
        6,
        {
            "type": "assistant_thread_started",
            "assistant_thread": {"user_id": "U1", "channel_id": "D1", "thread_ts": "1.1"},
        },
        0,
    ),
    slash_command(_team, 7, "/help", "me", "C1", "U1", "https://hooks.slack.com/x"),
    block_actions(_team, 8, _button, {"ts": "1.1", "thread_ts": "1.0"}, "C1", "U1", "2.1", "https://x"),
    {"type": "view_submission", "team": {"id": "T1"}, "user": {"id": "U1"}, "view": {"team_id": "T1"}},
    {"type": "shortcut", "team": {"id": "T1"}, "user": {"id": "U1"}, "callback_id": "c"},
]

_leaves: list[Any] = [None, True, 0, -1, 2**70, 1.5, "", "x", "1.1", "U1", "D1", "message", "event_callback"]
_leaves += ["\x00", "\ud800", "T" * 300, "｜", "../..", "<@U0BOT>", [], {}, [{}], [1, "x"], {"id": 1}, [[]]]


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [at] * bool(at) + [path for key, item in items for path in _paths(item, (*at, key))]


def mutated(chance: random.Random) -> dict[str, Any]:
    """A real payload with up to three values replaced or removed."""
    number = chance.randrange(len(_payloads))
    payload: dict[str, Any] = copy.deepcopy(_payloads[number])
    for _ in range(chance.randint(1, 3)):
        path = chance.choice(_paths(payload) or [("type",)])
        holder: Any = payload
        for key in path[:-1]:
            holder = holder[key]
        if chance.random() < 0.4 and isinstance(holder, dict):
            holder.pop(path[-1], None)
        else:
            holder[path[-1]] = copy.deepcopy(chance.choice(_leaves))
    return payload


def _body(payload: dict[str, Any]) -> tuple[bytes, str]:
    if "command" in payload and all(isinstance(value, str) for value in payload.values()):
        encoded = {key: value.encode("utf-8", "replace") for key, value in payload.items()}
        return urlencode(encoded).encode(), "application/x-www-form-urlencoded"
    return json.dumps(payload).encode(), "application/json"


def test_no_signed_payload_is_ever_a_500() -> None:
    """One adapter and one loop for all cases: only the bodies differ."""
    loop = asyncio.new_event_loop()
    made = bench("http")
    there: Bench = loop.run_until_complete(made.__aenter__())
    webhook: Webhook = there.adapter._webhook
    outcomes: dict[int, int] = {}

    @settings(
        max_examples=FUZZ,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(st.integers(0, 2**64) | st.binary(max_size=40))
    def case(seed: int | bytes) -> None:
        request = (
            (seed, "application/json") if isinstance(seed, bytes) else _body(mutated(random.Random(seed)))
        )
        note(repr(request))
        response = loop.run_until_complete(webhook.handle(*request))
        assert response.status in (200, 400), response.status
        outcomes[response.status] = outcomes.get(response.status, 0) + 1

    try:
        case()
    finally:
        loop.run_until_complete(made.__aexit__(None, None, None))
        loop.close()
    # Neither all is taken nor all is turned away, or the cases would show nothing.
    assert min(outcomes[200], outcomes[400]) > FUZZ // 10


def test_malformed_is_what_a_wrong_shape_raises() -> None:
    from adapters.slack.fields import Fields

    fields = Fields({"a": 1, "b": "x|y", "c": "soon", "d": [1], "e": None})
    for read in (
        lambda: fields.text("a"),
        lambda: fields.id("b"),
        lambda: fields.ts("c"),
        lambda: fields.subs("d"),
        lambda: fields.sub("a"),
        lambda: fields.need_id("e"),
    ):
        with pytest.raises(Malformed):
            read()
