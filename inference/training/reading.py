"""Fits the weights that find answers in texts: python -m inference.training.reading [--cache DIR]

Learns from the grounded dialogues. The gold clause of a turn is the one of its passage that the reply
stands on (`inference.reading.support`); turns without a clear one are left out. Each turn is seen twice:
in its passage, and in a long document made of it and other passages. Whole families are held out; the
report compares on them with the first sentence, and with the clause that shares most with the question.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from inference.reading.features import (
    DENSE,
    LEXICAL,
    Matrix,
    Question,
    dense_features,
    lexical_features,
)
from inference.reading.passage import Passage, analyse
from inference.reading.runs import shortest_run
from inference.reading.support import support
from inference.reading.weights import Weights, WeightsFile
from inference.retrieval.adapter import AdaptedEncoder
from inference.retrieval.embedding import CachedEncoder
from inference.retrieval.text import Analyser
from inference.training.dialogues import GROUNDED, Dialogue, read_dialogues
from inference.training.split import held_out_by

__all__ = ["Asked", "asked", "fit", "long_documents", "main", "report_of"]

DATA = Path(__file__).parent / "data" / "dialogues"
OUT = Path(__file__).parents[1] / "reading" / "weights.json"
HELD_OUT = 0.2
COMPANIONS = 9
"""Other passages of a long document."""
DECAY = 30.0
"""Ridge on standardised features."""
STEPS = 12
PRECISION = 0.8
"""How often a clause that is taken for the answer must be the gold one, on what was trained on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the text it is asked of, and which of its clauses is the answer."""

    question: Question
    passage: Passage
    gold: int


Example = tuple[Matrix, int]
"""Features of the clauses, shape (clauses, features), and which is gold."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Fit the reading weights.")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--cache", type=Path, help="folder for embeddings")
    options = parser.parse_args(arguments)
    analyser, encoder = Analyser(), CachedEncoder(AdaptedEncoder(), options.cache)
    dialogues = [dialogue for path in sorted(DATA.glob("*.jsonl")) for dialogue in read_dialogues(path)]
    kept, held = held_out_by(dialogues, lambda dialogue: dialogue.family, HELD_OUT)
    sets = {}
    for name, part in (("training", kept), ("held out", held)):
        alone = asked(part, analyser)
        sets[name] = (alone, long_documents(alone, analyser))
    fitted = {}
    for name, given, names in (("lexical", None, LEXICAL), ("dense", encoder, (*LEXICAL, *DENSE))):
        examples = [_examples(rows, given) for rows in sets["training"]]
        weights = Weights(fit(examples, names), 1.0)
        fitted[name] = Weights(weights.values, _clear(sets["training"], examples, weights))
    encoder.save()
    file = WeightsFile("python -m inference.training.reading", **fitted)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(file)) + b"\n")
    report: dict[str, Any] = {"training turns": len(sets["training"][0])}
    for where, rows in zip(("passages", "long documents"), sets["held out"], strict=True):
        report[where] = report_of(rows, file, analyser, encoder)
    encoder.save()
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def asked(dialogues: Sequence[Dialogue], analyser: Analyser) -> list[Asked]:
    """The turns of which it is clear on which clause their reply stands."""
    found = []
    for dialogue in dialogues:
        passages = [analyse(quoted.text, analyser) for quoted in dialogue.passages]
        earlier = ""
        for turn in dialogue.turns:
            if turn.kind in GROUNDED and turn.uses is not None:
                passage = passages[turn.uses]
                gold = support(turn.reply, passage, analyser, turn.question)
                if gold is not None and gold.clear and len(passage.clauses) > 1:
                    found.append(Asked(Question.of(turn.question, earlier, analyser), passage, gold.clause))
            earlier = turn.question
    return found


def long_documents(rows: Sequence[Asked], analyser: Analyser, seed: int = 0) -> list[Asked]:
    """The same questions, of documents of `COMPANIONS` other passages with the right one among them."""
    chance = random.Random(seed)
    texts = {row.passage.text: row.passage for row in rows}
    found = []
    for row in rows:
        own = row.passage.text
        others = [text for text in texts if text != own and text.isascii() == own.isascii()]
        chosen = chance.sample(others, min(COMPANIONS, len(others)))
        place = chance.randint(0, len(chosen))
        document = analyse("\n".join([*chosen[:place], own, *chosen[place:]]), analyser)
        begins = sum(len(text) + 1 for text in chosen[:place])
        first = next(n for n, clause in enumerate(document.clauses) if clause.piece.start >= begins)
        found.append(Asked(row.question, document, first + row.gold))
    return found


def fit(sets: Sequence[Sequence[Example]], names: Sequence[str]) -> dict[str, float]:
    """A conditional logit over the clauses of each text, each set counting the same.

    Newton's method; a step that doesn't lower the loss is halved.
    """
    rows = np.concatenate([features for examples in sets for features, _ in examples])
    spread = rows.std(axis=0)
    spread[spread == 0] = np.inf  # what never varies teaches nothing
    largest = max(map(len, sets))
    scaled = [
        (features / spread, gold, largest / len(examples)) for examples in sets for features, gold in examples
    ]
    weights = np.zeros(len(names))
    loss = _loss(scaled, weights)
    for _ in range(STEPS):
        gradient, curvature = DECAY * weights, DECAY * np.eye(len(names))
        for features, gold, weight in scaled:
            shares = _softmax(features @ weights)
            mean = shares @ features
            gradient -= weight * (features[gold] - mean)
            curvature += weight * ((features * shares[:, None]).T @ features - np.outer(mean, mean))
        move = np.linalg.solve(curvature, gradient)
        while (found := _loss(scaled, weights - move)) > loss and np.abs(move).max() > 1e-6:
            move /= 2
        weights, loss = weights - move, found
    weights /= spread
    return {n: round(float(w), 4) for n, w in zip(names, weights, strict=True) if abs(w) >= 5e-5}


