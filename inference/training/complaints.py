"""Trains the complaint classifier: python -m inference.training.complaints [--out FILE] [--folds]

Multinomial logistic regression over counts of concepts, alone and together with the retriever's embeddings.
The `held_out*` files aren't trained on. With --folds, figures by cross-validation in
which messages of one family stay on one side of every split: that is what words and settings were tuned on.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inference.complaints.classifier import Complaint, Complaints
from inference.complaints.heads import OUTPUTS, SPREAD, Array, Heads
from inference.complaints.words import DEPARTMENTS, SEVERITIES, load_words
from inference.evaluation.complaints import ComplaintCase, measure, read_cases
from inference.probabilities import softmax
from inference.retrieval.adapter import AdaptedEncoder
from inference.training.ordinary import ordinary

DATA = Path(__file__).parent / "data" / "complaints"
HELD_OUT = "held_out.jsonl"
FOLDS = 5
DECAY = {"words": 1.0, "both": 1.0}
DROPPED = (0.0, 0.5)
"""Shares of concepts that are hidden, a copy of all messages for each."""
SEED = 7
ORDINARY = 2500
"""Ordinary questions that it learns to leave alone."""
PLAIN = "plain:"
"""What their families begin with."""
SHARED = 0.3
"""What acceptable departments get together of the target, beside 1 for the expected one."""


def training_cases() -> list[ComplaintCase]:
    paths = [path for path in sorted(DATA.glob("*.jsonl")) if not path.name.startswith("held_out")]
    return [case for path in paths for case in read_cases(path)]


def plain_cases(folder: Path) -> list[ComplaintCase]:
    """Ordinary questions: no complaints, and nothing is said of department and severity."""
    return [
        ComplaintCase(text, "contact_center", "P4", False, family=f"{PLAIN}{entry}")
        for text, entry in ordinary(folder, ORDINARY)
    ]


def targets(cases: Sequence[ComplaintCase]) -> dict[str, Array]:
    """By head, shape (cases, classes), rows summing to one, or nothing where a head has nothing to learn."""
    found = {name: np.zeros((len(cases), classes), np.float32) for name, classes in OUTPUTS.items()}
    for n, case in enumerate(cases):
        found["complaint"][n, int(case.is_complaint)] = 1
        if case.family.startswith(PLAIN):
            continue
        found["severity"][n, SEVERITIES.index(case.expected_severity)] = 1
        row = found["department"][n]
        for other in case.acceptable_departments:
            row[DEPARTMENTS.index(other)] += SHARED / len(case.acceptable_departments)
        row[DEPARTMENTS.index(case.expected_department)] = 1
        row /= row.sum()
    return found


def fit(x: Array, target: Array, *, decay: float, steps: int = 500) -> Array:
    """Weights with the bias as their last row, shape (columns + 1, classes), by full-batch gradient
    descent with momentum; the bias isn't decayed."""
    count = target.sum(axis=0).clip(1)
    weight = np.sqrt((target / count).sum(axis=1) * len(x) / target.shape[1])
    weight /= weight.mean()
    rate = 1.5 / (np.linalg.norm(x, 2) ** 2 / len(x) + 1)
    w = np.zeros((x.shape[1], target.shape[1]), np.float64)
    b = np.zeros(target.shape[1], np.float64)
    vw, vb = np.zeros_like(w), np.zeros_like(b)
    for _ in range(steps):
        error = (softmax((x @ w + b).astype(np.float32)) - target) * weight[:, None] / len(x)
        vw = 0.9 * vw + x.T @ error + decay * w / len(x)
        vb = 0.9 * vb + error.sum(axis=0)
        w, b = w - rate * vw, b - rate * vb
    return np.vstack([w, b]).astype(np.float32)


def train(vectors: Array, features: Array, cases: Sequence[ComplaintCase], encoder: str) -> Heads:
    centre = vectors.mean(axis=0)
    # The words were written with these messages in mind; others won't hold so many of them.
    chance = np.random.default_rng(SEED)
    copies = [features * (chance.random(features.shape) >= drop) for drop in DROPPED]
    features = np.vstack(copies).astype(np.float32)
    vectors, cases = np.vstack([vectors] * len(copies)), list(cases) * len(copies)
    rows = {"words": features, "both": np.hstack([(vectors - centre) * SPREAD, features])}
    wanted = targets(cases)
    weights = {
        f"{given}.{name}": fit(x, wanted[name], decay=DECAY[given])
        for given, x in rows.items()
        for name in OUTPUTS
    }
    return Heads(weights, centre, encoder)


def folds(
    vectors: Array, features: Array, cases: Sequence[ComplaintCase], *, failures: bool
) -> dict[str, object]:
    """Figures of words by hand, words with heads, and both, on messages of families not trained on."""
    fold = np.array([zlib.crc32(case.family.encode()) % FOLDS for case in cases])
    found: dict[str, list[Complaint]] = {"hand": [], "words": [], "both": []}
    order: list[int] = []
    for k in range(FOLDS):
        inside = [int(n) for n in np.flatnonzero(fold != k)]
        heads = train(vectors[inside], features[inside], [cases[n] for n in inside], "")
        for n in map(int, np.flatnonzero(fold == k)):
            order.append(n)
            found["hand"].append(Complaints().classify(cases[n].text))
            found["words"].append(Complaints(heads=heads).classify(cases[n].text))
            found["both"].append(Complaints(heads=heads).classify(cases[n].text, vectors[n]))
    sorted_cases = [cases[n] for n in order]
    return {
        given: measure(sorted_cases, results, failures=failures and given == "both")
        for given, results in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("inference/complaints/heads.npz"))
    parser.add_argument("--knowledge", type=Path, default=Path("config/knowledge"))
    parser.add_argument("--folds", action="store_true", help="cross-validate first")
    parser.add_argument("--failures", action="store_true", help="with --folds: show what was wrong")
    options = parser.parse_args()
    words, encoder = load_words(), AdaptedEncoder()
    cases = [*training_cases(), *plain_cases(options.knowledge)]
    vectors = encoder.encode([case.text for case in cases], "query")
    features = np.stack([words.read(case.text).features for case in cases])
    if options.folds:
        report = folds(vectors, features, cases, failures=options.failures)
        print(json.dumps(report, ensure_ascii=False, indent=None if not options.failures else 1))  # noqa: T201
    heads = train(vectors, features, cases, encoder.name)
    kept = {name: weights.astype(np.float16) for name, weights in heads.weights.items()}
    kept["centre"] = heads.centre.astype(np.float16)
    np.savez_compressed(options.out, encoder=np.array(heads.encoder), **kept)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
