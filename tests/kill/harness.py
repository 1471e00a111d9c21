"""Customers, a recorder and a killer around real `teller run` processes.

Customers post signed messages one after the other, each again and again until it is accepted. The
recorder is the platform on the other side: it notes each delivery. The killer ends processes with
SIGKILL at random moments and starts them again.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from adapters.http.signature import sign
from tests.conftest import free_port
from tests.counter import SECRET, write_config

QUESTIONS = ("怎么开户", "卡丢了怎么办", "how do I open an account", "hello", "今天天气", "是", "转账要多久")


@dataclass
class Recorder:
    """The far side of the HTTP platform."""

    deliveries: list[tuple[str, str]] = field(default_factory=list)
    """(chat, id of the message it answers), as they came."""
    counts: Counter[str] = field(default_factory=Counter)
    """Deliveries by idempotency key."""
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    port: int = 0

    async def start(self) -> web.AppRunner:
        application = web.Application()
        application.router.add_post("/deliver", self._deliver)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _deliver(self, request: web.Request) -> web.Response:
        message = msgspec.json.decode(await request.read())
        self.deliveries.append((message["chat"], message["in_reply_to"]))
        self.counts[message["id"]] += 1
        # A platform takes a moment to say yes: time to be killed between "sent" and "marked".
        await asyncio.sleep(self.rng.uniform(0, 0.02))
        return web.json_response({"ok": True})


@dataclass
class Customers:
    """Many chats that write at once, each in strict order."""

    url: str
    chats: int = 16
    accepted: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    stop: bool = False

    async def run(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            await asyncio.gather(*(self._customer(session, f"chat{n}") for n in range(self.chats)))

    async def _customer(self, session: aiohttp.ClientSession, chat: str) -> None:
        rng, number = random.Random(chat), 0
        while not self.stop:
            number += 1
            id = f"{chat}-{number:05d}"
            body = msgspec.json.encode(
                {"id": id, "chat": chat, "sender": chat, "text": rng.choice(QUESTIONS)}
            )
            # Even when told to stop, a message that may be half accepted is seen through.
            while not await self._post(session, body):  # noqa: ASYNC110 (it polls a server)
                await asyncio.sleep(rng.uniform(0.02, 0.1))
            self.accepted[chat].append(id)
            # A redelivery of something accepted, as platforms do.
            if rng.random() < 0.1:
                await self._post(session, body)
            await asyncio.sleep(rng.uniform(0, 0.1))

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        stamp = str(int(time.time()))
        headers = {
            "X-Teller-Timestamp": stamp,
            "X-Teller-Signature": sign(SECRET.encode(), stamp, body),
        }
        try:
            async with session.post(self.url, data=body, headers=headers) as response:
                await response.read()
                assert response.status in (200, 503), response.status
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


@dataclass
class Teller:
    """One `teller run` process that is started again after each kill."""

    config: Path
    roles: str
    port: int
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", "--config", str(self.config),
                "--roles", self.roles, "--port", str(self.port),
                stdout=log, stderr=log,
            )  # fmt: skip

    async def ready(self, patience: float = 60.0) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.returncode is None, self.log.read_text()[-3000:]
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"http://127.0.0.1:{self.port}/healthz") as response,
                ):
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)
        raise AssertionError("not ready: " + self.log.read_text()[-3000:])

    async def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def terminate(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return await self.process.wait()


__all__ = ["Customers", "Recorder", "Teller", "free_port", "write_config"]
