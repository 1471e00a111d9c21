"""The load gauge: levels, hysteresis, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from bot.answering import Answering
from bot.config import Config
from bot.config.limits import LoadSettings
from bot.ids import new_id
from bot.limits.load import Load
from bot.metrics import Metrics
from bot.types import Exchange
from inference.fake import FakeModel, Script
from inference.guard import ReplyGuard
from tests.bot.test_answering import GUIDE, LOST, Found


class Bench:
    """A gauge whose clock tests move."""

    def __init__(self, **settings: object) -> None:
        self.settings = LoadSettings.model_validate(settings)
        self.at = 1000.0
        self.metrics = Metrics()
        self.load = Load(lambda: self.settings, lambda: self.at, self.metrics)

    def measure(self, waiting: int, *, after: float = 2, **signals: float) -> int:
        self.at += after
        return self.load.measure(waiting, **signals)  # type: ignore[arg-type]


def test_each_signal_alone_raises_the_level_at_once() -> None:
    for number, level in ((199, 0), (200, 1), (1000, 2), (3000, 3)):
        assert Bench().measure(number, oldest_s=0) == level
    for seconds, level in ((4.9, 0), (5, 1), (15, 2), (30, 3)):
        assert Bench().measure(1, oldest_s=seconds) == level
    for writing, level in ((15, 0), (16, 1), (32, 2), (56, 3)):
        assert Bench().measure(0, inference=writing) == level


def test_slow_turns_raise_it_and_an_empty_queue_lets_them_be_forgotten() -> None:
    bench = Bench()
    for _ in range(60):
        bench.load.turned(25)
    assert bench.measure(1, oldest_s=0) == 3
    for _ in range(200):
        bench.measure(0)
    assert bench.load.level == 0


def test_a_level_is_left_one_at_a_time_and_only_after_calm() -> None:
    bench = Bench()
    assert bench.measure(3000, oldest_s=0) == 3
    levels = [bench.measure(0) for _ in range(20)]
    assert levels == [3] * 5 + [2] * 5 + [1] * 5 + [0] * 5


def test_around_a_threshold_it_doesn_t_flicker() -> None:
    bench = Bench()
    levels = {bench.measure(waiting, oldest_s=0) for waiting in [200, 190, 210, 150, 199, 141] * 20}
    assert levels == {1}
    assert [bench.measure(139, oldest_s=0, after=6) for _ in range(3)] == [1, 1, 0]


def test_calm_that_is_interrupted_begins_again() -> None:
    bench = Bench()
    bench.measure(200, oldest_s=0)
    for _ in range(5):
        assert bench.measure(0, after=8) == 1
        assert bench.measure(180, oldest_s=0, after=1) == 1


def test_the_oldest_wait_is_judged_by_claimed_events_and_by_standstill() -> None:
    bench = Bench()
    bench.load.claimed(31)
    assert bench.measure(5) == 3
    bench = Bench()
    bench.load.claimed(0.1)
    assert bench.measure(5, after=2) == 0
    assert bench.measure(5, after=4) == 1  # six seconds, and nobody claims
    bench = Bench()
    bench.load.claimed(31)
    assert bench.measure(0, after=11) == 0  # nothing waits
    assert bench.measure(5, after=2) == 0


def test_work_is_left_out_in_order_and_counted() -> None:
    bench = Bench()
    left_out = []
    for waiting in (0, 200, 1000, 3000):
        bench.measure(waiting, oldest_s=0)
        left_out.append([w for w in ("digest", "small_talk", "generation") if bench.load.sheds(w)])  # type: ignore[arg-type]
    assert left_out == [[], ["digest"], ["digest", "small_talk"], ["digest", "small_talk", "generation"]]
    value = bench.metrics.registry.get_sample_value
    assert value("teller_load_level") == 3
    assert value("teller_shed_total", {"work": "digest"}) == 3
    assert value("teller_shed_total", {"work": "generation"}) == 1
    report = bench.load.report()
    assert report["level"] == 3
    assert report["left_out"] == ["digest", "small_talk", "generation"]
    assert report["waiting"] == 3000


def test_an_operator_can_hold_a_level() -> None:
    bench = Bench(level=3)
    assert bench.measure(0) == 3
    assert bench.load.sheds("generation")
    bench.settings = LoadSettings(level=0)
    assert bench.measure(9999, oldest_s=99) == 0
    assert not bench.load.sheds("digest")


def test_thresholds_must_rise() -> None:
    with pytest.raises(ValidationError, match="waiting: the three thresholds"):
        LoadSettings(waiting=(10, 5, 20))
    with pytest.raises(ValidationError, match="above 0"):
        LoadSettings(turn_s=(0, 5, 20))


# ── what it does to answers ──


async def source(level: int, generate: str, passage_kind: str, history: Sequence[Exchange] = ()) -> str:
    load = Load(lambda: LoadSettings.model_validate({"level": level}), lambda: 0.0)
    passage = GUIDE if passage_kind == "document" else LOST
    model = FakeModel([Script((passage.text[: passage.text.index("。") + 1],))])
    answering = Answering(Found(passage), ReplyGuard(), model, Metrics(), new_id, load)
    config = Config.model_validate({"answers": {"generate": generate}})
    answer = await answering.answer("怎么办", language="zh", config=config, history=history)
    return answer.source


@pytest.mark.parametrize(
    ("generate", "kind", "sources"),
    [
        ("when_needed", "document", ["generated", "generated", "generated", "verbatim"]),
        ("always", "entry", ["generated", "generated", "verbatim", "verbatim"]),
        ("always", "document", ["generated", "generated", "generated", "verbatim"]),
        ("when_needed", "entry", ["verbatim"] * 4),
    ],
)
async def test_under_load_answers_come_in_the_bank_s_own_words(
    generate: str, kind: str, sources: list[str]
) -> None:
    assert [await source(level, generate, kind) for level in range(4)] == sources


async def test_answers_being_written_are_counted_while_they_are() -> None:
    bench = Bench()
    with bench.load.writing(), bench.load.writing():
        bench.measure(0)
        assert bench.load.reading.inference == 2
    bench.measure(0)
    assert bench.load.reading.inference == 0
