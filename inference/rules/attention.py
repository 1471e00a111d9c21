"""The risk classifier: a tuned encoder that may raise what the rules made of a message.

It never lowers anything. Where it is sure enough it adds a word of caution, asks back, has a person look, or
declines; the audit says that it was the classifier (`reason: attention`) and how sure it was. Trained by
`python -m inference.training.attention` on the messages in `inference/training/data/risk`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.types import Assessment, RiskAction
from inference.classify.model import TextClassifier, read_arrays
from inference.rules.folding import fold
from inference.rules.schema import ACTIONS

__all__ = ["KINDS", "AttentionHead", "Kind", "RiskAttention", "Thresholds", "load_head", "prepared"]

_FILE = "attention.npz"
_READ, _LONGEST = 8000, 600
_ORDER = {action: n for n, action in enumerate(ACTIONS)}


class Kind(NamedTuple):
    """What one label of the classifier calls for."""

    action: RiskAction
    severity: str = ""
    department: str = ""
    template: str = ""


KINDS: Mapping[str, Kind] = {
    "none": Kind("none"),
    "warn.scam": Kind("warn", "P3", "fraud_risk", "attention_scam"),
    "warn.invest": Kind("warn", "P4", "wealth", "attention_invest"),
    "warn.pasted": Kind("warn", "P3", "privacy", "attention_pasted"),
    "confirm": Kind("confirm", "P4", "payments_ops", "attention_confirm"),
    "escalate.scam": Kind("escalate", "P1", "fraud_risk", "attention_person"),
    "escalate.self_harm": Kind("escalate", "P1", "contact_center", "attention_self_harm"),
    "escalate.grievance": Kind("escalate", "P2", "consumer_protection", "attention_grievance"),
    "escalate.conduct": Kind("escalate", "P2", "compliance", "attention_conduct"),
    "escalate.law": Kind("escalate", "P2", "compliance", "attention_law"),
    "escalate.person": Kind("escalate", "P3", "contact_center", "attention_asked"),
    "block": Kind("block", "P3", "compliance", "attention_declined"),
}
"""All labels it may have been trained with."""
UNCLEAR = Kind("escalate", "P2", "fraud_risk", "attention_look")
"""Grave, though not clear in which way."""


class Thresholds(NamedTuple):
    """Probabilities from which a message is raised to an action; `escalate` is that of it and block together,
    `warn` that of anything but none."""

    warn: float
    confirm: float
    escalate: float
    block: float


def prepared(text: str) -> str:
    """A message as the classifier reads it: its beginning, folded."""
    return fold(text[:_READ])[:_LONGEST]


class AttentionHead:
    """The classifier with its thresholds.

    Raises:
        ValueError: labels that aren't in `KINDS`.
    """

    def __init__(self, classifier: TextClassifier, thresholds: Thresholds) -> None:
        unknown = set(classifier.labels) - set(KINDS)
        if unknown:
            raise ValueError(f"the risk classifier has unknown labels: {', '.join(sorted(unknown))}")
        self._classifier = classifier
        self.thresholds = thresholds
        self._kinds = [KINDS[label] for label in classifier.labels]

    def raised(self, text: str, found: Assessment) -> Assessment:
        """`found`, or a stricter assessment."""
        shares = self._classifier.probabilities([prepared(text)])[0]
        danger = 1.0 - self._share(shares, "none")
        kind = self.kind(shares)
        settled = found.action in ("escalate", "block") or (
            kind.action == "confirm" and found.action != "none"
        )
        if settled or _ORDER[kind.action] <= _ORDER[found.action]:
            return msgspec.structs.replace(found, attention=danger)
        graver = bool(found.rules) and found.severity <= kind.severity
        return msgspec.structs.replace(
            found,
            action=kind.action,
            severity=found.severity if graver else kind.severity,
            department=found.department if graver else kind.department,
            reason="attention",
            template=kind.template,
            attention=danger,
        )

    def kind(self, shares: NDArray[np.float32]) -> Kind:
        """What probabilities of the labels call for."""
        block = self._share(shares, "block")
        grave = self._share(shares, "escalate")
        if block >= self.thresholds.block:
            return self._likeliest(shares, "block")
        if grave + block >= self.thresholds.escalate:
            return self._likeliest(shares, "escalate") if grave > block else UNCLEAR
        if self._share(shares, "confirm") >= self.thresholds.confirm:
            return self._likeliest(shares, "confirm")
        if 1.0 - self._share(shares, "none") >= self.thresholds.warn:
            return self._likeliest(shares, "warn")
        return KINDS["none"]

    def _share(self, shares: NDArray[np.float32], action: str) -> float:
        return float(sum(p for p, kind in zip(shares, self._kinds, strict=True) if kind.action == action))

    def _likeliest(self, shares: NDArray[np.float32], action: str) -> Kind:
        pairs = [(float(p), n) for n, p in enumerate(shares) if self._kinds[n].action == action]
        return self._kinds[max(pairs)[1]] if pairs else UNCLEAR


def load_head() -> AttentionHead | None:
    """The shipped classifier; None if there is none."""
    found = files("inference.rules").joinpath(_FILE)
    if not found.is_file():
        return None
    with as_file(found) as path:
        arrays, name = read_arrays(path)
    thresholds = Thresholds(*arrays["thresholds"].tolist())
    return AttentionHead(TextClassifier(arrays, name), thresholds)


class RiskAttention:
    """Implements `bot.ports.Attention`, in a thread of its own: about 10 ms a message.

    Args:
        load: gives the classifier; called once, in that thread, when it is first needed or by `warm`.
    """

    def __init__(self, load: Callable[[], AttentionHead | None] = load_head) -> None:
        self._load = load
        self._loaded = False
        self._head: AttentionHead | None = None
        self._thread = ThreadPoolExecutor(1, "attention")

    def warm(self) -> None:
        """Begin to load it, and don't wait."""
        self._thread.submit(self._ready)

    async def raise_for(self, text: str, found: Assessment) -> Assessment:
        """`found`, or `found` raised to something stricter if the message looks dangerous enough."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._raise, text, found)

    def _raise(self, text: str, found: Assessment) -> Assessment:
        head = self._ready()
        return found if head is None else head.raised(text, found)

    def _ready(self) -> AttentionHead | None:
        if not self._loaded:
            self._head, self._loaded = self._load(), True
        return self._head
