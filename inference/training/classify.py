"""`teller train classify`: a classifier from labelled texts.

    rows ─► held out by family ─► upper layers and a head, tuned ─► temperature, threshold, report ─► one file

The linear baseline (logistic regression on words' and characters' TF-IDF) is trained beside it on the same
rows, so that the report says what the tuning is worth.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.errors import TellerError
from inference.classify.model import folded
from inference.evaluation.classify import LabelledText, scores
from inference.retrieval.adapter import packaged_model
from inference.retrieval.e5_file import E5File
from inference.training.finetune import Settings, best_temperature, fine_tune, retrieval_adapter, softmax

__all__ = ["Trained", "split", "train_classifier"]

_log = logging.getLogger(__name__)
Arrays = dict[str, NDArray[np.generic]]
FEWEST = 2
"""Rows that every label needs."""
KEPT_KNOWN = 0.98
"""Share of held-out texts of known labels that the threshold for `other` must not touch."""


@dataclass(frozen=True, slots=True)
class Trained:
    arrays: Arrays
    """What `TextClassifier` reads."""
    report: dict[str, Any]


def split(
    rows: Sequence[LabelledText], share: float, seed: int = 0
) -> tuple[list[LabelledText], list[LabelledText]]:
    """(to train on, held out); siblings stay together, and every label keeps some rows to train on."""
    held: list[LabelledText] = []
    kept: list[LabelledText] = []
    for row in rows:
        key = f"{seed}|{row.label}|{row.family or row.text}"
        (held if zlib.crc32(key.encode()) % 10_000 < share * 10_000 else kept).append(row)
    missing = {row.label for row in held} - {row.label for row in kept}
    kept += [row for row in held if row.label in missing]
    return kept, [row for row in held if row.label not in missing]


def train_classifier(
    train: Sequence[LabelledText],
    held_out: Sequence[LabelledText],
    settings: Settings,
    *,
    other: str = "",
) -> Trained:
    """Tune on one part, fit temperature and threshold on the other, and score it there.

    Args:
        other: the label of what is none of the others; it is trained like any label, and texts that no label
            is likely enough for get it too.

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
    start = retrieval_adapter()
    y = [labels.index(row.label) for row in train]
    tuned = fine_tune([folded(row.text) for row in train], y, len(labels), settings, start)
    known = [row for row in held_out if row.label in counts]
    logits = tuned.logits([folded(row.text) for row in known])
    truth = np.array([labels.index(row.label) for row in known])
    temperature = best_temperature(logits, truth.tolist())
    shares = softmax(logits / np.float32(temperature))
    arrays = tuned.arrays(E5File.read(packaged_model()), start, labels, temperature)
    given = shares.argmax(axis=1)
    report: dict[str, Any] = {"labels": len(labels), "train": len(train), "held_out": len(known)}
    if other:
        at = labels.index(other)
        sure = shares.max(axis=1)
        inside = (truth != at) & (given == truth)
        below = float(np.quantile(sure[inside], 1 - KEPT_KNOWN)) if inside.any() else 0.0
        given = np.where(sure < below, at, given)
        arrays |= {"other": np.array(other), "other_below": np.array(below)}
        outside = truth == at
        report |= {
            "other_below": round(below, 4),
            "in_scope_accuracy": round(float((given == truth)[~outside].mean()), 4)
            if (~outside).any()
            else None,
            "other_recall": round(float((given == truth)[outside].mean()), 4) if outside.any() else None,
        }
    report |= scores([row.label for row in known], [labels[n] for n in given])
    report["temperature"] = round(temperature, 3)
    return Trained(arrays, report)
