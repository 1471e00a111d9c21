"""`teller train evaluate`: a run held against data, as JSON and as a page to read, beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bot.errors import InferenceUnavailable, TellerError
from inference.classify import TextClassifier
from inference.evaluation.classify import measure, read_labelled
from inference.training import runs

__all__ = ["evaluate"]


def evaluate(run: Path, data: Path, cache: Path) -> dict[str, Any]:
    """Score a finished run: a classifier on labelled texts, a generator on written dialogues.

    Leaves `evaluation-NAME.json` and `.md` in the run's folder, NAME being the data's.

    Raises:
        TellerError: the folder isn't a finished run's, or the data can't be read.
    """
    if (run / runs.WEIGHTS).is_file():
        report = _classifier(run, data)
    elif (run / runs.ADAPTER).is_dir() or (run / "model").is_dir():
        report = _generator(run, data, cache)
    else:
        raise TellerError(f"{run} isn't the folder of a finished run: it holds no weights")
    page = [f"# {run.name} on {data.name}", "", "| | |", "|---|---|", *_table(report)]
    try:
        (run / f"evaluation-{data.stem}.json").write_text(
            json.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8"
        )
        (run / f"evaluation-{data.stem}.md").write_text("\n".join(page) + "\n", "utf-8")
    except OSError as error:
        raise TellerError(f"{run} can't be written to: {error.strerror}") from error
    return report


def _classifier(run: Path, data: Path) -> dict[str, Any]:
    try:
        classifier = TextClassifier.load(run / runs.WEIGHTS)
    except (OSError, ValueError) as error:
        raise TellerError(f"{run / runs.WEIGHTS} can't be read: {error}; train again") from None
    return measure(classifier, read_labelled(data, _label(run)))


def _label(run: Path) -> str:
    """The field of the labels that the run was trained on."""
    try:
        return str(json.loads((run / "config.json").read_text("utf-8")).get("label", "label"))
    except (OSError, ValueError) as error:
        raise TellerError(f"{run} isn't the folder of a finished run: {error}") from None


def _generator(run: Path, data: Path, cache: Path) -> dict[str, Any]:
    # Torch: only where a generator is concerned.
    from inference.evaluation.dialogues import evaluate_dialogues
    from inference.generator.model import load
    from inference.training.dialogues import read_dialogues

    try:
        base = str(json.loads((run / "config.json").read_text("utf-8"))["base"])
        whole, adapter = run / "model", run / runs.ADAPTER
        if whole.is_dir():
            model = load(str(whole), cache=cache)
        else:
            model = load(base, cache=cache, adapter=str(adapter))
    except (OSError, ValueError, KeyError, InferenceUnavailable) as error:
        raise TellerError(f"the model of {run} can't be loaded: {error}") from error
    return evaluate_dialogues(model, read_dialogues(data))


def _table(report: dict[str, Any], before: str = "") -> list[str]:
    lines: list[str] = []
    for name, value in report.items():
        if isinstance(value, dict):
            lines += _table(value, f"{before}{name} · ")
        elif not isinstance(value, list):
            lines.append(f"| {before}{name} | {value} |")
    return lines
