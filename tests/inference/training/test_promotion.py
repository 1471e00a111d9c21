"""Which generator may take the place of the one in use, and what it is held against."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.errors import TellerError
from inference.evaluation import dialogues as evaluation
from inference.generator import model as generator
from inference.training import promotion, runs
from inference.training.promotion import Configured
from tests.counter import write_config
from tests.inference.training.sft_run import configured, only_run, train
from tests.inference.training.tiny import rows, tiny_base, write_rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny base, a finished run on it, and a gate."""
    place = tmp_path_factory.mktemp("promotion")
    tiny_base(place / "base")
    write_rows(place / "rows.jsonl", rows(16))
    write_rows(place / "gate.jsonl", rows(2))
    train(place, configured(place, epochs=1))
    return place


class Desk:
    """Promotes with likenesses as said; the models are loaded all the same, and noted."""

    def __init__(self, trained: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.base, self.gate = trained / "base", trained / "gate.jsonl"
        self.run = place / "generator-run"
        shutil.copytree(only_run(trained), self.run)
        self.models, self.promoted = place / "models", place / "models" / "generator" / "adapter"
        self.loaded: list[str] = []
        self._place, self._patch = place, monkeypatch

    def promote(self, candidate: float, before: float, told: Configured | None = None) -> dict[str, Any]:
        scores = iter([candidate, before])
        load = generator.load
        self.loaded.clear()

        def noted(model: str, *, adapter: str = "", **given: Any) -> Any:
            self.loaded.append(adapter)
            return load(model, adapter=adapter, **given)

        with self._patch.context() as patch:
            patch.setattr(generator, "load", noted)
            patch.setattr(evaluation, "evaluate_dialogues", lambda *_: {"likeness": next(scores)})
            configured = told or Configured(str(self.base))
            return promotion.promote(self.run, self.models, self.gate, self._place, configured)


@pytest.fixture
def desk(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(trained, tmp_path, monkeypatch)


def test_a_generator_is_promoted_only_if_it_is_no_worse(desk: Desk) -> None:
    with pytest.raises(TellerError, match="is worse than the generator in use"):
        desk.promote(0.4, 0.5)
    assert not desk.promoted.exists()
    assert desk.promote(0.5, 0.5)["before"] == 0.5
    assert (desk.promoted / "teller.json").is_file()
    weights = desk.run / "adapter" / "adapter_model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    with pytest.raises(TellerError, match="SHA-256"):
        desk.promote(0.6, 0.5)


def test_it_is_held_against_what_the_counter_loads(desk: Desk) -> None:
    candidate = str(desk.run / "adapter")
    desk.promote(0.5, 0.5)
    assert desk.loaded == [candidate, ""]
    desk.promote(0.5, 0.5)
    assert desk.loaded == [candidate, str(desk.promoted)]
    cut_off = desk.models / ".staged-generator"
    cut_off.mkdir()
    desk.promoted.parent.rename(cut_off / "previous")
    desk.promote(0.5, 0.5)
    assert desk.loaded == [candidate, str(desk.promoted)]
    mark = desk.promoted / "teller.json"
    mark.write_text(json.dumps({"prompt": "tuned", "base": "another"}))
    desk.promote(0.5, 0.5)
    assert desk.loaded == [candidate, ""]


def test_what_in_use_cannot_be_loaded_is_said(desk: Desk) -> None:
    desk.promote(0.5, 0.5)
    os.truncate(desk.promoted / "adapter_model.safetensors", 100)
    with pytest.raises(TellerError, match="what is in use can't be held against it"):
        desk.promote(0.9, 0.1)
    assert (desk.promoted / "adapter_model.safetensors").stat().st_size == 100


def test_what_the_counter_would_not_load_is_refused_unscored(desk: Desk, tmp_path: Path) -> None:
    other = tiny_base(tmp_path / "other", seed=1)
    for told, says in (
        (Configured(str(other)), "set that to"),
        (Configured(), "inference.model"),
        (Configured(str(desk.base), "none"), r"inference\.adapter is 'none'"),
    ):
        with pytest.raises(TellerError, match=says):
            desk.promote(0.5, 0.5, told)
        assert desk.loaded == []
    with pytest.raises(TellerError, match="likeness 0"):
        desk.promote(0.0, 0.0)
    assert not desk.promoted.exists()


def test_the_command_tells_what_is_configured(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "evaluate_dialogues", lambda *_: {"likeness": 0.5})

    def said(**inference: object) -> tuple[int, str]:
        folder = tmp_path / "-".join(["counter", *inference])
        config = write_config(folder, inference={"enabled": False, **inference})
        arguments = ["train", "promote", str(desk.run), "--gate", str(desk.gate), "--config", str(config)]
        done = CliRunner().invoke(app, arguments)
        return done.exit_code, done.output

    code, output = said()
    assert code == 1
    assert "inference.model" in output
    code, output = said(model=str(desk.base), adapter="none")
    assert code == 1
    assert "inference.adapter" in output
    code, output = said(model=str(desk.base))
    assert code == 0, output


def test_two_changes_at_once_are_refused(desk: Desk) -> None:
    desk.promote(0.5, 0.5)
    with runs.changing(desk.models, "generator"):
        with pytest.raises(TellerError, match="another process"):
            desk.promote(0.5, 0.5)
        assert desk.loaded == []
        with pytest.raises(TellerError, match="another process"):
            runs.rollback(desk.models, "generator")
    assert runs.rollback(desk.models, "generator") == ""


def test_weights_that_changed_since_they_were_scored_are_refused(desk: Desk) -> None:
    with (
        runs.changing(desk.models, "generator"),
        pytest.raises(TellerError, match="was changed after it was scored"),
    ):
        runs.promote(desk.models, "generator", desk.run, "0" * 64, 0.5, "gate")
    assert not list(desk.models.glob("*/*"))
    assert not (desk.models / ".staged-generator").exists()
