"""`teller eval classify`: any labelled set, trained and scored in one go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app, common
from bot.errors import TellerError
from inference.evaluation.classify import LabelledText, read_labelled
from inference.training.together import evaluate
from tests.inference.training.test_classify import TEXTS, write_rows

ROWS = [LabelledText(text, label) for label, texts in TEXTS.items() for text in texts]
TRAIN = [LabelledText(f"{row.text} {n}", row.label) for row in ROWS for n in range(4)]

WITHOUT_TORCH = """
import sys

class Missing:
    @staticmethod
    def find_spec(name, *_):
        if name == "torch":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing)
from bot.cli import app
"""


def test_both_parts_are_trained_and_scored() -> None:
    report = evaluate(TRAIN, [*ROWS, TRAIN[0]], other="weather", epochs=1, layers=1)
    assert report["accuracy"] > 0.6
    assert {"words", "tuned", "in_scope_accuracy", "oos_recall"} <= report.keys()
    assert report["overlap"] == 1


def test_a_label_for_all_others_must_be_some_rows() -> None:
    with pytest.raises(TellerError, match="no row has the label 'wether'"):
        evaluate(TRAIN, ROWS, other="wether", epochs=0, layers=1)
    only_tested = [*ROWS, LabelledText("把门关上", "none")]
    assert evaluate(TRAIN, only_tested, other="none", epochs=0, layers=1)["oos_recall"] is not None


def test_without_torch_the_bag_of_words_is_scored_alone(tmp_path: Path) -> None:
    train, test = write_rows(tmp_path / "train.jsonl", TEXTS), write_rows(tmp_path / "test.jsonl", TEXTS)
    arguments = ["eval", "classify", "--train", str(train), "--test", str(test), "--epochs", "0"]
    program = WITHOUT_TORCH + f"app({arguments})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["overlap"] == len(ROWS)


@pytest.mark.parametrize("command", ["train classify {0}", "eval classify --train {0} --test {0}"])
def test_without_torch_it_is_asked_for(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "find_spec", lambda _: None)
    done = CliRunner().invoke(app, command.format(write_rows(tmp_path / "rows.jsonl", TEXTS)).split())
    assert done.exit_code == 1
    assert "training needs torch" in done.output


def test_labels_are_stripped_and_nulls_are_as_absent(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": " card ", "family": null}\n{"text": "b", "label": 3}\n')
    assert read_labelled(path) == [LabelledText("a", "card"), LabelledText("b", "3")]
    path.write_text('{"text": "a", "label": " "}\n')
    with pytest.raises(TellerError, match="the label is empty"):
        read_labelled(path)
