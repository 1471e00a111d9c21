"""Whether what was trained may take the place of what is in use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import InferenceUnavailable, TellerError
from inference.classify import TextClassifier, load_classifier
from inference.evaluation.classify import LabelledText, measure, read_labelled
from inference.generator.identity import BASE, adapter_in_use, base_of, identity
from inference.training import runs

__all__ = ["Configured", "promote"]


@dataclass(frozen=True, slots=True)
class Configured:
    """What the counter is told to load for its generator."""

    model: str = BASE
    """`inference.model`, as `inference.generator.model.load` takes it."""
    adapter: str = "auto"
    """`inference.adapter`."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A finished run, its weights those that its metrics speak of."""

    folder: Path
    name: str
    sha256: str
    base: str
    """Of a generator."""
    label: str
    """Of a classifier: the field of its labels."""
    generator: bool


def promote(
    run: Path, models: Path, gate: Path, cache: Path, configured: Configured | None = None
) -> dict[str, Any]:
    """Put a run's weights into use if they are no worse on the gate set than what is in use: a classifier
    by its macro F1 on labelled texts, a generator by the likeness of its replies to those of written
    dialogues.

    Args:
        cache: folder of the unpacked base, for a generator.
        configured: what the counter loads, for a generator; the packaged base and `auto` where it isn't told.

    Returns:
        `name`, `run`, `macro_f1` (or `likeness`) of the candidate and `before` of what was in use (None for
        nothing).

    Raises:
        TellerError: the folder isn't a finished run, its weights aren't those its metrics speak of, the
            counter wouldn't load them, or the candidate is worse. What is in use stays.
    """
    found, configured = _read(run), configured or Configured()
    if found.generator:
        _need_loadable(found, configured)
    with runs.changing(models, found.name):
        if found.generator:
            what, (score, before) = "likeness", _generators(found, models, gate, cache, configured.model)
        else:
            what, (score, before) = "macro_f1", _classifiers(found, models, gate)
        if before is not None and score < before:
            raise TellerError(
                f"{run.name} is worse than the {found.name} in use on {gate}: {what} {score:.4f} against "
                f"{before:.4f}; nothing was changed"
            )
        runs.promote(models, found.name, run, found.sha256, score, runs.sha256(gate))
    return {"name": found.name, "run": run.name, what: score, "before": before}


def _read(run: Path) -> _Run:
    generator = (run / runs.ADAPTER).is_dir()
    weights = run / runs.ADAPTER / runs.ADAPTER_WEIGHTS if generator else run / runs.WEIGHTS
    try:
        metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        config = json.loads((run / "config.json").read_text(encoding="utf-8"))
        name, base = str(config["name"]), str(config.get("base", ""))
        label = str(config.get("label", "label"))
        found = runs.sha256(weights)
    except (OSError, ValueError, KeyError) as error:
        if (run / "model").is_dir():
            raise TellerError(
                f"{run} holds a whole model, not an adapter: set inference.model to {run / 'model'} instead"
            ) from None
        raise TellerError(f"{run} isn't the folder of a finished run: {error}") from None
    told = metrics.get("sha256")
    if generator and isinstance(told, dict):
        told = told.get(f"{runs.ADAPTER}/{runs.ADAPTER_WEIGHTS}")
    if told != found:
        raise TellerError(f"{weights} isn't what the run made: its SHA-256 isn't that of metrics.json")
    if generator:
        name = runs.GENERATOR  # there is one, whatever its runs are called
    elif name == runs.GENERATOR:
        raise TellerError(
            f"a classifier can't be called {name!r}: that is the generator's name; train it under another"
        )
    return _Run(run, name, found, base, label, generator)


# ── classifiers ──


def _classifiers(run: _Run, models: Path, gate: Path) -> tuple[float, float | None]:
    rows = read_labelled(gate, run.label)
    try:
        candidate = TextClassifier.load(run.folder / runs.WEIGHTS)
    except (OSError, ValueError) as error:
        raise TellerError(f"{run.folder / runs.WEIGHTS} can't be read: {error}; train again") from None
    return float(measure(candidate, rows)["macro_f1"]), _classifier_in_use(run.name, models, rows)


def _classifier_in_use(name: str, models: Path, rows: Sequence[LabelledText]) -> float | None:
    """Macro F1 of what is in use, labels it doesn't know counted as wrong; None if nothing usable is."""
    try:
        return float(measure(load_classifier(name, models), rows, strict=False)["macro_f1"])
    except TellerError:
        return None


# ── generators ──


def _need_loadable(run: _Run, configured: Configured) -> None:
    """Raises TellerError where the counter would never load the adapter."""
    if configured.adapter != "auto":
        raise TellerError(
            f"the counter wouldn't load it: inference.adapter is {configured.adapter!r}; set it to auto"
        )
    if base_of(run.folder / runs.ADAPTER) != identity(configured.model):
        told = "packaged" if run.base == BASE else run.base
        raise TellerError(
            f"the counter wouldn't load it: {run.name} was trained on {run.base!r}, and inference.model is "
            f"{configured.model!r}; set that to {told!r}, or train on the model in use"
        )


def _generators(run: _Run, models: Path, gate: Path, cache: Path, model: str) -> tuple[float, float | None]:
    """Likeness of the candidate, and of what the counter loads now."""
    # Torch: only where a generator is concerned.
    from inference.evaluation.dialogues import evaluate_dialogues
    from inference.generator.model import load
    from inference.training.dialogues import read_dialogues

    dialogues = read_dialogues(gate)

    def likeness(adapter: str) -> float:
        return float(evaluate_dialogues(load(model, cache=cache, adapter=adapter), dialogues)["likeness"])

    try:
        score = likeness(str(run.folder / runs.ADAPTER))
    except InferenceUnavailable as error:
        raise TellerError(str(error)) from error
    if not score:
        raise TellerError(f"{run.name} says nothing of what {gate} says (likeness 0); nothing was changed")
    try:
        return score, likeness(adapter_in_use(models / run.name / runs.ADAPTER, model))
    except InferenceUnavailable as error:
        raise TellerError(
            f"what is in use can't be held against it ({error}): mend that, or go back from it with `teller "
            f"train rollback {run.name}`; nothing was changed"
        ) from error
