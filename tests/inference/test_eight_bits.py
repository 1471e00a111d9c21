"""Linear layers in eight bits: near the original, and a row's result is its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from bot.errors import InferenceUnavailable
from inference.generator import eight_bits, model
from inference.generator.eight_bits import EightBitLinear, with_eight_bits

needs_vnni = pytest.mark.skipif(not eight_bits.is_possible(), reason="the processor has no AVX-512 VNNI")


def layer(features: int, made: int, *, bias: bool) -> nn.Linear:
    torch.manual_seed(7)
    return nn.Linear(features, made, bias=bias).requires_grad_(False)


def off(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


@needs_vnni
@pytest.mark.parametrize("bias", [False, True])
def test_a_rounded_layer_is_within_two_hundredths_of_the_original(bias: bool) -> None:
    linear = layer(96, 40, bias=bias)
    states = torch.randn(3, 5, 96) * torch.tensor([1e-3, 1.0, 300.0])[:, None, None]
    rounded = EightBitLinear(linear)(states)
    assert rounded.shape == (3, 5, 40)
    for found, exact in zip(rounded, linear(states), strict=True):  # the small row as well as the large one
        assert off(found, exact) < 0.02


@needs_vnni
def test_a_row_does_not_depend_on_its_neighbours() -> None:
    rounded = EightBitLinear(layer(64, 64, bias=False))
    states = torch.randn(9, 64) * 10 ** torch.linspace(-3, 3, 9)[:, None]
    together = rounded(states)
    assert all(torch.equal(together[row], rounded(states[row : row + 1])[0]) for row in range(9))


@needs_vnni
def test_silence_stays_silence() -> None:
    linear = layer(32, 16, bias=True)
    assert torch.equal(EightBitLinear(linear)(torch.zeros(2, 32)), linear.bias.expand(2, 16))
    nn.init.zeros_(linear.weight)
    assert torch.equal(EightBitLinear(linear)(torch.randn(2, 32)), linear.bias.expand(2, 16))


@needs_vnni
def test_a_twin_shares_all_but_its_linear_layers_and_leaves_the_original_alone() -> None:
    torch.manual_seed(3)
    config = Qwen3Config(
        vocab_size=50, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16,
    )  # fmt: skip
    decoder = Qwen3ForCausalLM(config).eval().get_decoder()
    ids = torch.tensor([[4, 8, 15, 16, 23, 42]])
    with torch.inference_mode():
        before = decoder(ids).last_hidden_state
        twin = with_eight_bits(decoder)
        assert off(twin(ids).last_hidden_state, before) < 0.05
        assert torch.equal(decoder(ids).last_hidden_state, before)
    assert twin.get_input_embeddings().weight is decoder.get_input_embeddings().weight
    assert not [part for part in twin.modules() if isinstance(part, nn.Linear)]
    assert len([part for part in twin.modules() if isinstance(part, EightBitLinear)]) == 14


def test_a_processor_that_cannot_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(eight_bits, "is_possible", lambda: False)
    with pytest.raises(InferenceUnavailable, match="use auto"):
        model.load("no matter", cache=tmp_path, dtype="int8")  # type: ignore[arg-type]
    with pytest.raises(InferenceUnavailable, match="int4"):
        model.load("no matter", cache=tmp_path, dtype="int4")  # type: ignore[arg-type]
