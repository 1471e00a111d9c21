"""Trains the risk classifier: python -m inference.training.attention [FILES] [--out FILE]

Harmless questions of the knowledge stand beside the written cases. Messages of one family stay on one side of
the split; temperature, thresholds and figures come from the messages that weren't trained on. What is
shipped is then trained on all of them in the same way.
"""

from __future__ import annotations

import argparse
import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.classify import LabelledText
from inference.evaluation.risk import RiskCase, read_cases
from inference.probabilities import softmax
from inference.rules.attention import KINDS, Thresholds, prepared
from inference.training.finetune import FineTuned, Settings, best_temperature, tune
from inference.training.ordinary import ordinary

Shares = NDArray[np.float32]
DATA = Path(__file__).parent / "data" / "risk"
FOLDS = 7
"""One part in so many is held out."""
ORDINARY = 900
"""Questions of the knowledge that are added as harmless."""
LABELS = tuple(KINDS)
LEAST = Thresholds(warn=0.85, confirm=0.6, escalate=0.85, block=0.85)
"""Thresholds are no lower than these, chosen on 200 messages by another hand: most of what rules leave to the
classifier is harmless."""
_KIND_OF = {
    "escalate": (
        ("self_harm", ("self_harm",)),
        ("conduct", ("misconduct", "mis_sell", "insider")),
        ("law", ("law_enf",)),
        ("grievance", ("regulator", "media", "legal", "threat", "complain")),
        ("person", ("human", "person")),
    ),
    "warn": (
        ("pasted", ("paste", "pii", "credential_shown")),
        ("invest", ("invest_talk", "investment", "suitab", "guarantee")),
    ),
}
"""Kinds by what a case's category holds; "scam" is the rest, and whatever names itself so."""


def label_of(case: RiskCase) -> str:
    """A case's label: its action, and of what kind."""
    action, category = case.expected_action, case.category
    if action not in _KIND_OF:
        return action
    for kind, words in _KIND_OF[action]:
        if not category.startswith("scam") and any(word in category for word in words):
            return f"{action}.{kind}"
    return f"{action}.scam"


def read(paths: Sequence[Path]) -> Iterator[tuple[LabelledText, bool]]:
    """(row, whether it's a harmless look-alike) of each case without a context; what depends on an amount or
    on the customer's age isn't in its words."""
    for path in paths:
        for case in read_cases(path):
            if not case.context and not case.before:
                family = f"{path.stem}/{case.family or case.text}"
                yield LabelledText(prepared(case.text), label_of(case), family), case.hard_negative


def actions(shares: Shares) -> dict[str, Shares]:
    """Probability of each action, shape (texts,)."""
    return {
        action: shares[:, [n for n, label in enumerate(LABELS) if KINDS[label].action == action]].sum(axis=1)
        for action in ("none", "warn", "confirm", "escalate", "block")
    }


def thresholds_of(
    shares: Shares, y: NDArray[np.int64], hard: NDArray[np.bool_], options: argparse.Namespace
) -> Thresholds:
    """The least probabilities that only so many of the harmless look-alikes reach."""
    p = actions(shares)
    harmless = (y == 0) & hard
    others = np.array([KINDS[LABELS[n]].action not in ("escalate", "block") for n in y])

    def least(scores: Shares, rows: NDArray[np.bool_], share: float) -> float:
        return float(np.quantile(scores[rows], 1 - share)) + 1e-4

    return Thresholds(
        warn=max(LEAST.warn, least(1 - p["none"], harmless, options.warned)),
        confirm=max(LEAST.confirm, least(p["confirm"], harmless, options.handed)),
        escalate=max(LEAST.escalate, least(p["escalate"] + p["block"], harmless | others, options.handed)),
        block=max(LEAST.block, least(p["block"], harmless | others, options.handed)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--knowledge", type=Path, default=Path("config/knowledge"))
    parser.add_argument("--out", type=Path, default=Path("inference/rules/attention.npz"))
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--warned", type=float, default=0.1, help="share of look-alikes that may be warned")
    parser.add_argument("--handed", type=float, default=0.03, help="share that may be handed on or declined")
    parser.add_argument(
        "--quick", action="store_true", help="keep what was trained without the held-out part"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = replace(
        Settings(), layers=options.layers, epochs=options.epochs, rate=options.rate, seed=options.seed
    )
    plain = [
        (LabelledText(prepared(text), LABELS[0], entry), False)
        for text, entry in ordinary(options.knowledge, ORDINARY)
    ]
    cases = [*read(options.files or sorted(DATA.glob("*.jsonl"))), *plain]
    rows = [row for row, _ in cases]
    y = np.array([LABELS.index(row.label) for row in rows])
    hard = np.array([is_hard for _, is_hard in cases])
    held = np.array([zlib.crc32(row.family.encode()) % FOLDS == 0 for row in rows])

    def save(tuned: FineTuned) -> None:
        arrays = tuned.arrays(temperature)
        np.savez_compressed(options.out, allow_pickle=False, **arrays, thresholds=np.array(thresholds))

    aside = np.flatnonzero(held)
    tried = tune([rows[n] for n in np.flatnonzero(~held)], LABELS, settings)
    logits = tried.logits([rows[n].text for n in aside])
    temperature = best_temperature(logits, y[aside].tolist())
    shares = softmax(logits / np.float32(temperature))
    thresholds = thresholds_of(shares, y[aside], hard[aside], options)
    save(tried)
    p, truth = actions(shares), np.array([KINDS[LABELS[n]].action for n in y[aside]])
    guess = np.array(list(p))[np.stack(list(p.values())).argmax(axis=0)]
    grave, easy = np.isin(truth, ("escalate", "block")), (truth == "none") & ~hard[aside]
    report = {
        "cases": len(cases),
        "held_out": len(aside),
        "action_accuracy": round(float((guess == truth).mean()), 4),
        "kind_accuracy": round(float((logits.argmax(axis=1) == y[aside]).mean()), 4),
        "grave_taken_for_none": round(float((guess[grave] == "none").mean()), 4),
        "temperature": round(temperature, 3),
        "thresholds": {name: round(value, 4) for name, value in thresholds._asdict().items()},
        "grave_raised": round(float((1 - p["none"][grave] >= thresholds.warn).mean()), 4),
        "ordinary_raised": round(float((1 - p["none"][easy] >= thresholds.warn).mean()), 4),
    }
    print(json.dumps(report), flush=True)  # noqa: T201
    if not options.quick:
        save(tune(rows, LABELS, settings))


if __name__ == "__main__":
    main()