def _loss(rows: Sequence[tuple[Matrix, int, float]], weights: Matrix) -> float:
    missed = sum(
        weight * -np.log(_softmax(features @ weights)[gold] + 1e-12) for features, gold, weight in rows
    )
    return float(missed + DECAY / 2 * weights @ weights)


def _clear(sets: Sequence[Sequence[Asked]], examples: Sequence[Sequence[Example]], weights: Weights) -> float:
    """The least probability with which marked runs hold the gold clause in `PRECISION` of the turns."""
    rows = [row for some in sets for row in some]
    shares = [_softmax(weights.scores(features)) for some in examples for features, _ in some]
    for least in np.arange(0.4, 1.0, 0.01):
        runs = [_marked(row, share, float(least)) for row, share in zip(rows, shares, strict=True)]
        hits = [run[0] <= row.gold <= run[1] for row, run in zip(rows, runs, strict=True) if run is not None]
        if hits and sum(hits) >= PRECISION * len(hits):
            return round(float(least), 2)
    return 1.0


def _marked(row: Asked, shares: Matrix, least: float) -> tuple[int, int] | None:
    return shortest_run(shares, [clause.piece.sentence for clause in row.passage.clauses], least)


def _examples(rows: Sequence[Asked], encoder: CachedEncoder | None) -> list[Example]:
    return [(_features(row, encoder), row.gold) for row in rows]


def _features(row: Asked, encoder: CachedEncoder | None) -> Matrix:
    features = lexical_features(row.question, row.passage)
    if encoder is None:
        return features
    return np.hstack([features, dense_features(row.question, row.passage, encoder)])


def _softmax(scores: Matrix) -> Matrix:
    odds: Matrix = np.exp(scores - scores.max())
    shares: Matrix = odds / odds.sum()
    return shares


# ── the report ───────────────────────────────────────────────────────────────────────────────────


def report_of(
    rows: Sequence[Asked], file: WeightsFile, analyser: Analyser, encoder: CachedEncoder
) -> dict[str, Any]:
    """Exact clauses, and F1 over 汉字 and other scripts' words, of both readers and the baselines."""
    report: dict[str, Any] = {
        "turns": len(rows),
        "first sentence": _scores(rows, [row.passage.sentences[0] for row in rows], analyser),
        "most overlap": _scores(rows, [_place(row, _most_overlap(row)) for row in rows], analyser),
    }
    for name, weights, given in (("words alone", file.lexical, None), ("with vectors", file.dense, encoder)):
        shares = [_softmax(weights.scores(features)) for features, _ in _examples(rows, given)]
        places = [_place(row, int(share.argmax())) for row, share in zip(rows, shares, strict=True)]
        runs = [_marked(row, share, weights.clear) for row, share in zip(rows, shares, strict=True)]
        held = [run[0] <= row.gold <= run[1] for row, run in zip(rows, runs, strict=True) if run is not None]
        report[name] = _scores(rows, places, analyser) | {"marked": round(len(held) / len(rows), 3)}
        if held:
            lengths = [run[1] - run[0] + 1 for run in runs if run is not None]
            report[name]["gold in the mark"] = round(float(np.mean(held)), 3)
            report[name]["clauses a mark"] = round(float(np.mean(lengths)), 2)
    return report


def _scores(rows: Sequence[Asked], places: Sequence[tuple[int, int]], analyser: Analyser) -> dict[str, float]:
    exact: list[float] = []
    near: list[float] = []
    scores: list[float] = []
    for row, (start, end) in zip(rows, places, strict=True):
        opens, closes = row.passage.sentences[row.passage.clauses[row.gold].piece.sentence]
        gold, text = _place(row, row.gold), row.passage.text
        exact.append((start, end) == gold)
        near.append(opens <= start and end <= closes)
        scores.append(_f1(text[start:end], text[slice(*gold)], analyser))
    means = {"exact": exact, "same sentence": near, "F1": scores}
    return {name: round(float(np.mean(values)), 3) for name, values in means.items()}


def _most_overlap(row: Asked) -> int:
    shared = [len(clause.grams & row.question.grams) for clause in row.passage.clauses]
    return shared.index(max(shared))


def _place(row: Asked, clause: int) -> tuple[int, int]:
    piece = row.passage.clauses[clause].piece
    return piece.start, piece.end


def _f1(found: str, gold: str, analyser: Analyser) -> float:
    one, other = Counter(_tokens(found, analyser)), Counter(_tokens(gold, analyser))
    shared = sum((one & other).values())
    return 2 * shared / (one.total() + other.total()) if shared else 0.0


def _tokens(text: str, analyser: Analyser) -> list[str]:
    folded = analyser.fold(text)
    return folded.split() if folded.isascii() else [c for c in folded if not c.isspace()]


if __name__ == "__main__":
    main()
