"""Trains the risk classifier: python -m inference.training.attention [FILES] [--out FILE]

Multinomial logistic regression on the retriever's embeddings. Messages of one family stay on one side of
every split; the temperature is fitted on, and the figures are taken from, messages that weren't trained on
(five folds).
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.retrieval.adapter import AdaptedEncoder
from inference.rules.attention import ACTIONS

Array = NDArray[np.float32]
DATA = Path(__file__).parent / "data" / "risk"
FOLDS = 5


def read(paths: Sequence[Path]) -> Iterator[tuple[str, int, str]]:
    """(text, number of its action, family) of each case without a context; what depends on an amount or
    on the customer's age isn't in its words."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            if not case.get("context") and not case.get("before"):
                yield case["text"], ACTIONS.index(case["expected_action"]), case["family"]


def fit(x: Array, y: NDArray[np.int64], *, decay: float, steps: int = 600) -> tuple[Array, Array]:
    """Weights (dimension, 5) and bias (5,), by full-batch gradient descent with momentum."""
    count = np.bincount(y, minlength=len(ACTIONS)).clip(1)
    weight = (len(y) / (len(ACTIONS) * count))[y] ** 0.5
    weight /= weight.mean()
    target = np.eye(len(ACTIONS), dtype=np.float32)[y]
    w: Array = np.zeros((x.shape[1], len(ACTIONS)), np.float32)
    b: Array = np.zeros(len(ACTIONS), np.float32)
    vw, vb = np.zeros_like(w), np.zeros_like(b)
    for _ in range(steps):
        error: Array = ((softmax(x @ w + b) - target) * weight[:, None] / len(y)).astype(np.float32)
        vw = 0.9 * vw + x.T @ error + decay * w / len(y)
        vb = 0.9 * vb + error.sum(axis=0)
        w, b = (w - 4.0 * vw).astype(np.float32), (b - 4.0 * vb).astype(np.float32)
    return w.astype(np.float32), b.astype(np.float32)


def softmax(logits: Array) -> Array:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = (e / e.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def best_temperature(logits: Array, y: NDArray[np.int64]) -> float:
    """The one with the least log loss."""
    grid = np.geomspace(0.3, 4, 60)
    losses = [
        -np.log(softmax((logits / t).astype(np.float32))[np.arange(len(y)), y] + 1e-9).mean() for t in grid
    ]
    return float(grid[int(np.argmin(losses))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=Path("inference/rules/attention.npz"))
    parser.add_argument("--decay", type=float, default=1.0)
    options = parser.parse_args()
    cases = list(read(options.files or sorted(DATA.glob("*.jsonl"))))
    encoder = AdaptedEncoder()
    x = encoder.encode([text for text, _, _ in cases], "query")
    y = np.array([action for _, action, _ in cases])
    fold = np.array([zlib.crc32(family.encode()) % FOLDS for _, _, family in cases])
    held = np.zeros((len(y), len(ACTIONS)), np.float32)
    for k in range(FOLDS):
        w, b = fit(x[fold != k], y[fold != k], decay=options.decay)
        held[fold == k] = x[fold == k] @ w + b
    temperature = best_temperature(held, y)
    probabilities = softmax(held / temperature)
    danger = 1 - probabilities[:, 0]
    report = {
        "cases": len(y),
        "held_out_accuracy": round(float((held.argmax(axis=1) == y).mean()), 4),
        "temperature": round(temperature, 3),
        "raised_from": {
            str(t): {
                "harmless_raised": round(float((danger[y == 0] >= t).mean()), 4),
                "dangerous_raised": round(float((danger[y >= 3] >= t).mean()), 4),
            }
            for t in (0.8, 0.9, 0.95, 0.98)
        },
    }
    w, b = fit(x, y, decay=options.decay)
    np.savez_compressed(
        options.out,
        weights=w.astype(np.float16),
        bias=b,
        temperature=np.float32(temperature),
        encoder=np.array(encoder.name),
    )
    print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main()
