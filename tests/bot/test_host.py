"""What the host takes out of an event before it is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.bus import MemoryBus
from bot.config import Config, LiveConfig, Loaded
from bot.host import CounterHost
from bot.ids import utc_now
from bot.locales import say
from bot.metrics import Metrics
from bot.rails.base import Context
from bot.rails.normalise import clean, normalise
from bot.store import Outcome, Store
from bot.trust.keyring import FixedKeys
from bot.types import File, Image, InboundEvent, Location, Part, Sticker, Text
from inference.privacy.masker import TextMasker
from tests.make import event

CONFIG = Config()
LIMIT = CONFIG.limits.message_chars
CODE = "验证码482913"


class Intake:
    """A host over a real store, and what it stored."""

    def __init__(self, store: Store) -> None:
        self.store = store
        live = LiveConfig(Loaded(CONFIG, Path("teller.yaml"), "test"))
        self.host = CounterHost(store, MemoryBus(), live, Metrics(), utc_now, lambda: "id", TextMasker())

    async def stored(self, incoming: InboundEvent) -> InboundEvent:
        await self.host.accept(incoming, b"payload")
        [claim] = await self.store.claim(now=utc_now().timestamp(), lease_s=30, limit=1)
        return claim.event

    async def payloads(self) -> int:
        found = await self.store.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM raw_payloads"))
        return int(found.scalar_one())


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    store = await Store.open(f"sqlite:///{tmp_path}/t.db", keys=FixedKeys())
    yield Intake(store)
    await store.close()


async def test_an_ordinary_event_is_stored_as_it_came(intake: Intake) -> None:
    parts: tuple[Part, ...] = (File("r", name="对账单.pdf"), Location(1.0, 2.0, "总行"), Sticker("s"))
    incoming = event("卡丢了", parts=parts, kind="button", value="say:卡丢了")
    assert await intake.stored(incoming) == incoming
    assert await intake.payloads() == 1


@pytest.mark.parametrize(
    "incoming",
    [
        event("", kind="button", value=f"say:我的{CODE}"),
        event("看图", parts=(Image("r", name=f"{CODE}.jpg"),)),
        event("看文件", parts=(File("r", name=f"{CODE}.pdf"),)),
        event("在这里", parts=(Location(1.0, 2.0, CODE),)),
    ],
)
async def test_a_code_is_taken_out_wherever_it_stands(intake: Intake, incoming: InboundEvent) -> None:
    found = await intake.stored(incoming)
    assert "482913" not in repr(found)
    assert found.hidden == ("OTP",)
    assert found.value[:4] == incoming.value[:4]
    assert await intake.payloads() == 0


async def test_a_button_that_isn_t_a_saying_keeps_its_value(intake: Intake) -> None:
    incoming = event("", kind="button", value="confirm:48291337:yes")
    assert (await intake.stored(incoming)).value == incoming.value


async def test_of_a_very_long_text_what_is_read_is_kept_and_the_rest_dropped(intake: Intake) -> None:
    text = "ﷺ长　" * 100_000 + CODE
    found = await intake.stored(event(text))
    assert len(found.text) == 3 * LIMIT
    assert found.dropped == len(text) - 3 * LIMIT
    assert await intake.payloads() == 0
    # The turn reads the same as without: so many characters, and is told the whole length.
    [told, before] = [await read(one) for one in (found, event(text))]
    assert told == before
    assert told.text == clean(text[: 2 * LIMIT])[:LIMIT]
    assert told.unread == say("too_long", "zh", length=len(text), limit=LIMIT)


async def read(incoming: InboundEvent) -> Context:
    found: list[Context] = []

    async def last(_: InboundEvent, context: Context) -> Outcome:
        found.append(context)
        return Outcome()

    await normalise(last, incoming, Context(CONFIG))
    return found[0]


async def test_a_code_across_the_edge_doesn_t_stay_in_half(intake: Intake) -> None:
    found = await intake.stored(event("长" * (3 * LIMIT - 6) + CODE + "长" * 900))
    assert "482" not in found.text
    assert found.hidden == ("OTP",)


async def test_many_long_texts_count_together(intake: Intake) -> None:
    parts = tuple(Text("长" * 2 * LIMIT) for _ in range(50))
    found = await intake.stored(event("头", parts=parts))
    assert len(found.text) <= 3 * LIMIT + 9
    assert found.dropped == 1 + 100 * LIMIT - sum(
        len(part.text) for part in found.parts if isinstance(part, Text)
    )
    assert len(found.parts) == 3


async def test_the_words_of_a_button_are_cut_too(intake: Intake) -> None:
    found = await intake.stored(event("", kind="button", value="say:" + "长" * 20 * LIMIT))
    assert len(found.value) == 3 * LIMIT + 4
    assert (await read(found)).unread == say("too_long", "zh", length=20 * LIMIT, limit=LIMIT)
