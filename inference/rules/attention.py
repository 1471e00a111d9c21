"""The risk classifier: a linear head over sentence embeddings that may raise what no rule has caught.

It never lowers anything, never blocks and never fetches a person: it adds a word of caution, and an
entry in the audit that says so. Trained by `python -m inference.training.attention` on the messages in
`inference/training/data/risk`; the embeddings are those of the retriever, already there in a turn.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.types import Assessment

__all__ = ["ACTIONS", "TEMPLATE", "AttentionHead", "RiskAttention", "load_head"]

Embed = Callable[[str], Awaitable[NDArray[np.float32] | None]]

ACTIONS = ("none", "warn", "confirm", "escalate", "block")
TEMPLATE = "attention"
"""Of the rules' templates, the one that a raised message gets."""
_FILE = "attention.npz"


@dataclass(frozen=True, slots=True)
class AttentionHead:
    """Probabilities of the five actions.

    Attributes:
        weights: shape (dimension, 5), `bias`: shape (5,), for unit vectors.
        temperature: divides the logits; fitted on messages that weren't trained on.
        encoder: name of the encoder whose vectors it was trained on.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float
    encoder: str

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shape (texts, 5) of vectors of shape (texts, dimension)."""
        logits = (vectors @ self.weights + self.bias) / self.temperature
        logits -= logits.max(axis=1, keepdims=True)
        exponents: NDArray[np.float32] = np.exp(logits)
        shares: NDArray[np.float32] = exponents / exponents.sum(axis=1, keepdims=True)
        return shares

    def danger(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability that a message needs any action at all, shape (texts,)."""
        danger: NDArray[np.float32] = 1.0 - self.probabilities(vectors)[:, 0]
        return danger

    def raised(self, found: Assessment, vectors: NDArray[np.float32], *, at_least: float) -> Assessment:
        """An assessment with this opinion added; `vectors` has shape (1, dimension)."""
        danger = float(self.danger(vectors)[0])
        if found.action != "none" or danger < at_least:
            return msgspec.structs.replace(found, attention=danger)
        return msgspec.structs.replace(
            found,
            action="warn",
            severity="P3",
            department="fraud_risk",
            reason="attention",
            template=TEMPLATE,
            attention=danger,
        )


def load_head() -> AttentionHead | None:
    """The shipped head; None if there is none."""
    found = files("inference.rules").joinpath(_FILE)
    if not found.is_file():
        return None
    with np.load(BytesIO(found.read_bytes()), allow_pickle=False) as data:
        return AttentionHead(
            data["weights"].astype(np.float32),
            data["bias"].astype(np.float32),
            float(data["temperature"]),
            str(data["encoder"]),
        )


class RiskAttention:
    """Implements `bot.ports.Attention`.

    Args:
        embed: gives a text's vector, shape (1, dimension), or None while there is no encoder.
    """

    def __init__(self, head: AttentionHead, embed: Embed) -> None:
        self._head = head
        self._embed = embed

    async def raise_for(self, text: str, found: Assessment, *, at_least: float) -> Assessment:
        """`found`, or `found` raised from none to warn if the message looks dangerous enough."""
        vectors = await self._embed(text)
        return found if vectors is None else self._head.raised(found, vectors, at_least=at_least)
