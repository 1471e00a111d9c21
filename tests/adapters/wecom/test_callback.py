"""What is let through WeCom's callbacks, and what each refusal answers with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.base import Adapter
from adapters.wecom.aibot import WeComAibot, aibot
from adapters.wecom.app import WeComApp, WeComAppAdapter
from adapters.wecom.callback import (
    CallbackRefused,
    answer_url_check,
    check_callback,
    check_url,
    open_json,
    open_xml,
    seal_json,
)
from adapters.wecom.crypto import Crypto
from adapters.wecom.kf import KfAdapter, WeComKf

FUZZ = 10_000
VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text("utf-8"))
VALID: dict[str, dict[str, str]] = {vector["id"]: vector for vector in VECTORS["valid"]}
NOW = 1_790_000_000.0
CRYPTO = Crypto("tok", VALID["tencent-json-go"]["encoding_aes_key"], "", clock=lambda: NOW)


def at_its_time(vector: dict[str, str]) -> Crypto:
    return Crypto(
        vector["token"],
        vector["encoding_aes_key"],
        vector["receive_id"],
        clock=lambda: float(vector["timestamp"]),
    )


def query(vector: dict[str, str]) -> dict[str, str]:
    return {
        "msg_signature": vector["signature"],
        "timestamp": vector["timestamp"],
        "nonce": vector["nonce"],
    }


def signed(plain: bytes, crypto: Crypto = CRYPTO, **changes: str) -> tuple[dict[str, str], bytes]:
    sealed = crypto.seal(plain, "n", changes.get("timestamp"))
    asked = {"msg_signature": sealed.signature, "timestamp": sealed.timestamp, "nonce": sealed.nonce}
    return asked, json.dumps({"encrypt": sealed.encrypt}).encode()


def test_an_address_check_is_answered_with_the_bare_plain_text() -> None:
    vector = VALID["tencent-verifyurl-2014"]
    asked = query(vector) | {"echostr": vector["cipher"]}
    assert check_url(at_its_time(vector), asked) == vector["plain"].encode()
    spaced = query(vector) | {"echostr": vector["cipher"].replace("+", " ")}
    assert check_url(at_its_time(vector), spaced) == vector["plain"].encode()


def test_the_xml_of_an_app_is_opened() -> None:
    vector = VALID["tencent-xml-msg-2014"]
    body = f"<xml><ToUserName>x</ToUserName><Encrypt><![CDATA[{vector['cipher']}]]></Encrypt></xml>"
    assert open_xml(at_its_time(vector), query(vector), body.encode()).decode() == vector["plain"]


def test_the_json_of_a_bot_is_opened_and_the_reply_reads_back() -> None:
    vector = VALID["tencent-json-go"]
    crypto = at_its_time(vector)
    body = json.dumps({"tousername": "x", "encrypt": vector["cipher"], "agentid": "218"}).encode()
    assert open_json(crypto, query(vector), body).decode() == vector["plain"]
    reply = json.loads(seal_json(crypto, b'{"msgtype":"stream"}', vector["nonce"]))
    assert set(reply) == {"encrypt", "msgsignature", "timestamp", "nonce"}
    assert reply["nonce"] == vector["nonce"]
    crypto.verify(reply["msgsignature"], str(reply["timestamp"]), reply["nonce"], reply["encrypt"])
    assert crypto.decrypt(reply["encrypt"]) == b'{"msgtype":"stream"}'


@pytest.mark.parametrize("away", [-299, 0, 299])
def test_a_callback_is_valid_for_five_minutes_either_way(away: int) -> None:
    asked, body = signed(b"{}", timestamp=str(int(NOW) + away))
    assert open_json(CRYPTO, asked, body) == b"{}"


@pytest.mark.parametrize("away", [-301, 301])
def test_a_captured_callback_is_stale_after_that(away: int) -> None:
    asked, body = signed(b"{}", timestamp=str(int(NOW) + away))
    with pytest.raises(CallbackRefused) as caught:
        open_json(CRYPTO, asked, body)
    assert (caught.value.reason, caught.value.status) == ("stale", 401)


def _unsigned() -> tuple[dict[str, str], bytes]:
    asked, body = signed(b"{}")
    return {"timestamp": asked["timestamp"], "nonce": asked["nonce"]}, body


def _of_another_corporation() -> tuple[dict[str, str], bytes]:
    other = Crypto("tok", VALID["tencent-json-go"]["encoding_aes_key"], "wwOther", clock=lambda: NOW)
    return signed(b"{}", other)


def _with_timestamp(timestamp: str) -> tuple[dict[str, str], bytes]:
    return signed(b"{}", timestamp=timestamp)


def _signed_rubbish(cipher: str) -> tuple[dict[str, str], bytes]:
    """What makes real libraries answer 500: the token is right, the cipher is none."""
    stamp = str(int(NOW))
    asked = {"msg_signature": CRYPTO.sign(stamp, "n", cipher), "timestamp": stamp, "nonce": "n"}
    return asked, json.dumps({"encrypt": cipher}).encode()


@pytest.mark.parametrize(
    ("made", "reason", "status"),
    [
        (_unsigned(), "bad_signature", 401),
        (_of_another_corporation(), "wrong_receiver", 403),
        (_with_timestamp("soon"), "malformed", 400),
        (_with_timestamp("-1"), "malformed", 400),
        (_with_timestamp("1" * 40), "malformed", 400),
        (_signed_rubbish("A" * 43 + "="), "malformed", 400),
        (_signed_rubbish("not base64!"), "malformed", 400),
        (_signed_rubbish(""), "malformed", 400),
        (({}, b"[1]"), "malformed", 400),
        (({}, b"\xff"), "malformed", 400),
        (({}, b'{"encrypt": 7}'), "malformed", 400),
        (({}, b"[" * 100_000), "malformed", 400),
    ],
)
def test_refusals(made: tuple[dict[str, str], bytes], reason: str, status: int) -> None:
    with pytest.raises(CallbackRefused) as caught:
        open_json(CRYPTO, *made)
    assert (caught.value.reason, caught.value.status) == (reason, status)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<xml>",
        b"<xml></xml><xml/>",
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e "boom">]><xml><Encrypt>&e;</Encrypt></xml>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml><Encrypt>a</Encrypt></xml>',
        b'<?xml version="1.0" encoding="nonsense"?><xml><Encrypt>a</Encrypt></xml>',
        b"\x00\x01\x02",
    ],
)
def test_xml_that_is_none_or_declares_entities_is_refused_before_anything_else(body: bytes) -> None:
    with pytest.raises(CallbackRefused) as caught:
        open_xml(CRYPTO, {}, body)
    assert caught.value.status in (400, 401)


NAMES = ("msg_signature", "timestamp", "nonce", "echostr")
SHELLS = (b"%s", b"<xml>%s</xml>", b"<xml><Encrypt>%s</Encrypt></xml>", b'{"encrypt": "%s"}')


@given(st.binary(max_size=40), st.binary(max_size=120), st.sampled_from(SHELLS))
@settings(max_examples=FUZZ, deadline=None)
def test_whatever_comes_is_refused_with_a_status_and_never_crashes(
    values: bytes, inside: bytes, shell: bytes
) -> None:
    asked = dict(zip(NAMES, values.decode("utf-16", "replace").split("0"), strict=False))
    body = shell % inside
    opened = open_json if shell.startswith(b"{") else open_xml
    with pytest.raises(CallbackRefused) as caught:
        opened(CRYPTO, asked, body)
    assert caught.value.status in (400, 401, 403)
    with pytest.raises(CallbackRefused):
        check_url(CRYPTO, asked)


async def _serve(handler: Any) -> TestServer:
    app = web.Application()
    app.router.add_get("/webhooks/x", handler)
    server = TestServer(app)
    await server.start_server()
    return server


async def test_our_own_callback_address_is_checked_as_wecom_would() -> None:
    crypto = Crypto("tok", VALID["tencent-json-go"]["encoding_aes_key"], "")

    async def right(request: web.Request) -> web.Response:
        return answer_url_check(crypto, request)

    async def quoted(request: web.Request) -> web.Response:
        return web.json_response(answer_url_check(crypto, request).text)

    async def other_token(request: web.Request) -> web.Response:
        try:
            return answer_url_check(
                Crypto("other", VALID["tencent-json-go"]["encoding_aes_key"], ""), request
            )
        except CallbackRefused as refused:
            return web.Response(status=refused.status)

    async def missing(request: web.Request) -> web.Response:
        return web.Response(status=404)

    for handler, ok, told in (
        (right, True, "answers"),
        (quoted, False, "bare plain text"),
        (other_token, False, "another token"),
        (missing, False, "404"),
    ):
        server = await _serve(handler)
        [finding] = await check_callback(str(server.make_url("/webhooks/x")), crypto)
        await server.close()
        assert finding.ok is ok
        assert told in finding.detail
    [finding] = await check_callback("http://127.0.0.1:9/webhooks/x", crypto)
    assert not finding.ok
    assert "public_url" in finding.detail


def test_the_query_of_the_address_check_is_percent_encoded() -> None:
    sealed = CRYPTO.seal(b"1", "n")
    assert parse_qs("echostr=" + sealed.encrypt.replace("+", "%2B"))["echostr"] == [sealed.encrypt]


@pytest.mark.parametrize(
    "make",
    [
        lambda key: WeComAppAdapter(WeComApp("ww1", 1, "s", "t", key, account="cards")),
        lambda key: KfAdapter(WeComKf("ww1", "s", "t", key, account="cards")),
        lambda key: aibot(WeComAibot(account="cards", token="t", encoding_aes_key=key)),
    ],
)
def test_a_wrong_key_is_refused_with_the_accounts_name_and_without_the_key(
    make: Callable[[str], Adapter],
) -> None:
    with pytest.raises(ValueError, match=r"'cards': encoding_aes_key is wrong: .*43") as raised:
        make("tooshort")
    assert "tooshort" not in str(raised.value)
