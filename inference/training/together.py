"""`teller eval classify`: how well this machinery learns any labelled set.

The tuned encoder knows meanings, the bag of words and characters knows wordings; the mean of their
probabilities is better than either. Both see the same rows; the share of each and the threshold for texts
outside of all labels are fitted on a held-out part of the training rows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.errors import TellerError
from inference.classify.model import folded
from inference.classify.words import mixed
from inference.evaluation.classify import LabelledText, in_scope, scores
from inference.probabilities import softmax
from inference.training.split import split
from inference.training.words import WordModel

__all__ = ["evaluate"]

Shares = NDArray[np.float32]
HELD = 0.08
"""Share of the training rows that weights and threshold are fitted on."""
KNOWN_KEPT = 0.995
"""Share of the held-out texts of known labels that stay above the threshold."""


def evaluate(
    train: Sequence[LabelledText], test: Sequence[LabelledText], *, other: str = "", epochs: int, layers: int
) -> dict[str, Any]:
    """Train and score; without torch where `epochs` is 0. `other` is taken to be `oos` where that is a label.

    Returns:
        `overlap` (texts of both sets), `accuracy`, `macro_f1`, `docs_per_s`, each part alone, and where there
        is a label for all other texts `in_scope_accuracy` and `oos_recall`.

    Raises:
        TellerError: fewer than two labels, or no row has the label `other`.
    """
    labels = sorted({row.label for row in train})
    if len(labels) < 2:
        raise TellerError(f"there is nothing to tell apart: all {len(train)} rows have the label {labels}")
    if other and not any(row.label == other for row in (*train, *test)):
        raise TellerError(f"no row has the label {other!r} that stands for all other texts")
    other = other or ("oos" if "oos" in labels or any(row.label == "oos" for row in test) else "")
    known, held = split(train, HELD)
    if not held:
        raise TellerError(f"{len(train)} rows are too few to hold some of them out")
    truth = np.array([labels.index(row.label) for row in held])
    started = time.perf_counter()
    words = WordModel.fit(
        [row.text for row in known], [labels.index(row.label) for row in known], len(labels)
    )
    parts = {"words": (words.probabilities([row.text for row in held]), words.probabilities)}
    if epochs:
        from inference.training.finetune import Settings, best_temperature, tune

        settings = Settings(layers=layers, epochs=epochs, batch=32, longest=64, smoothing=0.1)
        tuned = tune(known, labels, settings)
        logits = tuned.logits([row.text for row in held])
        temperature = np.float32(best_temperature(logits, truth.tolist()))

        def tuned_shares(texts: Sequence[str]) -> Shares:
            return softmax(tuned.logits(texts) / temperature)

        parts["tuned"] = (softmax(logits / temperature), tuned_shares)
    took = time.perf_counter() - started
    weight = _best_weight(parts, truth)
    mixed = _mix({name: shares for name, (shares, _) in parts.items()}, weight)
    below = _threshold(mixed, truth, labels, other)
    texts = [row.text for row in test]
    started = time.perf_counter()
    alone = {name: predict(texts) for name, (_, predict) in parts.items()}
    seconds = time.perf_counter() - started
    shares = _mix(alone, weight)
    given = _decide(shares, labels, other, below)
    expected = [row.label for row in test]
    report: dict[str, Any] = {
        "train": len(train),
        "overlap": len({folded(row.text) for row in train} & {folded(row.text) for row in test}),
        "labels": len(labels),
        "trained_s": round(took, 1),
        "weight_of_tuned": round(weight, 2),
        **{
            name: {"accuracy": scores(expected, _decide(found, labels, "", 0.0))["accuracy"]}
            for name, found in alone.items()
        },
    }
    if other:
        report["other_below"] = round(below, 4)
        report["in_scope_accuracy"], report["oos_recall"] = in_scope(expected, given, other)
    report |= {k: v for k, v in scores(expected, given).items() if k != "by_label"}
    report["docs_per_s"] = round(len(texts) / seconds, 1)
    return report


def _mix(parts: dict[str, Shares], weight: float) -> Shares:
    """Geometric mean: what either finds impossible stays unlikely."""
    if "tuned" not in parts:
        return parts["words"]
    return mixed([(parts["tuned"], weight), (parts["words"], 1 - weight)])


def _best_weight(parts: dict[str, Any], truth: NDArray[np.int64]) -> float:
    """The tuned part's share with the least log loss."""
    if "tuned" not in parts:
        return 0.0
    shares = {name: found for name, (found, _) in parts.items()}
    rows = np.arange(len(truth))
    grid = np.linspace(0.3, 1.0, 15)
    losses = [-np.log(_mix(shares, float(w))[rows, truth] + 1e-9).mean() for w in grid]
    return float(grid[int(np.argmin(losses))])


def _threshold(shares: Shares, truth: NDArray[np.int64], labels: Sequence[str], other: str) -> float:
    """The probability of the likeliest label below which a text counts as `other`."""
    if not other:
        return 0.0
    outside = labels.index(other) if other in labels else -1
    right = (shares.argmax(axis=1) == truth) & (truth != outside)
    return float(np.quantile(shares.max(axis=1)[right], 1 - KNOWN_KEPT)) if right.any() else 0.0


def _decide(shares: Shares, labels: Sequence[str], other: str, below: float) -> list[str]:
    likeliest, sure = shares.argmax(axis=1), shares.max(axis=1)
    return [other if other and p < below else labels[n] for n, p in zip(likeliest, sure, strict=True)]
