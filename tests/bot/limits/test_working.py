"""Limits and load in turns over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.fake import FakePlatform
from bot.config import LiveConfig, Loaded, load
from bot.config.limits import LoadSettings
from bot.errors import ConfigError, StoreBusy
from bot.health import Health
from bot.limits.load import Load
from bot.limits.meter import Meter
from bot.rails.base import Context, Handler, chain, reply
from bot.rails.limits import gate, meter
from bot.rails.normalise import normalise
from bot.sender import Sender
from bot.store import Outcome, Store
from bot.turns import Turns
from bot.types import InboundEvent, Text
from inference.privacy.masker import TextMasker
from tests.bot.limits.making import config, said
from tests.bot.limits.test_meter import different
from tests.bot.test_turns_and_sender import Bench
from tests.conftest import eventually

TIGHT = config(sender={"per_minute": 1, "burst": 2})


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await Store.open(f"sqlite:///{tmp_path}/store.db")
    bench = Bench(store, FakePlatform())
    bench.live = LiveConfig(Loaded(TIGHT, tmp_path / "teller.yaml", "test"))
    yield bench
    await store.close()


def handler(decide: Meter) -> Handler:
    async def answer(event: InboundEvent, context: Context) -> Outcome:
        return Outcome((reply(event, "zh", Text("答")),), ("p",), context.text)

    return chain((meter(decide), normalise, gate(decide)), answer)


async def test_refused_messages_are_done_and_recorded_and_a_failed_commit_counts_nothing_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gauge = bench.store, Load(LoadSettings, lambda: bench.clock().timestamp())
    turns = Turns(
        store,
        bench.bus,
        bench.live,
        handler(Meter()),
        bench.metrics,
        bench.clock,
        masker=TextMasker(),
        load=gauge,
    )
    sender = Sender(store, bench.bus, {("fake", "test"): bench.platform}, bench.metrics, bench.clock)
    await bench.platform.start(bench.host)
    complete, failures = store.complete, 3

    async def failing(*arguments: object, **named: object) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise RuntimeError("the commit failed")
        await complete(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "complete", failing)
    tasks = [asyncio.create_task(turns.run()), asyncio.create_task(sender.run())]
    await bench.platform.say(different(0), id="m0")
    for tries in (1, 2, 3):
        await bench.recorded(f"inbox WHERE tries = {tries}")
        bench.clock.forward(8)
    for number in range(1, 6):
        await bench.platform.say(different(number), id=f"m{number}")
    first, second, notice = await bench.texts(3)
    assert (first, second) == ("答", "答")  # three failed tries used up nothing of the two
    assert "有点快" in notice
    await bench.recorded("inbox WHERE event_id = 'm5' AND status = 'done'")
    await turns.stop(1)
    await sender.stop(1)
    await asyncio.gather(*tasks)
    assert len(bench.platform.sent) == 3
    lines = await store.transcript(bench.platform.sent[0].conversation.key, limit=50)
    customer = [line.event.text for line in lines if line.role == "customer" and line.event]
    assert customer == [different(number) for number in range(6)]
    gauge.measure(1)
    assert gauge.reading.oldest_s >= 0


async def test_the_health_report_has_the_load_and_measuring_feeds_it(bench: Bench) -> None:
    health = Health(bench.live, bench.store, None, [], frozenset(), bench.metrics)
    assert "load" not in (await health.ready())[1]
    gauge = Load(lambda: LoadSettings(waiting=(1, 2, 3)), lambda: bench.clock().timestamp(), bench.metrics)
    health.load = gauge
    await bench.platform.start(bench.host)
    await bench.platform.say("一", id="a")
    await bench.platform.say("二", id="b")
    task = asyncio.create_task(health.measure())
    await eventually(lambda: gauge.level > 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    _, report = await health.ready()
    assert report["load"]["level"] == 2
    assert report["load"]["left_out"] == ["digest", "small_talk"]
    assert bench.metrics.registry.get_sample_value("teller_load_level") == 2


def test_a_reloaded_deny_list_holds_at_once_and_a_wrong_one_leaves_the_last(tmp_path: Path) -> None:
    path = tmp_path / "teller.yaml"
    path.write_text("limits: {}\n")
    live, decide = LiveConfig(load(path)), Meter()
    assert not decide.admit(said(by="mallory"), live.config).limited
    path.write_text("limits:\n  access:\n    deny:\n      - {platform: fake, sender: mallory}\n")
    assert live.reload()
    assert decide.admit(said(by="mallory"), live.config).why == "denied"
    path.write_text("limits:\n  access:\n    deny:\n      - {platform: fake, sneder: mallory}\n")
    assert not live.reload()
    assert "teller.yaml:4: unknown key 'limits.access.deny.0.sneder'" in live.error
    assert "did you mean 'sender'?" in live.error
    assert decide.admit(said(by="mallory"), live.config).why == "denied"


@pytest.mark.parametrize(
    ("text", "said_to_be"),
    [
        ("limits:\n  sender: {per_minute: 0, burst: 1}\n", "teller.yaml:2: limits.sender.per_minute"),
        ("limits:\n  access:\n    deny:\n    - {platform: a, sender: b, group: c}\n", "teller.yaml:4"),
        ("limits:\n  access:\n    deny:\n    - {platform: a, until: soon}\n", "teller.yaml:4"),
        ("limits:\n  load:\n    waiting: [3, 2, 1]\n", "must be above 0 and rise"),
        ("limits:\n  load:\n    level: 7\n", "teller.yaml:3"),
        ("limits:\n  remembered: 5\n", "teller.yaml:2: limits.remembered"),
    ],
)
def test_a_wrong_limit_is_refused_with_its_line(tmp_path: Path, text: str, said_to_be: str) -> None:
    path = tmp_path / "teller.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert said_to_be in str(caught.value)


async def test_a_busy_store_while_measuring_changes_nothing(bench: Bench) -> None:
    class Busy:
        async def depths(self) -> object:
            raise StoreBusy("locked")

    health = Health(bench.live, Busy(), None, [], frozenset(), bench.metrics)  # type: ignore[arg-type]
    health.load = Load(LoadSettings, lambda: 0.0)
    task = asyncio.create_task(health.measure())
    await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    value = bench.metrics.registry.get_sample_value(
        "teller_errors_total", {"where": "measure", "type": "StoreBusy"}
    )
    assert value == 1
