"""Teaching a tiny generator, end to end: learning, stopping and going on, other methods, and what is
wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.errors import InferenceUnavailable, TellerError
from inference.generator.model import load
from inference.training.causal import newest_checkpoint
from inference.training.promotion import promote
from tests.counter import write_config
from tests.inference.training.tiny import rows, tiny_base, write_rows

RUN = """\
name: generator
base: base
data: [rows.jsonl]
held_out: 0.3
method: {method}
adapter: {{rank: 4, alpha: 8, dropout: 0}}
varied: {varied}
pace: {{epochs: {epochs}, batch: 4, rate: {rate}, checks: {checks}, patience: {patience}, longest: 400}}
out: runs
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tiny_base(tmp_path / "base")
    write_rows(tmp_path / "rows.jsonl", rows(16))
    return tmp_path


def configured(
    place: Path,
    *,
    method: str = "lora",
    epochs: int = 6,
    rate: float = 0.01,
    varied: bool = False,
    checks: int = 2,
    patience: int = 0,
) -> Path:
    config = place / "run.yaml"
    text = RUN.format(
        method=method, epochs=epochs, rate=rate, varied=str(varied).lower(), checks=checks, patience=patience
    )
    config.write_text(text, encoding="utf-8")
    return config


def counter(place: Path) -> Path:
    """Teller's own configuration, written once."""
    known = place / "teller.yaml"
    return known if known.is_file() else write_config(place)


def train(place: Path, config: Path, *options: str) -> dict[str, object]:
    arguments = ["train", "sft", str(config), "--config", str(counter(place)), *options]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    metrics: dict[str, object] = json.loads(done.output.strip().splitlines()[-1])
    return metrics


def only_run(place: Path) -> Path:
    [run] = (path for path in (place / "runs").iterdir() if path.is_dir())
    return run


@pytest.mark.parametrize("method", ["lora", "adalora", "full", "prefix"])
def test_every_method_learns_and_leaves_what_it_says(place: Path, method: str) -> None:
    metrics = train(place, configured(place, method=method))
    loss = metrics["held_out_loss"]
    assert isinstance(loss, dict)
    assert loss["after"] < loss["before"]
    run = only_run(place)
    assert (run / "card.md").read_text("utf-8").startswith("# generator")
    assert not list(run.glob("checkpoint-*"))
    model = {"full": run / "model"}.get(method, place / "base")
    adapter = "" if method == "full" else str(run / "adapter")
    if method == "prefix":
        with pytest.raises(InferenceUnavailable, match="prefix"):
            load(str(model), cache=place, adapter=adapter)
    else:
        assert load(str(model), cache=place, adapter=adapter).tuned


def test_a_killed_run_goes_on_from_its_last_whole_checkpoint(place: Path) -> None:
    config = configured(place, epochs=400, checks=200)
    options = [str(config), "--config", str(counter(place))]
    work = place / "runs" / ".unfinished-generator-sft"
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "train", "sft", *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + 240
        while newest_checkpoint(work) is None and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = newest_checkpoint(work)
    assert kept is not None
    # The newest is cut short, as a full disk would.
    cut = work / "checkpoint-99999"
    shutil.copytree(kept, cut)
    weights = cut / "adapter_model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    assert newest_checkpoint(work) == kept
    other = configured(place, epochs=3)
    refused = CliRunner().invoke(app, ["train", "sft", str(other), *options[1:]])
    assert refused.exit_code == 1
    assert "another configuration" in " ".join(refused.output.split())
    assert newest_checkpoint(work) == kept
    train(place, other, "--fresh")
    assert not work.exists()


