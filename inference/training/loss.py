"""The loss on what is to be learnt alone, over the part of the vocabulary that is ever written.

A small multilingual model spends most of its arithmetic on its output matrix (Gemma 3 270M: 262,144 rows,
63 % of a step). Of a record only the replies are learnt, a sixth of its tokens, and only a third of the
rows can occur in them: the rest of both is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

from bot.errors import TellerError
from inference.training.sequences import IGNORED

__all__ = ["LearntLoss", "headless"]


class LearntLoss:
    """Cross entropy of the labelled positions.

    Args:
        network: a `…ForCausalLM`.
        ids: token ids that may be labels, sorted; None for all.
    """

    def __init__(self, network: Any, ids: Sequence[int] | None) -> None:
        self._output = network.get_output_embeddings()
        self._softcap = getattr(network.config.get_text_config(), "final_logit_softcapping", None)
        rows = self._output.weight.shape[0]
        self._ids = None if ids is None else torch.tensor(list(ids))
        self._row_of = torch.full((rows,), -1)
        self._row_of[torch.arange(rows) if self._ids is None else self._ids] = torch.arange(
            rows if self._ids is None else len(self._ids)
        )
        self._fixed: torch.Tensor | None = None

    def __call__(self, hidden: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, int]:
        """(sum of the losses, how many) from states (batch, tokens, hidden) and labels (batch, tokens)."""
        following = labels[:, 1:]
        learnt = following != IGNORED
        targets = self._row_of.to(labels.device)[following[learnt]]
        if (targets < 0).any():
            raise TellerError(
                "a reply has a token that isn't among those to be learnt: set `trim_vocabulary: false`"
            )
        weight, bias = self._weights(hidden)
        logits = functional.linear(hidden[:, :-1][learnt].to(weight.dtype), weight, bias).float()
        if self._softcap is not None:
            logits = torch.tanh(logits / self._softcap) * self._softcap
        return functional.cross_entropy(logits, targets, reduction="sum"), len(targets)

    def _weights(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        weight, bias = self._output.weight, getattr(self._output, "bias", None)
        if self._ids is None:
            return weight, bias
        ids = self._ids.to(like.device)
        if weight.requires_grad:
            return weight[ids], None if bias is None else bias[ids]
        if self._fixed is None or self._fixed.device != like.device:
            self._fixed = weight[ids].detach()
        return self._fixed, None if bias is None else bias[ids]


@contextmanager
def headless(network: Any) -> Iterator[None]:
    """The network gives its last states where it would give logits; its output weights stay where they
    are."""
    head, config = network.get_output_embeddings(), network.config.get_text_config()
    softcap = getattr(config, "final_logit_softcapping", None)
    head.forward = _same
    if softcap is not None:
        config.final_logit_softcapping = None
    try:
        yield
    finally:
        del head.forward
        if softcap is not None:
            config.final_logit_softcapping = softcap


def _same(states: torch.Tensor) -> torch.Tensor:
    return states
