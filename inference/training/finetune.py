"""Tunes the packaged encoder's upper layers and a linear head on labelled texts.

What the lower layers give is computed once for each text, so that a pass over 2,000 short messages takes
about 20 s on two cores. The upper layers are trained through their own 4-bit rounding (see `torch_encoder`):
what is measured is what the packaged engine will compute.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inference.classify.model import ADAPTER, SCALE, folded
from inference.evaluation.classify import LabelledText
from inference.retrieval.adapter import apply_adapter, packaged_model
from inference.retrieval.e5_file import E5File
from inference.retrieval.torch_encoder import TorchEncoder, UnigramTokeniser
from inference.training.progress import Progress

__all__ = ["FineTuned", "Settings", "best_temperature", "tune"]

_log = logging.getLogger(__name__)
_RUN = 64
Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train.

    Attributes:
        layers: of the twelve, the uppermost that are tuned.
        rate, head_rate: learning rates (AdamW, warm-up over a tenth of the steps, then a cosine).
        dropout: of what enters the tuned layers; `head_dropout`: of the sentence vector.
        smoothing: of the labels (Szegedy et al. 2016, arXiv:1512.00567).
        adversarial: length of a step against the loss on what enters the tuned layers, learnt from as well;
            0 for none (fast gradient method: Miyato et al. 2017, arXiv:1605.07725). Doubles the time.
        longest: tokens after which a text is cut.
    """

    layers: int = 4
    epochs: int = 8
    batch: int = 48
    rate: float = 2e-4
    head_rate: float = 5e-3
    decay: float = 0.01
    dropout: float = 0.1
    head_dropout: float = 0.2
    smoothing: float = 0.05
    adversarial: float = 0.0
    longest: int = 96
    seed: int = 0


