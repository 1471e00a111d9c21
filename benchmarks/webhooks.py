"""How fast webhooks are acknowledged while the model writes, beside the platforms' own servers.

    python -m benchmarks.webhooks [--rate 200] [--seconds 20]

The same signed events arrive at an even rate, whether or not earlier ones have been answered (an open
loop, so waiting is counted): Slack, Telegram and WeCom events at Teller, which stores each durably
before it acknowledges and answers it; Slack events at slack-bolt's own aiohttp server and Telegram
updates at python-telegram-bot's own webhook server, each with a handler that does nothing and keeps
nothing. Beside each server the real worker writes for 8 conversations without a pause. Prints one JSON
object of milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from adapters.wecom.crypto import Crypto
from benchmarks.counter import quantile

SECRET, TOKEN = "a signing secret for the benchmark", "123456:benchmark"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CORP, AGENT = "wwbenchmark", 1000002
QUESTIONS = ("信用卡丢了怎么办", "房贷怎么提前还", "how long does a transfer take", "转账限额是多少")
BURNING = 8

Event = tuple[str, bytes, dict[str, str]]
"""Path with query, body, headers."""


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ── the events ──


def slack_event(number: int) -> Event:
    event = {
        "type": "message", "channel_type": "im", "channel": f"D{number % 50:05d}", "user": f"U{number % 50:05d}",
        "text": QUESTIONS[number % len(QUESTIONS)], "ts": f"{time.time():.6f}", "team": "T0001",
        "client_msg_id": f"m{number}",
    }  # fmt: skip
    body = json.dumps(
        {"type": "event_callback", "token": "x", "team_id": "T0001", "api_app_id": "A0001",
         "event_id": f"Ev{number}-{os.getpid()}", "event_time": int(time.time()), "event": event,
         "authorizations": [{"team_id": "T0001", "user_id": "U0BOT", "is_bot": True}]}
    ).encode()  # fmt: skip
    stamp = str(int(time.time()))
    digest = hmac.new(SECRET.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json", "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }  # fmt: skip
    return "/webhooks/slack/events", body, headers


def telegram_event(number: int) -> Event:
    who = {"id": 1000 + number % 50, "is_bot": False, "first_name": "A", "language_code": "zh-hans"}
    update = {
        "update_id": 10_000_000 + number,
        "message": {"message_id": number + 1, "date": int(time.time()), "from": who,
                    "chat": {"id": who["id"], "type": "private", "first_name": "A"},
                    "text": QUESTIONS[number % len(QUESTIONS)]},
    }  # fmt: skip
    headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": "benchmark-secret"}
    return "/webhooks/telegram", json.dumps(update).encode(), headers


def wecom_event(number: int) -> Event:
    xml = (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><FromUserName><![CDATA[u{number % 50}]]></FromUserName>"
        f"<CreateTime>{int(time.time())}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        f"<Content><![CDATA[{QUESTIONS[number % len(QUESTIONS)]}]]></Content><MsgId>{number + 1}</MsgId>"
        f"<AgentID>{AGENT}</AgentID></xml>"
    )
    crypto = Crypto("benchmark", AES_KEY, CORP, clock=time.time)
    sealed = crypto.seal(xml.encode(), "nonce", str(int(time.time())))
    query = f"msg_signature={sealed.signature}&timestamp={sealed.timestamp}&nonce={sealed.nonce}"
    body = (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><AgentID><![CDATA[{AGENT}]]></AgentID>"
        f"<Encrypt><![CDATA[{sealed.encrypt}]]></Encrypt></xml>"
    )
    return f"/webhooks/wecom/app?{query}", body.encode(), {"Content-Type": "text/xml"}


async def fire(
    base: str, make: Callable[[int], Event], *, rate: int, seconds: int, first: int
) -> dict[str, Any]:
    """Send events on schedule; what the acknowledgements took, from the scheduled moment."""
    times: list[float] = []
    wrong: list[int] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(base, connector=connector) as session:

        async def one(number: int, due: float) -> None:
            path, body, headers = make(number)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due = max(due, time.perf_counter() - 0.001)  # not the client's own lateness
            async with session.post(path, data=body, headers=headers) as response:
                await response.read()
                if response.status != 200:
                    wrong.append(response.status)
            times.append((time.perf_counter() - due) * 1000)

        for number in range(20):  # connections and caches, uncounted
            await one(first + number, time.perf_counter())
        times.clear()
        started, tasks = time.perf_counter() + 0.2, []
        for number in range(rate * seconds):
            due = started + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter() - 0.05))
            tasks.append(asyncio.create_task(one(first + 20 + number, due)))
        await asyncio.gather(*tasks)
    return {
        "p50": quantile(times, 0.5), "p95": quantile(times, 0.95), "p99": quantile(times, 0.99),
        "worst": quantile(times, 1.0), "n": len(times), "not_200": len(wrong),
    }  # fmt: skip


# ── the servers, each a process of its own ──


async def sink(port: int) -> None:
    """Answers every platform's calls with success."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        method = request.path.rsplit("/", 1)[-1]
        bot = {"id": 1, "is_bot": True, "first_name": "b", "username": "bench_bot"}
        sent = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}, "text": "x"}
        result: Any = {"getMe": bot, "sendMessage": sent, "getMyCommands": [], "getWebhookInfo": {
            "url": "", "has_custom_certificate": False, "pending_update_count": 0}}.get(method, True)  # fmt: skip
        return web.json_response(
            {"ok": True, "result": result, "errcode": 0, "errmsg": "ok", "access_token": "t", "expires_in": 7200,
             "msgid": "m", "user_id": "U0BOT", "bot_id": "B0", "team_id": "T0001", "team": "t", "user": "b",
             "url": "https://t.slack.com/", "ts": "1.1", "channel": "D1", "stream_ts": "1.1"}
        )  # fmt: skip

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def bolt(port: int) -> None:
    from slack_bolt.async_app import AsyncApp
    from slack_bolt.authorization import AuthorizeResult

    async def authorize(**_: Any) -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None,
            team_id="T0001",
            bot_token="xoxb-1",  # noqa: S106
            bot_id="B0",
            bot_user_id="U0BOT",
        )

    app = AsyncApp(signing_secret=SECRET, authorize=authorize)

    @app.event("message")
    async def handle(event: dict[str, Any]) -> None:
        del event

    runner = web.AppRunner(app.web_app("/webhooks/slack/events"), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def ptb(port: int, far: int) -> None:
    from telegram.ext import Application, MessageHandler, filters

    async def handle(*_: Any) -> None:
        pass

    base = f"http://127.0.0.1:{far}/bot"
    application = Application.builder().token(TOKEN).base_url(base).build()
    application.add_handler(MessageHandler(filters.TEXT, handle))
    async with application:
        await application.start()
        assert application.updater is not None
        await application.updater.start_webhook(
            "127.0.0.1", port, url_path="/webhooks/telegram", secret_token="benchmark-secret",  # noqa: S106
            webhook_url=f"http://127.0.0.1:{port}/webhooks/telegram",
        )  # fmt: skip
        await asyncio.Event().wait()


async def burn() -> None:
    """The real worker, writing for some conversations without a pause."""
    from benchmarks.generation import requests
    from inference.client import WorkerSupervisor
    from inference.generator.options import EngineOptions, WorkerOptions

    worker = WorkerSupervisor(
        WorkerOptions(model="gemma3-270m", cache="data/cache/models", dtype="bfloat16", threads=0,
                      engine=EngineOptions(rows=16, queue=64))
    )  # fmt: skip
    worker.start()
    await worker.wait_ready(120)
    sys.stdout.write("ready\n")
    sys.stdout.flush()

    async def talk() -> None:
        while True:
            for request in requests(1, 128):
                async for _ in worker.generate(request):
                    pass

    await asyncio.gather(*(talk() for _ in range(BURNING)))


def teller_config(folder: Path, port: int, far: int) -> Path:
    base = f"http://127.0.0.1:{far}"
    config = {
        "server": {"port": port, "public_url": f"http://127.0.0.1:{port}"},
        "store": {"url": f"sqlite:///{folder}/store.db"},
        "data_dir": str(Path("data").resolve()),
        "knowledge": {"path": str(Path("config/knowledge").resolve())},
        "inference": {"enabled": False},
        "log": {"level": "error"},
        "limits": {"queue": 1_000_000, "enabled": False},
        "risk": {"path": str(Path("config/rules").resolve())},
        "suitability": {"enabled": False},
        "platforms": {
            "web": {"enabled": False},
            "slack": {"enabled": True, "base_url": f"{base}/api/", "apps": [
                {"signing_secret": SECRET, "workspaces": [{"team_id": "T0001", "bot_token": "xoxb-1"}]}]},
            "telegram": {"enabled": True, "base_url": base, "bots": [
                {"token": TOKEN, "receive": "webhook", "webhook_secret": "benchmark-secret"}]},
            "wecom": {"enabled": True, "corp_id": CORP, "api_base": base, "apps": [
                {"agent_id": AGENT, "secret": "s", "token": "benchmark", "encoding_aes_key": AES_KEY}]},
        },
    }  # fmt: skip
    path = folder / "teller.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True))
    return path


@asynccontextmanager
async def process(*arguments: str, ready: str = "") -> AsyncIterator[None]:
    """A child, from when it is ready (a line it prints, or a URL that answers) until it is told to end."""
    child = subprocess.Popen(  # noqa: ASYNC220 (once, before anything is measured)
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE if ready == "line" else None,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )  # fmt: skip
    try:
        if child.stdout is not None:
            await asyncio.to_thread(child.stdout.readline)
        while ready.startswith("http"):
            try:
                async with aiohttp.ClientSession() as session, session.get(ready) as response:
                    await response.read()
                    break
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
        yield
    finally:
        child.send_signal(signal.SIGINT)
        try:
            await asyncio.to_thread(child.wait, 30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


async def measure(rate: int, seconds: int) -> dict[str, Any]:
    me, far = "benchmarks.webhooks", free_port()
    report: dict[str, Any] = {"rate": rate, "seconds": seconds}
    with tempfile.TemporaryDirectory() as folder:
        sinking = process(me, "--serve", "sink", "--port", str(far), ready=f"http://127.0.0.1:{far}/")
        async with sinking, process(me, "--serve", "burn", ready="line"):
            port = free_port()
            path, base = str(teller_config(Path(folder), port, far)), f"http://127.0.0.1:{port}"
            async with process("bot", "run", "--config", path, ready=f"{base}/readyz"):
                for at, (name, make) in enumerate(
                    (("slack", slack_event), ("telegram", telegram_event), ("wecom", wecom_event))
                ):
                    first = at * 1_000_000
                    report[f"teller_{name}"] = await fire(base, make, rate=rate, seconds=seconds, first=first)
            for name, make in (("bolt", slack_event), ("ptb", telegram_event)):
                port = free_port()
                base = f"http://127.0.0.1:{port}"
                serve = ("--serve", name, "--port", str(port), "--far", str(far))
                async with process(me, *serve, ready=base):
                    report[name] = await fire(base, make, rate=rate, seconds=seconds, first=0)
    report["p99_ratio"] = {
        "slack_to_bolt": round(report["teller_slack"]["p99"] / report["bolt"]["p99"], 2),
        "telegram_to_ptb": round(report["teller_telegram"]["p99"] / report["ptb"]["p99"], 2),
    }
    return report


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rate", type=int, default=200)
    options.add_argument("--seconds", type=int, default=20)
    options.add_argument("--serve", choices=("sink", "bolt", "ptb", "burn"))
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--far", type=int, default=0)
    given = options.parse_args()
    servers = {
        "sink": lambda: sink(given.port), "bolt": lambda: bolt(given.port),
        "ptb": lambda: ptb(given.port, given.far), "burn": burn,
    }  # fmt: skip
    try:
        if given.serve:
            asyncio.run(servers[given.serve]())
        else:
            sys.stdout.write(json.dumps(asyncio.run(measure(given.rate, given.seconds))) + "\n")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