def test_a_stopped_run_reads_on_where_it_was(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Trainer, TrainerCallback

    from inference.training import causal

    whole = place / "whole"
    shutil.copytree(place / "base", whole / "base")
    shutil.copy(place / "rows.jsonl", whole)
    straight = train(whole, configured(whole, varied=True, patience=3))
    config, evaluate, looks = configured(place, varied=True, patience=3), Trainer.evaluate, 0

    def stop_at_the_second(self: Trainer, *args: object, **kwargs: object) -> object:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise KeyboardInterrupt
        return evaluate(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "evaluate", stop_at_the_second)
    stopped = CliRunner().invoke(app, ["train", "sft", str(config), "--config", str(counter(place))])
    assert stopped.exit_code == 130
    assert "goes on" in stopped.output
    kept = newest_checkpoint(place / "runs" / ".unfinished-generator-sft")
    assert kept is not None
    monkeypatch.undo()
    begun: list[int] = []

    class First(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: object, state: object, control: object, **kwargs: object) -> None:
            begun.append(state.global_step)  # type: ignore[attr-defined]

    monkeypatch.setattr(causal, "_Epochs", type("Both", (causal._Epochs, First), {}))
    resumed = train(place, config)
    assert begun[0] == int(kept.name.rpartition("-")[2])
    assert resumed["held_out_loss"] == pytest.approx(straight["held_out_loss"], abs=2e-3)


def test_two_processes_share_the_steps_of_one_run(place: Path) -> None:
    learnt = 8  # of 16; see `rows` and `held_out`
    config = configured(place, epochs=6)
    launched = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "bot"]
    done = subprocess.run(
        [*launched, "train", "sft", str(config), "--config", str(counter(place))],
        check=False, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout.strip().splitlines()[-1])
    assert metrics["held_out_loss"]["after"] < metrics["held_out_loss"]["before"]
    kept = json.loads((only_run(place) / "metrics.json").read_text("utf-8"))
    assert metrics["dialogues"] - metrics["held_out_dialogues"] == learnt
    assert kept["log"][-1]["step"] == 6 * learnt // 4 // 2


def test_an_adapter_of_another_base_is_refused(place: Path) -> None:
    train(place, configured(place, epochs=1))
    run = only_run(place)
    other = tiny_base(place / "other", hidden=48)
    with pytest.raises(InferenceUnavailable, match="doesn't fit"):
        load(str(other), cache=place, adapter=str(run / "adapter"))


def test_a_generator_is_promoted_only_if_it_is_no_worse(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference.evaluation import dialogues as evaluation

    train(place, configured(place, epochs=1))
    run, gate = only_run(place), write_rows(place / "gate.jsonl", rows(2))
    models = place / "models"

    def promoting(candidate: float, before: float) -> dict[str, object]:
        """With scores as said; the models are loaded all the same."""
        scores = iter([candidate, before])
        monkeypatch.setattr(evaluation, "evaluate_dialogues", lambda *_: {"likeness": next(scores)})
        return promote(run, models, gate, place)

    with pytest.raises(TellerError, match="is worse than the generator in use"):
        promoting(0.4, 0.5)
    assert not models.exists()
    assert promoting(0.5, 0.5)["before"] == 0.5
    assert (models / "generator" / "adapter" / "teller.json").is_file()
    monkeypatch.undo()
    assert promote(run, models, gate, place)["before"] is not None
    weights = run / "adapter" / "adapter_model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    with pytest.raises(TellerError, match="SHA-256"):
        promote(run, models, gate, place)


def test_what_is_wrong_with_the_data_is_said(place: Path) -> None:
    def said(found: list[dict[str, object]]) -> str:
        write_rows(place / "rows.jsonl", found)
        config = configured(place)
        done = CliRunner().invoke(app, ["train", "sft", str(config), "--config", str(counter(place))])
        assert done.exit_code in (1, 2)
        return done.output

    assert "same id: d0" in said([*rows(3), *rows(1)])
    assert "rows.jsonl:2" in said([rows(1)[0], {"id": "x"}])
    assert "held out" in said(rows(1))
    broken = rows(4)
    broken[1]["turns"] = [{"kind": "answer", "question": "q", "reply": "r", "uses": 7}]
    assert "`uses` is 7" in said(broken)
    (place / "rows.jsonl").write_bytes(b"\xff\xfe{")
    config = configured(place)
    done = CliRunner().invoke(app, ["train", "sft", str(config), "--config", str(counter(place))])
    assert "can't be read" in done.output


def test_a_base_that_isnt_there_is_named(place: Path) -> None:
    shutil.rmtree(place / "base")
    config = configured(place)
    done = CliRunner().invoke(app, ["train", "sft", str(config), "--config", str(counter(place))])
    assert done.exit_code == 1
    assert "'base' can't be loaded" in done.output
