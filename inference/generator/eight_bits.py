"""A decoder whose weights are kept in eight bits as well, for the steps that write.

Writing one token for a few conversations is bound by reading the weights: in eight bits they are half as
many bytes as in bfloat16, and processors multiply them faster. Reading a prompt is bound by arithmetic and
stays as it is, and so does the output matrix (rounding it costs most: `benchmarks/precision.py`).

Weights are rounded per output channel, symmetrically; what goes in per row, as it comes (dynamic
quantisation), so that a reply doesn't depend on those beside it.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

__all__ = ["EightBitLinear", "is_possible", "with_eight_bits"]

_SMALLEST = 1e-8


def is_possible() -> bool:
    """Whether this processor multiplies bytes fast and without losing a bit (AVX-512 VNNI or better)."""
    return "onednn" in torch.backends.quantized.supported_engines and bool(torch.cpu._is_vnni_supported())


class EightBitLinear(nn.Module):
    """A linear layer with rounded weights; takes and gives what the original does, shape (…, features)."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scales = (weight.abs().amax(1) / 127).clamp_min(_SMALLEST)
        rounded = torch.quantize_per_channel(
            weight, scales, torch.zeros(len(scales), dtype=torch.int64), 0, torch.qint8
        )
        self._packed = torch.ops.quantized.linear_prepack(rounded, None)
        self._bias = linear.bias

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        wide = states.float()
        largest = wide.abs().amax(-1, keepdim=True).clamp_min(_SMALLEST)
        made = torch.ops.quantized.linear_dynamic(wide / largest, self._packed) * largest
        if self._bias is not None:
            made = made + self._bias
        return made.to(states.dtype)


def with_eight_bits(decoder: nn.Module) -> Any:
    """A twin of `decoder` that shares all it has but the linear layers, which are rounded."""
    known: dict[int, Any] = {id(tensor): tensor for tensor in (*decoder.parameters(), *decoder.buffers())}
    twin = copy.deepcopy(decoder, known)
    linear = [(name, part) for name, part in twin.named_modules() if isinstance(part, nn.Linear)]
    for name, part in linear:
        parent, _, own = name.rpartition(".")
        setattr(twin.get_submodule(parent), own, EightBitLinear(part))
    return twin
