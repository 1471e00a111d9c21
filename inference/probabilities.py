"""From a classifier's logits to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["softmax"]


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Along the last axis."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float32] = (exponents / exponents.sum(axis=-1, keepdims=True)).astype(np.float32)
    return shares
