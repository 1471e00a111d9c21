"""A twin of a decoder whose linear layers multiply in eight bits, for the steps that write.

Writing a token for a few conversations is bound by reading the weights: in eight bits they are half as many
bytes as in bfloat16, and processors with VNNI multiply them faster. Reading a prompt is bound by arithmetic
and stays as it is; so does the output matrix, which rounding costs most (`benchmarks/precision.py`).

Rounding is symmetrical: of weights per output channel, of what goes in per row as it comes, so that a reply
doesn't depend on those beside it. Between the layers the twin computes in float32.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

import torch
from torch import nn

__all__ = ["EightBitLinear", "fits", "is_possible", "is_worthwhile", "with_eight_bits"]

_LARGEST = 127
_SMALLEST = 1e-8
_ZERO = 128
"""What stands for nought in the unsigned bytes that go in."""
_REST = 0.02
"""Share of a decoder's weights that may stand outside of linear layers and embeddings."""


@functools.cache
def is_possible() -> bool:
    """Whether bytes are multiplied fast here and without losing a bit (AVX-512 VNNI or better).

    The processor's word alone doesn't do: oneDNN may have been told to use less of it, and the sums of older
    instructions overflow in silence.
    """
    if not hasattr(torch.ops.onednn, "qlinear_pointwise") or not torch.cpu._is_vnni_supported():
        return False
    with torch.inference_mode():
        largest = nn.Linear(64, 16, bias=False)
        nn.init.ones_(largest.weight)
        found = EightBitLinear(largest)(torch.ones(1, 64))
    return bool(torch.allclose(found, torch.tensor(64.0), rtol=1e-4))


def is_worthwhile() -> bool:
    """Whether replies are written faster so than in bfloat16: twice as fast where the processor has VNNI but
    no products of bfloat16, hardly where it has both (`benchmarks/generation.py`)."""
    return is_possible() and not torch.cpu._is_avx512_bf16_supported()


def fits(decoder: nn.Module) -> bool:
    """Whether nearly all weights are in linear layers and embeddings, and not, say, in experts."""
    known = sum(
        part.weight.numel() for part in decoder.modules() if isinstance(part, (nn.Linear, nn.Embedding))
    )
    return sum(p.numel() for p in decoder.parameters()) * (1 - _REST) <= known


class EightBitLinear(nn.Module):
    """A linear layer with rounded weights; (…, features) to (…, features), in float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        self._scales = (weight.abs().amax(1) / _LARGEST).clamp_min(_SMALLEST)
        self._zeros = torch.zeros(len(weight), dtype=torch.int64)
        rounded = (weight / self._scales[:, None]).round().to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(rounded, None)
        self._bias = None if linear.bias is None else linear.bias.detach().float()
        # A conversion cuts off what stands after the point; the half makes that a rounding.
        self._zero = torch.tensor(_ZERO + 0.5)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        states = states.float()
        rate = _LARGEST / states.abs().amax(-1, keepdim=True).clamp_min(_SMALLEST)
        rounded = torch.addcmul(self._zero, states, rate).to(torch.uint8)
        made: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            rounded,
            1.0,
            _ZERO,
            self._packed,
            self._scales,
            self._zeros,
            None,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        made = made.div_(rate)
        return made if self._bias is None else made.add_(self._bias)


def with_eight_bits(decoder: nn.Module) -> Any:
    """A twin of `decoder`, for inference: its linear layers rounded, its input embeddings shared, the rest in
    float32."""
    shared = [decoder.get_input_embeddings().weight]  # type: ignore[operator]
    shared += [p for part in decoder.modules() if isinstance(part, nn.Linear) for p in part.parameters()]
    twin: Any = copy.deepcopy(decoder, {id(tensor): tensor for tensor in shared})
    for name, part in list(twin.named_modules()):
        if isinstance(part, nn.Linear):
            parent, _, own = name.rpartition(".")
            setattr(twin.get_submodule(parent), own, EightBitLinear(part))
    for parameter in twin.parameters():
        if parameter is not shared[0]:
            parameter.data = parameter.data.float()
    twin.get_input_embeddings().register_forward_hook(lambda _, __, states: states.float())
    return twin
