"""`teller eval classify|intent|sentiment`: how well texts are labelled."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bot.errors import ConfigError, Problem, TellerError
from inference.classify import TextClassifier
from inference.evaluation.jsonl import Fields, read_rows

__all__ = ["LabelledText", "measure", "read_labelled", "scores"]


class LabelledText(msgspec.Struct, frozen=True):
    """One line of a labelled set. Other keys are ignored."""

    text: str
    label: str
    family: str = ""
    """Siblings that must stay on one side of a split; empty: the text alone."""


def read_labelled(path: Path, field: str = "label") -> list[LabelledText]:
    """Read JSONL, the label from a field of that name. Raises ConfigError with the lines that can't be
    read, or for a file without rows."""
    rows = read_rows(path, lambda fields: _labelled(fields | {"label": fields.get(field)}))
    if not rows:
        raise ConfigError([Problem(str(path), 0, "holds no rows")])
    return rows


def _labelled(fields: Fields) -> LabelledText:
    if isinstance(fields.get("label"), int):
        fields["label"] = str(fields["label"])
    try:
        row = msgspec.convert(fields, LabelledText)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}; each line needs `text` and `label`") from None
    if not row.text.strip():
        raise ValueError("the text is empty")
    return row


def scores(truth: Sequence[str], given: Sequence[str]) -> dict[str, Any]:
    """`accuracy`, `macro_f1` over the labels of the truth, and by label precision, recall, F1 and count."""
    by_label = {}
    for label in sorted(set(truth)):
        right = sum(t == g == label for t, g in zip(truth, given, strict=True))
        expected, said = sum(t == label for t in truth), sum(g == label for g in given)
        precision = right / said if said else 0.0
        recall = right / expected
        f1 = 2 * precision * recall / (precision + recall) if right else 0.0
        by_label[label] = {
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "f1": round(f1, 4),
            "count": expected,
        }
    return {
        "cases": len(truth),
        "accuracy": round(sum(t == g for t, g in zip(truth, given, strict=True)) / len(truth), 4),
        "macro_f1": round(float(np.mean([entry["f1"] for entry in by_label.values()])), 4),
        "by_label": by_label,
    }


def measure(
    classifier: TextClassifier, rows: Sequence[LabelledText], *, strict: bool = True
) -> dict[str, Any]:
    """Scores of a trained classifier, and `docs_per_s` in batches of 64.

    Args:
        strict: whether labels that it doesn't know are an error, rather than counted as wrong.

    Raises:
        TellerError: rows with labels that it doesn't know.
    """
    unknown = sorted({row.label for row in rows} - set(classifier.labels))
    if unknown and strict:
        raise TellerError(
            f"the classifier doesn't know these labels: {', '.join(unknown[:10])}; "
            f"it knows {', '.join(classifier.labels[:10])}…"
        )
    texts = [row.text for row in rows]
    started = time.perf_counter()
    given = classifier.classify(texts)
    took = time.perf_counter() - started
    return scores([row.label for row in rows], given) | {"docs_per_s": round(len(rows) / took, 1)}
