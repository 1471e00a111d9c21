"""Trains the risk classifier: python -m inference.training.attention [FILES] [--out FILE]

Multinomial logistic regression on embeddings and character n-grams. Harmless questions of the knowledge
stand beside the written cases. Messages of one family stay on one side of every split; temperature
and thresholds are fitted on, and the figures are taken from, messages that weren't trained on (five folds).
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
from inference.retrieval.knowledge import load_knowledge
from inference.rules.attention import ACTIONS, features

Array = NDArray[np.float32]
Labels = NDArray[np.int64]
DATA = Path(__file__).parent / "data" / "risk"
FOLDS = 5
ORDINARY = 1200
"""Questions of the knowledge that are added as harmless."""
SAFETY_TOPICS = ("security", "complaints")
"""Their questions speak of danger themselves."""


def read(paths: Sequence[Path]) -> Iterator[tuple[str, int, str]]:
    """(text, number of its action, family) of each case without a context; what depends on an amount or
    on the customer's age isn't in its words."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            if not case.get("context") and not case.get("before"):
                yield case["text"], ACTIONS.index(case["expected_action"]), case["family"]


def ordinary(folder: Path) -> list[tuple[str, int, str]]:
    """Questions of the knowledge, as harmless cases."""
    knowledge = load_knowledge(folder)
    found = {
        question: item.passage.id
        for language in ("zh", "en")
        for item in knowledge.items(language)
        if item.passage.topic not in SAFETY_TOPICS
        for question in item.questions
    }
    chosen = sorted(found, key=lambda question: zlib.crc32(question.encode()))[:ORDINARY]
    return [(question, 0, found[question]) for question in chosen]


def fit(x: Array, y: Labels, *, decay: float, steps: int = 250, rate: float = 2.0) -> tuple[Array, Array]:
    """Weights (features, 5) and bias (5,), by full-batch gradient descent with momentum."""
    count = np.bincount(y, minlength=len(ACTIONS)).clip(1)
    weight = ((len(y) / (len(ACTIONS) * count))[y] ** 0.5).astype(np.float32)
    weight /= weight.mean() * len(y)
    target = np.eye(len(ACTIONS), dtype=np.float32)[y]
    w = np.zeros((x.shape[1], len(ACTIONS)), np.float32)
    b = np.zeros(len(ACTIONS), np.float32)
    vw, vb = np.zeros_like(w), np.zeros_like(b)
    for _ in range(steps):
        error = (softmax(x @ w + b) - target) * weight[:, None]
        vw = np.float32(0.9) * vw + x.T @ error + np.float32(decay / len(y)) * w
        vb = np.float32(0.9) * vb + error.sum(axis=0)
        w = w - np.float32(rate) * vw
        b = b - np.float32(rate) * vb
    return w, b


def softmax(logits: Array) -> Array:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = (e / e.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def best_temperature(logits: Array, y: Labels) -> float:
    """The one with the least log loss."""
    grid = np.geomspace(0.2, 4, 60)
    rows = np.arange(len(y))
    losses = [-np.log(softmax(logits / np.float32(t))[rows, y] + 1e-9).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def threshold(scores: Array, harmless: NDArray[np.bool_], share: float) -> float:
    """The least score that at most this share of the harmless reach."""
    return float(np.quantile(scores[harmless], 1 - share)) + 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--knowledge", type=Path, default=Path("config/knowledge"))
    parser.add_argument("--out", type=Path, default=Path("inference/rules/attention.npz"))
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument(
        "--warned", type=float, default=0.06, help="share of harmless cases that may be warned"
    )
    parser.add_argument("--handed", type=float, default=0.005, help="share that a person may have to look at")
    options = parser.parse_args()
    written = list(read(options.files or sorted(DATA.glob("*.jsonl"))))
    cases = written + ordinary(options.knowledge)
    encoder = AdaptedEncoder()
    vectors = encoder.encode([text for text, _, _ in cases], "query")
    centre = vectors.mean(axis=0)
    scale = float(2 / (np.sqrt(vectors.shape[1]) * (vectors - centre).std()))
    x = np.stack([features(t, v, centre, scale) for (t, _, _), v in zip(cases, vectors, strict=True)])
    y = np.array([action for _, action, _ in cases])
    fold = np.array([zlib.crc32(family.encode()) % FOLDS for _, _, family in cases])
    held = np.zeros((len(y), len(ACTIONS)), np.float32)
    for k in range(FOLDS):
        w, b = fit(x[fold != k], y[fold != k], decay=options.decay)
        held[fold == k] = x[fold == k] @ w + b
    temperature = best_temperature(held, y)
    p = softmax(held / np.float32(temperature))
    danger = (1 - p[:, 0]).astype(np.float32)
    own = np.arange(len(y)) < len(written)
    harmless = (y == 0) & own
    warn_from = threshold(danger, harmless, options.warned)
    escalate_from = threshold(p[:, 3], harmless, options.handed)
    grave = (y >= 3) & own
    report = {
        "cases": len(written),
        "ordinary": len(cases) - len(written),
        "held_out_accuracy": round(float((held.argmax(axis=1) == y)[own].mean()), 4),
        "temperature": round(temperature, 3),
        "warn_from": round(warn_from, 4),
        "escalate_from": round(escalate_from, 4),
        "grave_raised": round(float((danger[grave] >= warn_from).mean()), 4),
        "harmless_raised": round(float((danger[harmless] >= warn_from).mean()), 4),
        "ordinary_raised": round(float((danger[~own] >= warn_from).mean()), 4),
    }
    w, b = fit(x, y, decay=options.decay)
    numbers = {
        "temperature": temperature,
        "scale": scale,
        "warn_from": warn_from,
        "escalate_from": escalate_from,
    }
    arrays = {"weights": w.astype(np.float16), "bias": b, "centre": centre, "encoder": np.array(encoder.name)}
    arrays |= {name: np.array(number) for name, number in numbers.items()}
    np.savez_compressed(options.out, allow_pickle=False, **arrays)
    print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main()
