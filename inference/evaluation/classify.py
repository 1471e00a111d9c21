"""`teller eval classify|intent|sentiment`: how well texts are labelled."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bot.errors import TellerError
from inference.classify import TextClassifier

__all__ = ["LabelledText", "measure", "read_labelled", "scores"]

Predict = Callable[[Sequence[str]], Sequence[str]]


class LabelledText(msgspec.Struct, frozen=True):
    """One line of a labelled set. Other keys are ignored."""

    text: str
    label: str
    family: str = ""
    """Siblings that must stay on one side of a split; empty: the text alone."""


def read_labelled(path: Path) -> list[LabelledText]:
    """Read JSONL. Raises TellerError with the line that can't be read, or for a file without rows."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TellerError(f"{path} can't be read as UTF-8 text: {error}") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            if isinstance(data, dict) and isinstance(data.get("label"), int):
                data["label"] = str(data["label"])
            row = msgspec.convert(data, LabelledText)
        except (ValueError, TypeError) as error:
            raise TellerError(f"{path}:{number}: {error}; each line needs `text` and `label`") from None
        if not row.text.strip():
            raise TellerError(f"{path}:{number}: the text is empty")
        rows.append(row)
    if not rows:
        raise TellerError(f"{path} holds no rows")
    return rows


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