class FineTuned:
    """A trained classifier, still in torch.

    Args:
        start: the encoder's adapter that training began with.
    """

    def __init__(
        self,
        encoder: TorchEncoder,
        head: nn.Linear,
        tokens: UnigramTokeniser,
        labels: Sequence[str],
        settings: Settings,
        start: Arrays,
    ) -> None:
        self._encoder, self._head, self._tokens = encoder, head, tokens
        self._labels, self._settings, self._start = tuple(labels), settings, start

    @torch.no_grad()
    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, labels)."""
        self._encoder.eval()
        states = _states(self._encoder, self._tokens, texts, self._settings.longest)
        parts = [
            self._head(self._encoder(states[at : at + _RUN]) * SCALE) for at in range(0, len(states), _RUN)
        ]
        found: NDArray[np.float32] = torch.cat(parts).numpy()
        return found

    def arrays(self, temperature: float) -> Arrays:
        """What `TextClassifier` reads."""
        adapter = self._encoder.adapter(E5File.read(packaged_model()), self._start)
        return {
            "labels": np.array(self._labels),
            "weights": self._head.weight.detach().numpy().T.astype(np.float16),
            "bias": self._head.bias.detach().numpy(),
            "temperature": np.array(temperature),
            **{f"{ADAPTER}{name}": array for name, array in adapter.items()},
        }


def _retrieval_adapter() -> Arrays:
    """The shipped adapter of the retriever: where training begins."""
    data = (files("inference.retrieval") / "adapter.npz").read_bytes()
    with np.load(BytesIO(data)) as arrays:
        return {name: arrays[name] for name in arrays.files}


def tune(
    rows: Sequence[LabelledText], labels: Sequence[str], settings: Settings, checkpoint: Path | None = None
) -> FineTuned:
    """Train on labelled texts; rare labels weigh more (square root of the ratio).

    Args:
        labels: all that there are, in the order of the logits.
        checkpoint: a file that is written after each epoch, and gone on from where it is there. The caller
            sees to it that it is of the same rows, labels and settings.
    """
    start = _retrieval_adapter()
    torch.manual_seed(settings.seed)
    chance = random.Random(settings.seed)
    model = E5File.read(packaged_model())
    apply_adapter(model, start)
    encoder, tokens = TorchEncoder(model), UnigramTokeniser(model)
    encoder.open(settings.layers)
    states = _states(encoder, tokens, [row.text for row in rows], settings.longest)
    _log.info("%d texts", len(states))
    head = nn.Linear(model.hidden, len(labels))
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    number = {label: n for n, label in enumerate(labels)}
    target = torch.tensor([number[row.label] for row in rows])
    counts = torch.bincount(target, minlength=len(labels)).clamp(min=1).float()
    weight = (len(target) / (len(labels) * counts)).sqrt()
    tuned = [p for p in encoder.parameters() if p.requires_grad]
    groups = [
        {"params": tuned, "lr": settings.rate},
        {"params": list(head.parameters()), "lr": settings.head_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=settings.decay)
    steps = settings.epochs * math.ceil(len(states) / settings.batch)
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1, (step + 1) / warm) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
    )

    def loss_of(entering: Sequence[Tensor], batch: Sequence[int]) -> Tensor:
        vectors = encoder(entering, settings.dropout)
        logits = head(functional.dropout(vectors, settings.head_dropout) * SCALE)
        return functional.cross_entropy(
            logits, target[list(batch)], weight=weight, label_smoothing=settings.smoothing
        )

    encoder.train()
    order = list(range(len(states)))
    opened = encoder.layers[encoder.opened :]
    parts = {"layers": opened, "head": head, "optimiser": optimiser, "schedule": schedule}
    progress = Progress(checkpoint, parts, chance, order) if checkpoint else None
    for epoch in range(progress.restore() if progress else 0, settings.epochs):
        chance.shuffle(order)
        total = 0.0
        for at in range(0, len(order), settings.batch):
            batch = order[at : at + settings.batch]
            optimiser.zero_grad()
            if settings.adversarial:
                entering = [states[row].float().requires_grad_() for row in batch]
                loss = loss_of(entering, batch)
                torch.autograd.backward(loss)
                torch.autograd.backward(loss_of(_against(entering, settings.adversarial), batch))
            else:
                loss = loss_of([states[row] for row in batch], batch)
                torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(tuned, 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item() * len(batch)
        _log.info("epoch %d of %d: loss %.3f", epoch + 1, settings.epochs, total / len(order))
        if progress:
            progress.keep(epoch + 1)
    return FineTuned(encoder, head, tokens, labels, settings, start)


def _against(entering: Sequence[Tensor], length: float) -> list[Tensor]:
    """Each text moved by `length` in the direction in which the loss grows fastest."""
    moved = []
    for text in entering:
        assert text.grad is not None  # noqa: S101 (the loss went through it)
        moved.append((text + length * text.grad / text.grad.norm().clamp(min=1e-12)).detach())
    return moved


def _states(
    encoder: TorchEncoder, tokens: UnigramTokeniser, texts: Sequence[str], longest: int
) -> list[Tensor]:
    """What enters the tuned layers, for each text, read as `TextClassifier` will read it."""
    ids = [tokens.ids(f"query: {folded(text)}", longest) for text in texts]
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    found: dict[int, Tensor] = {}
    for at in range(0, len(order), _RUN):
        rows = order[at : at + _RUN]
        found.update(zip(rows, encoder.below([ids[row] for row in rows]), strict=True))
    return [found[row] for row in range(len(ids))]


def best_temperature(logits: NDArray[np.float32], y: Sequence[int]) -> float:
    """The one with the least log loss (Guo et al. 2017, arXiv:1706.04599)."""
    rows, chosen = np.arange(len(y)), np.asarray(y)
    best, least = 1.0, math.inf
    for temperature in np.geomspace(0.2, 4, 60):
        scaled = logits / np.float32(temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        loss = -(scaled[rows, chosen] - np.log(np.exp(scaled).sum(axis=1))).mean()
        if loss < least:
            best, least = float(temperature), float(loss)
    return best
