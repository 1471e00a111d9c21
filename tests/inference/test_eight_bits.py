"""Linear layers in eight bits: near the original, and a row's result is its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from bot.errors import InferenceUnavailable
from inference.generator import eight_bits, model
from inference.generator.eight_bits import EightBitLinear, with_eight_bits
from tests.inference.training.tiny import byte_tokenizer, tiny_base

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


SMALL = {
    "vocab_size": 50, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2,
    "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip


def network(kind: str, **more: object) -> Any:
    """A model of that architecture with chance weights, in bfloat16 as it is served."""
    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, **SMALL, **more)
    return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa").eval()


@needs_vnni
@pytest.mark.parametrize("kind", ["qwen3", "gemma3_text", "llama", "phi", "gpt_neox", "stablelm"])
def test_a_twin_computes_what_the_original_does_and_leaves_it_alone(kind: str) -> None:
    decoder = network(kind).get_decoder()
    ids = torch.tensor([[4, 8, 15, 16, 23, 42]])
    with torch.inference_mode():
        before = decoder(ids).last_hidden_state
        twin = with_eight_bits(decoder)
        written = twin(ids).last_hidden_state
        assert torch.equal(decoder(ids).last_hidden_state, before)
    assert written.dtype == torch.float32
    assert off(written, before.float()) < 0.05
    assert twin.get_input_embeddings().weight is decoder.get_input_embeddings().weight
    assert all(parameter.dtype == torch.bfloat16 for parameter in decoder.parameters())
    assert not [part for part in twin.modules() if isinstance(part, nn.Linear)]
    linear = [part for part in decoder.modules() if isinstance(part, nn.Linear)]
    assert len([part for part in twin.modules() if isinstance(part, EightBitLinear)]) == len(linear) > 0


@needs_vnni
def test_what_comes_in_narrow_is_rounded_as_well_as_what_comes_in_wide() -> None:
    linear, states = layer(64, 32, bias=False), torch.randn(4, 64).bfloat16()
    rounded = EightBitLinear(linear)
    assert torch.equal(rounded(states), rounded(states.float()))


def test_experts_are_not_for_eight_bits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(eight_bits, "is_possible", lambda: True)
    monkeypatch.setattr(eight_bits, "is_worthwhile", lambda: True)
    experts = network("qwen3_moe", num_experts=4, moe_intermediate_size=64, decoder_sparse_step=1)
    assert not eight_bits.fits(experts.get_decoder())
    experts.save_pretrained(tmp_path / "experts")
    byte_tokenizer().save(str(tmp_path / "experts" / "tokenizer.json"))
    assert not model.load(str(tmp_path / "experts"), cache=tmp_path).eight_bits
    with pytest.raises(InferenceUnavailable, match=r"inference\.dtype to auto"):
        model.load(str(tmp_path / "experts"), cache=tmp_path, dtype="int8")


@needs_vnni
def test_a_processor_that_may_not_use_its_wide_sums_is_found_out() -> None:
    told = "from inference.generator.eight_bits import is_possible; print(is_possible())"
    for most, said in (("AVX2", "False"), ("DEFAULT", "True")):
        done = subprocess.run(
            [sys.executable, "-c", told], env=os.environ | {"ONEDNN_MAX_CPU_ISA": most},
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        assert done.stdout.strip() == said


@needs_vnni
@pytest.mark.parametrize("worthwhile", [False, True])
def test_auto_rounds_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, worthwhile: bool
) -> None:
    monkeypatch.setattr(eight_bits, "is_worthwhile", lambda: worthwhile)
    folder = str(tiny_base(tmp_path / "base"))
    assert model.load(folder, cache=tmp_path).eight_bits == worthwhile
    assert model.load(folder, cache=tmp_path, dtype="int8").eight_bits
    assert not model.load(folder, cache=tmp_path, dtype="bfloat16").eight_bits


def test_a_processor_that_cannot_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(eight_bits, "is_possible", lambda: False)
    with pytest.raises(InferenceUnavailable, match="set it to auto"):
        model.load("no matter", cache=tmp_path, dtype="int8")
    with pytest.raises(InferenceUnavailable, match="int4"):
        model.load("no matter", cache=tmp_path, dtype="int4")
