"""Durable messages a second, intake → turn → send, beside NoneBot2 dispatching the same without a store.

Both answer each message with one echo over an in-memory platform. Teller commits every message to
SQLite (WAL, synchronous=FULL) before it is acknowledged, keeps order per conversation and records each
send; NoneBot2 keeps nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters.fake import FakePlatform
from bot.bus import MemoryBus
from bot.config import Config, LiveConfig, Loaded
from bot.host import CounterHost
from bot.ids import new_id, utc_now
from bot.metrics import Metrics
from bot.rails.base import Context, reply
from bot.sender import Sender
from bot.store import Outcome, Store
from bot.turns import Turns
from bot.types import InboundEvent, Text
from inference.privacy.masker import TextMasker

CHATS = 50


async def echo(event: InboundEvent, _context: Context) -> Outcome:
    return Outcome(messages=(reply(event, "zh", Text(f"re: {event.text}")),), seen=event.text)


async def teller(messages: int) -> float:
    """Messages a second from the first intake to the last send marked."""
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(f"sqlite:///{folder}/store.db")
        live = LiveConfig(Loaded(Config(), Path("teller.yaml"), "bench"))
        bus, metrics, platform = MemoryBus(), Metrics(), FakePlatform()
        await platform.start(CounterHost(store, bus, live, metrics, utc_now, new_id, TextMasker()))
        turns = Turns(store, bus, live, echo, metrics, utc_now, masker=TextMasker())
        sender = Sender(store, bus, {(platform.name, platform.account): platform}, metrics, utc_now)
        tasks = [asyncio.create_task(turns.run()), asyncio.create_task(sender.run())]
        started = time.perf_counter()

        async def customer(number: int) -> None:
            for at in range(messages // CHATS):
                await platform.say("hello", chat=f"c{number}", id=f"{number}-{at}")

        await asyncio.gather(*(customer(number) for number in range(CHATS)))
        for _ in range(messages // CHATS * CHATS):
            await platform.reply(patience=120)
        while (await store.depths()).outbox:
            await asyncio.sleep(0.005)
        seconds = time.perf_counter() - started
        await turns.stop(1)
        await sender.stop(1)
        await asyncio.gather(*tasks)
        await store.close()
        return messages / seconds


async def nonebot_rate(messages: int) -> float:
    """The same messages through NoneBot2's dispatcher: one matcher that echoes."""
    import nonebot
    from nonebot.adapters import Adapter, Bot, Event, Message, MessageSegment
    from nonebot.message import handle_event

    class Segment(MessageSegment["Words"]):
        @classmethod
        def get_message_class(cls) -> type[Words]:
            return Words

        def __str__(self) -> str:
            return str(self.data["text"])

        def is_text(self) -> bool:
            return True

    class Words(Message[Segment]):
        @classmethod
        def get_segment_class(cls) -> type[Segment]:
            return Segment

        @staticmethod
        def _construct(msg: str) -> Any:
            yield Segment("text", {"text": msg})

    class Said(Event):
        chat: str
        text: str

        def get_type(self) -> str:
            return "message"

        def get_event_name(self) -> str:
            return "message"

        def get_event_description(self) -> str:
            return "said"

        def get_user_id(self) -> str:
            return self.chat

        def get_session_id(self) -> str:
            return self.chat

        def get_message(self) -> Words:
            return Words(self.text)

        def is_tome(self) -> bool:
            return True

    class Wire(Adapter):
        @classmethod
        def get_name(cls) -> str:
            return "bench"

        async def _call_api(self, bot: Bot, api: str, **data: Any) -> Any:
            return None

    sent: list[str] = []

    class Mouth(Bot):
        async def send(self, event: Event, message: Any, **kwargs: Any) -> Any:
            sent.append(str(message))

    nonebot.init(driver="~none", log_level="ERROR")
    matcher = nonebot.on_message()

    @matcher.handle()
    async def _(event: Event) -> None:
        await matcher.finish(f"re: {event.get_plaintext()}")

    mouth = Mouth(Wire(nonebot.get_driver()), "bench")
    started = time.perf_counter()
    # As many at once as Teller's conversations: one by one within each.

    async def customer(number: int) -> None:
        for _ in range(messages // CHATS):
            await handle_event(mouth, Said(chat=f"c{number}", text="hello"))

    await asyncio.gather(*(customer(number) for number in range(CHATS)))
    assert len(sent) == messages // CHATS * CHATS, len(sent)
    return messages / (time.perf_counter() - started)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=3000)
    options = parser.parse_args(arguments)
    logging_off()
    durable = asyncio.run(teller(options.messages))
    plain = asyncio.run(nonebot_rate(options.messages))
    report = {
        "teller_durable_per_s": round(durable, 1),
        "nonebot2_without_store_per_s": round(plain, 1),
        "teller_to_nonebot2": round(durable / plain, 3),
    }
    sys.stdout.write(json.dumps(report) + "\n")


def logging_off() -> None:
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))


if __name__ == "__main__":
    main()
