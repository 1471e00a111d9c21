"""Whether a trained classifier may take the place of the one in use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.errors import TellerError
from inference.classify import TextClassifier, load_classifier
from inference.evaluation.classify import LabelledText, measure, read_labelled
from inference.training import runs

__all__ = ["promote"]


def promote(run: Path, models: Path, gate: Path) -> dict[str, Any]:
    """Put a run's weights into use if they are no worse on the gate set (macro F1) than what is in use.

    Returns:
        `name`, `run`, `macro_f1` of the candidate and `before` of what was in use (None for nothing).

    Raises:
        TellerError: the folder isn't a finished run, its weights aren't those its metrics speak of, or the
            candidate is worse. What is in use stays.
    """
    weights = run / runs.WEIGHTS
    try:
        metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        name = str(json.loads((run / "config.json").read_text(encoding="utf-8"))["name"])
        found = runs.sha256(weights)
    except (OSError, ValueError, KeyError) as error:
        raise TellerError(f"{run} isn't the folder of a finished run: {error}") from None
    if metrics.get("sha256") != found:
        raise TellerError(f"{weights} isn't what the run made: its SHA-256 isn't that of metrics.json")
    rows = read_labelled(gate)
    try:
        candidate = TextClassifier.load(weights)
    except (OSError, ValueError) as error:
        raise TellerError(f"{weights} can't be read: {error}; train again") from None
    score = float(measure(candidate, rows)["macro_f1"])
    before = _in_use(name, models, rows)
    if before is not None and score < before:
        raise TellerError(
            f"{run.name} is worse than the {name} in use on {gate}: macro F1 {score:.4f} "
            f"against {before:.4f}; nothing was changed"
        )
    runs.promote(models, name, run, score, runs.sha256(gate))
    return {"name": name, "run": run.name, "macro_f1": score, "before": before}


def _in_use(name: str, models: Path, rows: Sequence[LabelledText]) -> float | None:
    """Macro F1 of what is in use, labels it doesn't know counted as wrong; None if nothing usable is."""
    try:
        return float(measure(load_classifier(name, models), rows, strict=False)["macro_f1"])
    except TellerError:
        return None
