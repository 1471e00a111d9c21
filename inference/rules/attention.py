"""The risk classifier: a linear head that may raise what no rule has caught.

It never lowers anything and never blocks. Where it is sure enough it adds a word of caution or has a person
look, and the audit says that it did so. It reads a message's embedding (the retriever's, already there
in a turn) and its characters' n-grams. Trained by `python -m inference.training.attention` on the messages
in `inference/training/data/risk`.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.types import Assessment
from inference.rules.folding import fold

__all__ = ["ACTIONS", "GRAMS", "TEMPLATE", "AttentionHead", "RiskAttention", "features", "load_head"]

Embed = Callable[[str], Awaitable[NDArray[np.float32] | None]]
Array = NDArray[np.float32]

ACTIONS = ("none", "warn", "confirm", "escalate", "block")
GRAMS = 1 << 13
"""Buckets that runs of one to three characters are hashed into."""
TEMPLATE = {"warn": "attention", "escalate": "attention_person"}
"""Of the rules' templates, those that a raised message gets."""
_FILE = "attention.npz"
_LONGEST = 400


def features(text: str, vector: Array, centre: Array, scale: float) -> Array:
    """What the head reads of a message, shape (dimension + GRAMS,).

    Args:
        vector: the text's embedding, shape (dimension,); `centre` and `scale` are of the training data's.
    """
    counts = np.zeros(GRAMS, np.float32)
    padded = f" {fold(text)[:_LONGEST]} "
    for size in (1, 2, 3):
        for at in range(len(padded) - size + 1):
            counts[zlib.crc32(padded[at : at + size].encode()) % GRAMS] = 1.0
    counts /= max(1.0, float(np.sqrt(counts.sum())))
    return np.concatenate([(vector - centre) * scale, counts]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class AttentionHead:
    """Probabilities of the five actions.

    Attributes:
        weights: shape (dimension + GRAMS, 5), `bias`: shape (5,).
        temperature: divides the logits; fitted on messages that weren't trained on.
        centre: mean embedding of the training data, shape (dimension,).
        scale: what embeddings are multiplied by after that.
        warn_from, escalate_from: probabilities of danger, and of a case for a person, from which it raises.
        encoder: name of the encoder whose vectors it was trained on.
    """

    weights: Array
    bias: Array
    temperature: float
    centre: Array
    scale: float
    warn_from: float
    escalate_from: float
    encoder: str

    def probabilities(self, text: str, vector: Array) -> Array:
        """Shape (5,), in the order of `ACTIONS`."""
        logits = features(text, vector, self.centre, self.scale) @ self.weights + self.bias
        exponents = np.exp((logits - logits.max()) / self.temperature)
        shares: Array = (exponents / exponents.sum()).astype(np.float32)
        return shares

    def raised(self, text: str, found: Assessment, vector: Array) -> Assessment:
        """An assessment with this opinion added; only "nothing found" is ever raised."""
        none, _, _, escalate, block = (float(p) for p in self.probabilities(text, vector))
        danger = 1.0 - none
        if found.action != "none" or danger < self.warn_from:
            return msgspec.structs.replace(found, attention=danger)
        grave = escalate >= self.escalate_from and escalate > block
        return msgspec.structs.replace(
            found,
            action="escalate" if grave else "warn",
            severity="P2" if grave else "P3",
            department="fraud_risk",
            reason="attention",
            template=TEMPLATE["escalate" if grave else "warn"],
            attention=danger,
        )


def load_head() -> AttentionHead | None:
    """The shipped head; None if there is none."""
    found = files("inference.rules").joinpath(_FILE)
    if not found.is_file():
        return None
    with np.load(BytesIO(found.read_bytes()), allow_pickle=False) as data:
        numbers = {name: float(data[name]) for name in ("temperature", "scale", "warn_from", "escalate_from")}
        return AttentionHead(
            weights=data["weights"].astype(np.float32),
            bias=data["bias"].astype(np.float32),
            centre=data["centre"].astype(np.float32),
            encoder=str(data["encoder"]),
            **numbers,
        )


class RiskAttention:
    """Implements `bot.ports.Attention`.

    Args:
        embed: gives a text's vector, shape (1, dimension), or None while there is no encoder.
    """

    def __init__(self, head: AttentionHead, embed: Embed) -> None:
        self._head = head
        self._embed = embed

    async def raise_for(self, text: str, found: Assessment) -> Assessment:
        """`found`, or `found` raised from none if the message looks dangerous enough."""
        vectors = await self._embed(text)
        return found if vectors is None else self._head.raised(text, found, vectors[0])
