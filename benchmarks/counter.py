"""The counter as a customer feels it: real processes, the shipped knowledge and the real model.

Start to first answer; latency of quoted answers; first streamed text of written ones, alone; and how
late the parent's event loop runs while the model writes for several conversations.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path

import structlog

from adapters.fake import FakePlatform
from bot.app import App, Rooms
from bot.config import LiveConfig, load

QUESTIONS = (
    "信用卡丢了怎么办", "借记卡密码忘了", "房贷怎么提前还", "定期存款提前取", "转错账了怎么办", "个人一年能换多少美元",
    "手机银行登录密码忘了", "怎么投诉", "周末网点开门吗", "理财多久到账", "how do I open an account",
    "my card was stolen abroad", "what are the fixed deposit rates", "how long does a transfer take",
)  # fmt: skip


def quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(q * len(ordered)))], 1)


def summary(values: list[float]) -> dict[str, float]:
    return {"p50": quantile(values, 0.5), "p95": quantile(values, 0.95), "n": len(values)}


def settings(folder: str, generate: str) -> LiveConfig:
    live = LiveConfig(load(Path("config/teller.yaml")))
    config = live.config.model_copy(
        update={
            "store": live.config.store.model_copy(update={"url": f"sqlite:///{folder}/store.db"}),
            "server": live.config.server.model_copy(update={"port": 0}),
            "answers": live.config.answers.model_copy(update={"generate": generate}),
            # One customer asks everything here, faster than anybody would.
            "limits": live.config.limits.model_copy(update={"enabled": False}),
        }
    )
    return LiveConfig(dataclasses.replace(live.current, config=config))


async def ask(platform: FakePlatform, question: str, chat: str) -> tuple[float, float | None]:
    """(milliseconds to the reply, milliseconds to the first draft or None)."""
    drafts, started = len(platform.drafts), time.perf_counter()
    await platform.say(question, chat=chat)
    reply = asyncio.create_task(platform.reply(patience=60))
    first: float | None = None
    while not reply.done():
        if first is None and len(platform.drafts) > drafts:
            first = (time.perf_counter() - started) * 1000
        await asyncio.sleep(0.002)
    await reply
    return (time.perf_counter() - started) * 1000, first


async def loop_lateness(stop: asyncio.Event) -> list[float]:
    """Milliseconds that a 5 ms sleep came late, sampled until `stop`."""
    late: list[float] = []
    while not stop.is_set():
        started = time.perf_counter()
        await asyncio.sleep(0.005)
        late.append((time.perf_counter() - started - 0.005) * 1000)
    return late


async def measure() -> dict[str, object]:
    report: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        platform, started = FakePlatform(), time.perf_counter()
        app = App(settings(folder, "always"), rooms=Rooms(adapters=[platform]))
        async with app.running():
            await ask(platform, QUESTIONS[0], "first")
            report["start_to_first_answer_s"] = round(time.perf_counter() - started, 2)
            while app.health.generator is None or not app.health.generator.ready:
                await asyncio.sleep(0.05)
            report["start_to_model_ready_s"] = round(time.perf_counter() - started, 2)
            first = [f for i, q in enumerate(QUESTIONS) for f in [(await ask(platform, q, f"w{i}"))[1]] if f]
            report["first_streamed_text_ms"] = summary(first)
            stop = asyncio.Event()
            lateness = asyncio.create_task(loop_lateness(stop))
            for _ in range(2):
                await asyncio.gather(*(platform.say(q, chat=f"l{i}") for i, q in enumerate(QUESTIONS)))
                for _ in QUESTIONS:
                    await platform.reply(patience=90)
            stop.set()
            late = await lateness
            report["loop_late_while_generating_ms"] = {
                "p50": quantile(late, 0.5), "p99": quantile(late, 0.99), "n": len(late),
            }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        platform = FakePlatform()
        async with App(settings(folder, "never"), rooms=Rooms(adapters=[platform])).running() as app:
            while app.health.generator is None or not app.health.generator.ready:
                await asyncio.sleep(0.05)
            times = [
                (await ask(platform, q, f"{i}-{n}"))[0] for n in range(5) for i, q in enumerate(QUESTIONS)
            ]
            report["quoted_answer_ms"] = summary(times)
    return report


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    sys.stdout.write(json.dumps(asyncio.run(measure())) + "\n")


if __name__ == "__main__":
    main()
