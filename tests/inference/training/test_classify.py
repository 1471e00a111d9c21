"""Training a classifier end to end on a small set, promoting it, refusing a worse one, and going back."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bot.cli import app
from bot.errors import ConfigError, TellerError
from inference.classify import SHIPPED, TextClassifier, load_classifier, shipped
from inference.evaluation.classify import LabelledText, measure, read_labelled, scores
from inference.training import classify as training
from inference.training.classify import train_classifier
from inference.training.classify_config import load_classify_config
from inference.training.finetune import Settings, tune
from inference.training.progress import Progress
from inference.training.promotion import promote
from inference.training.runs import rollback, sha256
from inference.training.split import held_out_by, split
from tests.counter import write_config

TEXTS = {
    "card_lost": [
        "我的卡丢了", "银行卡不见了怎么办", "I lost my card", "卡被偷了要挂失", "my card was stolen",
        "钱包丢了卡也没了",
    ],
    "loan_rate": [
        "贷款利率多少", "房贷利率是几个点", "what is the loan rate", "现在贷款利息高吗",
        "mortgage rate today", "LPR多少",
    ],
    "weather": [
        "今天天气怎么样", "明天下雨吗", "will it rain", "外面冷不冷", "is it sunny", "周末会下雪吗",
    ],
}  # fmt: skip
QUICK = Settings(layers=1, epochs=12, batch=6, rate=1e-3, head_rate=2e-2, longest=24)


def write_rows(path: Path, texts: dict[str, list[str]]) -> Path:
    rows = [
        {"text": t, "label": label, "family": f"{label}{n}"}
        for label, ts in texts.items()
        for n, t in enumerate(ts)
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("train")
    write_rows(folder / "rows.jsonl", TEXTS)
    (folder / "run.yaml").write_text(
        "name: desk\ndata: [rows.jsonl]\nheld_out: 0.3\nother: weather\nfinal: false\nout: runs\n"
        "tuning: {layers: 1, epochs: 12, batch: 6, rate: 0.001, head_rate: 0.02, longest: 24}\n"
    )
    done = CliRunner().invoke(app, ["train", "classify", str(folder / "run.yaml")])
    assert done.exit_code == 0, done.output
    [found] = (path for path in (folder / "runs").iterdir() if path.is_dir())
    return found


def test_a_run_leaves_weights_metrics_and_a_card(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["sha256"] == sha256(run / "classifier.npz")
    assert metrics["held_out"]["labels"] == 3
    card = (run / "card.md").read_text(encoding="utf-8")
    assert metrics["sha256"] in card
    assert "teller train classify" in card


@pytest.mark.parametrize("cut", [False, True])
def test_a_stopped_run_goes_on_after_its_last_whole_epoch(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    for file in ("rows.jsonl", "run.yaml"):
        shutil.copy(run.parent.parent / file, tmp_path)
    keep, kept = Progress.keep, 0

    def stop_after_the_fifth(self: Progress, epochs: int) -> None:
        nonlocal kept
        keep(self, epochs)
        kept = epochs
        if epochs == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "keep", stop_after_the_fifth)
    stopped = CliRunner().invoke(app, ["train", "classify", str(tmp_path / "run.yaml")])
    assert stopped.exit_code == 130
    assert "goes on" in stopped.output
    assert kept == 5
    [work] = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    [checkpoint] = work.glob("checkpoint-*")
    monkeypatch.undo()
    config = tmp_path / "run.yaml"
    told = config.read_text()
    config.write_text(told.replace("held_out: 0.3", "held_out: 0.4"))
    refused = CliRunner().invoke(app, ["train", "classify", str(config)])
    assert refused.exit_code == 1
    assert "--fresh" in refused.output
    config.write_text(told)
    if cut:
        os.truncate(checkpoint, checkpoint.stat().st_size // 2)
        (work / ".checkpoint-all").write_bytes(b"killed while it was written")
    begun: list[int] = []
    restore = Progress.restore

    def restored(self: Progress) -> int:
        begun.append(restore(self))
        return begun[-1]

    monkeypatch.setattr(Progress, "restore", restored)
    done = CliRunner().invoke(app, ["train", "classify", str(config)])
    assert done.exit_code == 0, done.output
    assert begun == [0 if cut else 5]
    [found] = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert not list(found.glob("*checkpoint-*"))
    with np.load(found / "classifier.npz") as resumed, np.load(run / "classifier.npz") as straight:
        assert np.allclose(resumed["weights"], straight["weights"], atol=2e-3)


def test_what_was_trained_tells_the_labels_apart(run: Path) -> None:
    classifier = TextClassifier.load(run / "classifier.npz")
    assert classifier.classify(["我的卡丢了", "贷款利率多少", "今天天气怎么样"]) == [
        "card_lost",
        "loan_rate",
        "weather",
    ]
    shares = classifier.probabilities(["我的卡丢了", "x"])
    assert shares.shape == (2, 3)
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert classifier.classify([]) == []
    report = measure(
        classifier, [LabelledText("我的卡丢了", "card_lost"), LabelledText("明天下雨吗", "weather")]
    )
    assert (report["in_scope_accuracy"], report["other_recall"]) == (1.0, 1.0)
    assert measure(classifier, [LabelledText("我的卡丢了", "card_lost")])["other_recall"] is None


@pytest.mark.parametrize("final", [True, False])
def test_the_tests_rows_are_left_out_and_the_baseline_gets_what_was_tuned_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, final: bool
) -> None:
    tested = {label: texts[:1] for label, texts in TEXTS.items()}
    write_rows(tmp_path / "rows.jsonl", TEXTS)
    write_rows(tmp_path / "test.jsonl", {label: [f"{text} " for text in ts] for label, ts in tested.items()})
    (tmp_path / "run.yaml").write_text(
        f"name: desk\ndata: ['*.jsonl']\ntest: test.jsonl\nheld_out: 0.3\nfinal: {str(final).lower()}\n"
        "out: runs\ntuning: {layers: 1, epochs: 1, batch: 6, longest: 24}\n"
    )
    tuned: list[list[str]] = []
    compared: list[list[str]] = []
    tune, baseline = training.tune, training.baseline

    def noted(rows: Sequence[LabelledText], *rest: Any) -> Any:
        tuned.append([row.text for row in rows])
        return tune(rows, *rest)

    def held_against(rows: Sequence[LabelledText], test: Sequence[LabelledText]) -> dict[str, Any]:
        compared.append([row.text for row in rows])
        return baseline(rows, test)

    monkeypatch.setattr(training, "tune", noted)
    monkeypatch.setattr(training, "baseline", held_against)
    done = CliRunner().invoke(app, ["train", "classify", str(tmp_path / "run.yaml")])
    assert done.exit_code == 0, done.output
    metrics = json.loads(done.output.splitlines()[-1])
    assert metrics["rows"] == 15
    assert metrics["test"]["cases"] == metrics["baseline"]["cases"] == 3
    assert len(tuned) == (2 if final else 1)
    assert compared == tuned[-1:]
    assert not {text for texts in tuned for text in texts} & {texts[0] for texts in tested.values()}


def test_data_that_only_the_test_has_is_said(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", TEXTS)
    shutil.copy(tmp_path / "rows.jsonl", tmp_path / "test.jsonl")
    (tmp_path / "run.yaml").write_text("name: desk\ndata: [rows.jsonl]\ntest: test.jsonl\nout: runs\n")
    done = CliRunner().invoke(app, ["train", "classify", str(tmp_path / "run.yaml")])
    assert done.exit_code == 1
    assert "no rows of `data` are left" in done.output


def test_a_run_whose_test_has_changed_since_is_not_gone_on_with(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(run.parent.parent / "rows.jsonl", tmp_path)
    config = tmp_path / "run.yaml"
    config.write_text(
        (run.parent.parent / "run.yaml").read_text().replace("out: runs", "out: runs\ntest: test.jsonl")
    )
    write_rows(tmp_path / "test.jsonl", {"card_lost": ["card gone"]})
    keep = Progress.keep

    def stop_after_the_first(self: Progress, epochs: int) -> None:
        keep(self, epochs)
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "keep", stop_after_the_first)
    assert CliRunner().invoke(app, ["train", "classify", str(config)]).exit_code == 130
    write_rows(tmp_path / "test.jsonl", {"card_lost": TEXTS["card_lost"][:2]})
    refused = CliRunner().invoke(app, ["train", "classify", str(config)])
    assert refused.exit_code == 1
    assert "--fresh" in refused.output


def test_a_checkpoint_of_other_texts_or_parts_is_begun_anew(tmp_path: Path) -> None:
    def progress(texts: int, **parts: torch.nn.Module) -> Progress:
        return Progress(tmp_path / "checkpoint-x", parts, random.Random(0), list(range(texts)))

    layer = torch.nn.Linear(2, 2)
    progress(3, layer=layer).keep(4)
    assert progress(3, layer=layer).restore() == 4
    for texts, parts in ((4, {"layer": layer}), (3, {"layer": layer, "more": layer})):
        other = torch.nn.Linear(2, 2)
        weight = other.weight.detach().clone()
        assert progress(texts, **dict.fromkeys(parts, other)).restore() == 0
        assert torch.equal(other.weight, weight)


def test_promotion_refuses_what_is_worse_and_can_be_undone(run: Path, tmp_path: Path) -> None:
    models, gate = tmp_path / "models", write_rows(tmp_path / "gate.jsonl", TEXTS)
    with pytest.raises(TellerError, match="no classifier 'desk' in use"):
        load_classifier("desk", models)
    assert promote(run, models, gate, tmp_path)["before"] is None
    right = load_classifier("desk", models).classify(["我的卡丢了"])
    worse = tmp_path / "desk-worse"
    worse.mkdir()
    with np.load(run / "classifier.npz") as arrays:
        spoilt = {name: arrays[name] for name in arrays.files}
    spoilt["weights"] = -spoilt["weights"]
    np.savez(worse / "classifier.npz", **spoilt)
    (worse / "config.json").write_text((run / "config.json").read_text())
    (worse / "metrics.json").write_text(json.dumps({"sha256": sha256(worse / "classifier.npz")}))
    with pytest.raises(TellerError, match="worse"):
        promote(worse, models, gate, tmp_path)
    assert load_classifier("desk", models).classify(["我的卡丢了"]) == right
    promote(run, models, gate, tmp_path)
    assert rollback(models, "desk") == run.name
    assert rollback(models, "desk") == ""
    with pytest.raises(TellerError, match="was ever promoted: there is nothing"):
        rollback(models, "desk")


def test_weights_that_were_cut_short_are_never_promoted(run: Path, tmp_path: Path) -> None:
    cut = tmp_path / "desk-cut"
    cut.mkdir()
    for file in ("config.json", "metrics.json"):
        (cut / file).write_text((run / file).read_text())
    data = (run / "classifier.npz").read_bytes()
    (cut / "classifier.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(TellerError, match="SHA-256"):
        promote(cut, tmp_path / "models", write_rows(tmp_path / "gate.jsonl", TEXTS), tmp_path)
    assert not (tmp_path / "models").exists()


def test_siblings_stay_on_one_side_and_every_label_is_trained_on() -> None:
    rows = [LabelledText(f"{label} {n}", label, f"f{n // 3}") for label in ("a", "b") for n in range(90)]
    _, away = held_out_by(rows, lambda row: row.family, 0.2)
    # All rows of one label are held out, beside others of their family.
    rare = [LabelledText(f"rare {n}", "rare", away[0].family) for n in range(3)]
    kept, held = split([*rows, *rare], 0.2)
    assert {r.family for r in kept}.isdisjoint(r.family for r in held)
    assert 10 < len(held) < 80
    assert len(kept) + len(held) == 183
    assert {r.label for r in kept} == {"a", "b", "rare"}


def test_one_label_or_too_few_rows_are_refused() -> None:
    one = [LabelledText(text, "a") for text in ("x", "y", "z")]
    with pytest.raises(TellerError, match="nothing to tell apart"):
        train_classifier(one, one, QUICK)
    with pytest.raises(TellerError, match="too few rows"):
        train_classifier([*one, LabelledText("w", "b")], one, QUICK)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no rows"),
        ('{"text": "a"}', ":1: "),
        ('{"text": " ", "label": "a"}', "empty"),
        ("{", ":1: "),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(TellerError, match=says):
        read_labelled(tmp_path / "rows.jsonl")


def test_a_configuration_that_names_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("name: intent\ndata: [nothing*.jsonl]\ntest: gone.jsonl\n")
    with pytest.raises(ConfigError) as caught:
        load_classify_config(tmp_path / "run.yaml")
    assert len(caught.value.problems) == 2


def test_a_classifier_is_not_called_as_the_generator(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", TEXTS)
    (tmp_path / "run.yaml").write_text("name: generator\ndata: [rows.jsonl]\n")
    with pytest.raises(ConfigError, match="take another name"):
        load_classify_config(tmp_path / "run.yaml")


def test_scores_count_by_label() -> None:
    found = scores(["a", "a", "b", "c"], ["a", "b", "b", "a"])
    assert found["accuracy"] == 0.5
    assert found["by_label"]["c"]["f1"] == 0.0
    assert found["by_label"]["b"] == {"precision": 0.5, "recall": 1.0, "f1": 0.6667, "count": 1}


def test_eval_says_what_to_do_where_nothing_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "SHIPPED", ())
    path = write_config(tmp_path)
    test = write_rows(tmp_path / "test.jsonl", TEXTS)
    done = CliRunner().invoke(app, ["eval", "topic", "--test", str(test), "--config", str(path)])
    assert done.exit_code != 0
    assert "teller train classify" in done.output


def test_data_are_learnt_from_with_a_step_against_the_loss() -> None:
    rows = [LabelledText(text, label) for label, texts in TEXTS.items() for text in texts]
    settings = replace(QUICK, epochs=4, adversarial=0.5)
    tuned = tune(rows, list(TEXTS), settings)
    plain = tune(rows, list(TEXTS), replace(settings, adversarial=0.0))
    texts, truth = [row.text for row in rows], [list(TEXTS).index(row.label) for row in rows]
    assert (tuned.logits(texts).argmax(axis=1) == truth).mean() > 0.6
    assert not np.allclose(tuned.logits(texts), plain.logits(texts))


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_is_what_its_card_says(name: str) -> None:
    folder = Path(shipped.__file__).parent / "models"
    card = (folder / f"{name}.md").read_text("utf-8")
    assert sha256(folder / f"{name}.npz") in card
    assert f"teller train classify config/train/{name}.yaml" in card
    classifier = load_classifier(name)
    shares = classifier.probabilities(["卡丢了怎么办", "My transfer hasn't arrived"])
    assert shares.shape == (2, len(classifier.labels))
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-4)
