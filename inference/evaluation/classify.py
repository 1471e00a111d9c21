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
from inference.evaluation.jsonl import Fields, read_rows, without_nulls

__all__ = ["LabelledText", "in_scope", "measure", "read_labelled", "scores"]


class LabelledText(msgspec.Struct, frozen=True):
    """One line of a labelled set. Other keys are ignored, and a null is as good as a missing one."""

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
    fields = without_nulls(fields)
    if isinstance(fields.get("label"), int | str):
        fields["label"] = str(fields["label"]).strip()
    try:
        row = msgspec.convert(fields, LabelledText)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}; each line needs `text` and `label`") from None
    if not row.text.strip():
        raise ValueError("the text is empty")
    if not row.label:
        raise ValueError("the label is empty")
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
    """Scores of a trained classifier, and `docs_per_s` in batches of 64; where it has a label for all other
    texts, `in_scope_accuracy` and `other_recall` (None for no such rows).

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
    truth = [row.label for row in rows]
    report = scores(truth, given) | {"docs_per_s": round(len(rows) / took, 1)}
    if classifier.other:
        report["in_scope_accuracy"], report["other_recall"] = in_scope(truth, given, classifier.other)
    return report


def in_scope(truth: Sequence[str], given: Sequence[str], other: str) -> tuple[float | None, float | None]:
    """(accuracy on rows whose label isn't `other`, share found of those whose label is); None for no rows."""
    pairs = list(zip(truth, given, strict=True))

    def share(rows: Sequence[tuple[str, str]]) -> float | None:
        return round(sum(t == g for t, g in rows) / len(rows), 4) if rows else None

    return share([p for p in pairs if p[0] != other]), share([p for p in pairs if p[0] == other])
