"""Teaching a tiny generator, end to end: learning, stopping and going on, other methods, and what is
wrong."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.errors import InferenceUnavailable
from inference.evaluation.dialogues import measure_replies
from inference.generator.model import load
from inference.training import causal_run
from inference.training.causal import newest_checkpoint
from inference.training.runs import unwritable
from tests.inference.training.sft_run import configured, counter, only_run, train
from tests.inference.training.tiny import rows, tiny_base, write_rows


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tiny_base(tmp_path / "base")
    write_rows(tmp_path / "rows.jsonl", rows(16))
    return tmp_path


def sft(place: Path, config: Path) -> Result:
    return CliRunner().invoke(app, ["train", "sft", str(config), "--config", str(counter(place))])


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


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after its first checkpoint."""
    from transformers import TrainerCallback

    from inference.training import causal

    class Stop(TrainerCallback):  # type: ignore[misc]
        def on_save(self, args: object, state: object, control: object, **kwargs: object) -> None:
            raise KeyboardInterrupt

    place = tmp_path_factory.mktemp("stopped")
    tiny_base(place / "base")
    write_rows(place / "rows.jsonl", rows(16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(causal, "_Epochs", type("Both", (causal._Epochs, Stop), {}))
        said = sft(place, configured(place, epochs=2))
    assert said.exit_code == 130
    assert "goes on from the last checkpoint" in said.output
    return place / "runs" / ".unfinished-generator-sft"


@pytest.mark.parametrize(
    "file",
    [
        "adapter_model.safetensors",
        "adapter_config.json",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "trainer_state.json",
    ],
)
def test_a_checkpoint_that_was_cut_short_is_passed_over(stopped: Path, tmp_path: Path, file: str) -> None:
    work = tmp_path / "work"
    shutil.copytree(stopped, work)
    (work / "checkpoint-none").mkdir()
    kept = newest_checkpoint(work)
    assert kept is not None
    cut = work / "checkpoint-99999"
    shutil.copytree(kept, cut)
    assert newest_checkpoint(work) == cut
    os.truncate(cut / file, (cut / file).stat().st_size // 2)
    assert newest_checkpoint(work) == kept
    (kept / "adapter_model.safetensors").unlink()
    assert newest_checkpoint(work) is None


def test_where_no_checkpoint_is_kept_none_is_promised(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Trainer

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "evaluate", stop)
    said = sft(place, configured(place, method="adalora", epochs=2))
    assert said.exit_code == 130
    assert "begins anew" in said.output


def test_a_full_disk_at_the_last_save_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    rounded = causal_run._round

    def full_from_here(network: object) -> None:
        rounded(network)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))

    monkeypatch.setattr(causal_run, "_round", full_from_here)
    try:
        said = sft(place, configured(place, epochs=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert said.exit_code == 1
    assert "make room" in " ".join(said.output.split())


def test_only_a_full_disk_is_told_to_make_room(tmp_path: Path) -> None:
    assert "make room" in str(unwritable(tmp_path, OSError(errno.ENOSPC, "no space")))
    assert "make room" not in str(unwritable(tmp_path, OSError(errno.EACCES, "not allowed")))


def test_a_run_that_diverged_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference.training import causal

    losses = iter([3.0, math.nan])
    monkeypatch.setattr(causal, "mean_loss", lambda *_: next(losses))
    said = sft(place, configured(place, epochs=1))
    assert said.exit_code == 1
    assert "lower `pace.rate`" in said.output
    assert not [path for path in (place / "runs").iterdir() if path.is_dir()]


def test_adaloras_regularisation_is_as_strong_in_smaller_batches(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference.training import causal

    plain = causal._orthogonality
    monkeypatch.setattr(causal, "_orthogonality", lambda network: plain(network) + 100)

    def loss(folder: str, batch: int, accumulate: int) -> float:
        part = place / folder
        shutil.copytree(place / "base", part / "base")
        shutil.copy(place / "rows.jsonl", part)
        train(part, configured(part, method="adalora", batch=batch, accumulate=accumulate))
        log = json.loads((only_run(part) / "metrics.json").read_text())["log"]
        return float(log[0]["loss"])

    assert loss("small", 1, 4) == pytest.approx(loss("whole", 4, 1), rel=1e-3)


def test_a_run_is_held_against_dialogues(place: Path) -> None:
    train(place, configured(place, epochs=1))
    run, data = only_run(place), write_rows(place / "gate.jsonl", rows(1))
    arguments = [str(run), "--data", str(data), "--config", str(counter(place))]
    done = CliRunner().invoke(app, ["train", "evaluate", *arguments])
    assert done.exit_code == 0, done.output
    report = json.loads(done.output.strip().splitlines()[-1])
    assert report["turns"] == 2
    assert json.loads((run / "evaluation-gate.json").read_text()) == report
    assert "| likeness |" in (run / "evaluation-gate.md").read_text()


def test_a_share_of_nothing_is_none() -> None:
    assert measure_replies([])["figures"] is None


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
