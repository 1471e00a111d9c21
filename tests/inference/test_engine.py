"""The batching engine over the real base model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from bot.errors import InferenceUnavailable  # noqa: E402
from bot.types import GenerateRequest, Passage  # noqa: E402
from inference.generator import eight_bits, identity, model, prompt  # noqa: E402
from inference.generator.engine import Engine  # noqa: E402
from inference.generator.options import EngineOptions, Outcome, Overloaded, Steering  # noqa: E402
from inference.generator.service import to_job  # noqa: E402

pytestmark = pytest.mark.model

TEXTS = (
    "补办借记卡工本费每张10元，7个工作日寄到。",
    "The fee is CNY 15 per card and it arrives within 7 business days.",
    "网点工作日9:00-17:00营业，城区网点周末9:30-16:00营业。",
    "Please book 1 day ahead to withdraw more than CNY 50,000 in cash at a branch.",
)


def asked(number: int, **changes: object) -> GenerateRequest:
    text = TEXTS[number % len(TEXTS)]
    language = "en" if text.isascii() else "zh"
    passages = (
        Passage(id="p", language=language, title=("Card" if language == "en" else "说明"), text=text),
    )
    fields = {"question": ("要多少钱？", "How much?")[number % 2], "max_tokens": 20, **changes}
    return GenerateRequest(id=str(number), language=language, passages=passages, **fields)  # type: ignore[arg-type]


class Heard:
    """Collects what an engine tells; its time stands still unless moved."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.now = 0.0

    def __call__(self, id: str, text: str, outcome: Outcome | None) -> None:
        assert id not in self.outcomes
        self.texts[id] = self.texts.get(id, "") + text
        if outcome is not None:
            self.outcomes[id] = outcome

    def clock(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def loaded(model_cache: Path) -> model.LanguageModel:
    torch.set_num_threads(1)
    return model.load(identity.BASE, cache=model_cache, dtype="bfloat16")


@pytest.fixture(scope="module")
def rounded(model_cache: Path) -> model.LanguageModel:
    torch.set_num_threads(1)
    if not eight_bits.is_possible():
        pytest.skip("the processor has no AVX-512 VNNI")
    return model.load(identity.BASE, cache=model_cache, dtype="int8")


@pytest.fixture(scope="module")
def exact(model_cache: Path) -> model.LanguageModel:
    """In float32, where a reply doesn't depend on how it was batched."""
    torch.set_num_threads(1)
    return model.load(identity.BASE, cache=model_cache, dtype="float32")


@pytest.fixture(scope="module")
def served(loaded: model.LanguageModel) -> tuple[Engine, Heard]:
    return engine_of(loaded)


def engine_of(loaded: model.LanguageModel) -> tuple[Engine, Heard]:
    heard = Heard()
    engine = Engine(loaded, EngineOptions(rows=8, queue=8, context=640), heard, clock=heard.clock)
    engine.warm_up(prompt.beginnings())
    return engine, heard


@pytest.fixture
def engine(served: tuple[Engine, Heard]) -> Iterator[tuple[Engine, Heard]]:
    engine, heard = served
    heard.texts.clear()
    heard.outcomes.clear()
    yield engine, heard
    while engine.busy:
        engine.step()


def written(engine: Engine) -> None:
    while engine.busy:
        engine.step()


@pytest.mark.parametrize(("precision", "least"), [("exact", 8), ("loaded", 6), ("rounded", 6)])
def test_replies_written_together_are_those_written_alone(
    request: pytest.FixtureRequest, precision: str, least: int
) -> None:
    """In bfloat16 a product rounds differently with the batch's size, which may turn a near tie."""
    engine, heard = engine_of(request.getfixturevalue(precision))
    alone = {}
    for number in range(8):
        engine.submit(to_job(asked(number, max_tokens=12), heard.clock))
        written(engine)
        alone[str(number)] = heard.texts.pop(str(number))
    heard.outcomes.clear()
    for number in range(8):
        engine.submit(to_job(asked(number, max_tokens=12), heard.clock))
        if number % 3 == 0:
            engine.step()  # some join while others are running
    written(engine)
    assert all(text.strip() for text in alone.values())
    assert sum(heard.texts[id] == alone[id] for id in alone) >= least


def test_a_reply_is_what_transformers_generates(exact: model.LanguageModel) -> None:
    heard = Heard()
    plain = EngineOptions(
        rows=2, context=640, chunk=48, trim_vocabulary=False, steering=Steering(no_repeat=0)
    )  # fmt: skip
    engine = Engine(exact, plain, heard, clock=heard.clock)
    question = asked(0)
    engine.submit(to_job(question, heard.clock))
    written(engine)
    built = prompt.build(question)
    encode = exact.tokenizer.encode
    ids = [exact.bos_id, *encode(built.beginning, add_special_tokens=False).ids]
    ids += encode(built.rest, add_special_tokens=False).ids
    tokens = torch.tensor([ids])
    out = exact.network.generate(
        tokens, attention_mask=torch.ones_like(tokens), do_sample=False, max_new_tokens=20, pad_token_id=0
    )
    expected = exact.tokenizer.decode(out[0, len(ids) :].tolist()).lstrip().split("\n")[0]
    assert heard.texts["0"] == expected


def test_a_cancelled_reply_frees_its_row_at_the_next_step(engine: tuple[Engine, Heard]) -> None:
    serving, heard = engine
    for number in range(3):
        serving.submit(to_job(asked(number), heard.clock))
    serving.step()
    assert serving.stats.running == 3
    serving.cancel("1")
    serving.step()
    assert heard.outcomes == {"1": "cancelled"}
    assert serving.stats.running == 2
    written(serving)
    assert set(heard.outcomes) == {"0", "1", "2"}
    assert heard.texts["2"].strip()


def test_a_reply_that_waits_or_runs_past_its_deadline_is_ended(engine: tuple[Engine, Heard]) -> None:
    serving, heard = engine
    serving.submit(to_job(asked(0, deadline=5.0), heard.clock))
    serving.step()
    heard.now += 6.0
    serving.submit(to_job(asked(1, deadline=5.0), heard.clock))
    heard.now += 6.0
    serving.step()
    assert heard.outcomes == {"0": "deadline", "1": "deadline"}
    assert not serving.busy


def test_more_than_the_queue_holds_is_refused(engine: tuple[Engine, Heard]) -> None:
    serving, heard = engine
    for number in range(8):
        serving.submit(to_job(asked(number, max_tokens=1), heard.clock))
    with pytest.raises(Overloaded):
        serving.submit(to_job(asked(8), heard.clock))
    written(serving)
    assert len(heard.outcomes) == 8


def test_only_time_with_work_and_no_step_counts_as_stalled(engine: tuple[Engine, Heard]) -> None:
    serving, heard = engine
    heard.now += 100.0
    assert serving.stalled_for() == 0.0
    serving.submit(to_job(asked(0, deadline=900.0), heard.clock))
    assert serving.stalled_for() == 0.0
    heard.now += 7.0
    assert serving.stalled_for() == 7.0
    serving.step()
    assert serving.stalled_for() == 0.0


def test_a_reply_is_cut_at_its_token_limit(engine: tuple[Engine, Heard]) -> None:
    serving, heard = engine
    serving.submit(to_job(asked(0, max_tokens=3), heard.clock))
    before = serving.stats.tokens
    written(serving)
    assert heard.outcomes == {"0": "length"}
    assert serving.stats.tokens == before + 3


def test_a_prompt_longer_than_the_context_is_still_answered(loaded: model.LanguageModel) -> None:
    heard = Heard()
    engine = Engine(loaded, EngineOptions(rows=1, context=340), heard, clock=heard.clock)
    long = Passage(id="p", language="zh", title="说明", text="网点可以办理。" * 200)
    engine.submit(to_job(GenerateRequest("x", "怎么办？", "zh", (long,), max_tokens=4), heard.clock))
    written(engine)
    assert set(heard.outcomes) == {"x"}
    assert heard.texts["x"]


def test_a_model_that_is_not_there_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(InferenceUnavailable, match=r"inference\.model"):
        model.load(str(tmp_path / "nothing"), cache=tmp_path)


def test_a_saved_base_loads_fast(model_cache: Path) -> None:
    folder = model.materialise_base(model_cache)
    assert folder == model.materialise_base(model_cache)
    assert (folder / "model.safetensors").stat().st_size > 500_000_000
    assert not list(model_cache.glob("making-*"))
