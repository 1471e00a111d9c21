"""The two small models behind fusion: a conditional logit over items, and a logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choices", "fit_choice", "fit_probability"]

Array = NDArray[np.float64]

_CANDIDATES = 40
"""Items per question that enter the likelihood: the rest have no share in it worth the time."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Questions, each with signals of its candidate items and which of them is right."""

    signals: Array
    """Shape (questions, candidates, signals)."""
    right: NDArray[np.int64]
    """Shape (questions,)."""

    def strongest(self) -> Choices:
        """Only the right candidate and those that could beat it."""
        keep = min(_CANDIDATES, self.signals.shape[1])
        spread = self.signals.std((0, 1)) + 1e-6
        strength = (self.signals / spread).sum(2)
        strength[np.arange(len(self.right)), self.right] = np.inf
        chosen = np.argpartition(-strength, keep - 1, axis=1)[:, :keep]
        signals = np.take_along_axis(self.signals, chosen[:, :, None], axis=1)
        return Choices(signals, (chosen == self.right[:, None]).argmax(1))


def fit_choice(sets: Sequence[Choices], ridge: float = 1e-3, steps: int = 400) -> Array:
    """Non-negative weights that make the right items likely, each set counting the same.

    A signal that can only count against an item when more of it is present would be fitted to
    noise here, hence the bound at zero. Adam with projection; the objective is convex.
    """
    sets = [choices.strongest() for choices in sets]
    spread = np.mean([choices.signals.std((0, 1)) for choices in sets], axis=0) + 1e-6
    weights = np.full(len(spread), 0.5)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, steps + 1):
        gradient = 2 * ridge * weights
        for choices in sets:
            gradient += _choice_gradient(choices.signals / spread, choices.right, weights) / len(sets)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        move = mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
        weights = np.maximum(weights - 0.05 * move, 0.0)
    fitted: Array = weights / spread
    return fitted


def _choice_gradient(signals: Array, right: NDArray[np.int64], weights: Array) -> Array:
    scores = signals @ weights
    share = np.exp(scores - scores.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    share[np.arange(len(right)), right] -= 1
    gradient: Array = np.einsum("qi,qis->s", share, signals) / len(right)
    return gradient


def fit_probability(
    inputs: Array, outcomes: NDArray[np.bool_], importance: Array, ridge: float = 1.0
) -> tuple[Array, float]:
    """Weights and bias of a logistic regression (Newton's method); `importance` weighs the rows."""
    centre, spread = inputs.mean(0), inputs.std(0) + 1e-6
    rows = np.concatenate([(inputs - centre) / spread, np.ones((len(inputs), 1))], axis=1)
    penalty = ridge * np.diag([1.0] * inputs.shape[1] + [0.0])
    solution = np.zeros(rows.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(rows @ solution, -30, 30)))
        gradient = rows.T @ (importance * (chance - outcomes)) + penalty @ solution
        curvature = (rows * (importance * chance * (1 - chance))[:, None]).T @ rows + penalty
        solution -= np.linalg.solve(curvature + 1e-9 * np.eye(len(solution)), gradient)
    weights: Array = solution[:-1] / spread
    return weights, float(solution[-1] - weights @ centre)
