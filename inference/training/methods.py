"""How much of a network is trained: all of it, or a small adapter (PEFT)."""

from __future__ import annotations

from typing import Any, Literal

import torch

from bot.errors import TellerError

__all__ = ["Method", "open_full", "with_adapter"]

Method = Literal["full", "lora", "adalora", "prefix"]


def open_full(network: Any, *, frozen_layers: int, frozen_embeddings: bool) -> Any:
    """Every weight is trained, but the embeddings and the lowest layers where they are to stay."""
    network.requires_grad_(True)
    if frozen_embeddings:
        network.get_input_embeddings().requires_grad_(False)
        network.get_output_embeddings().requires_grad_(False)
    layers = network.get_decoder().layers
    if frozen_layers >= len(layers):
        raise TellerError(f"`frozen_layers` is {frozen_layers}, but the model has {len(layers)} layers")
    for layer in layers[:frozen_layers]:
        layer.requires_grad_(False)
    return network


def with_adapter(
    network: Any,
    method: Method,
    *,
    rank: int,
    alpha: float,
    dropout: float,
    targets: list[str],
    frozen_layers: int,
    prefix_tokens: int,
    steps: int,
) -> Any:
    """The network with an adapter, which alone is trained.

    Args:
        targets: names of the linear layers to adapt (LoRA: Hu et al. 2021, arXiv:2106.09685; AdaLoRA: Zhang
        et
            al. 2023, arXiv:2303.10512, which ends at half of `rank` on average).
        frozen_layers: the lowest layers, which get none.
        prefix_tokens: tokens before each sequence (prefix tuning: Li and Liang 2021, arXiv:2101.00190).
        steps: of the whole training, for AdaLoRA's schedule.
    """
    from peft import AdaLoraConfig, LoraConfig, PrefixTuningConfig, get_peft_model

    upper = list(range(frozen_layers, network.config.get_text_config().num_hidden_layers))
    if not upper:
        raise TellerError(f"`frozen_layers` is {frozen_layers}: no layer is left to adapt")
    shared = {
        "task_type": "CAUSAL_LM",
        "target_modules": targets,
        "layers_to_transform": upper if frozen_layers else None,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
    }
    if method == "lora":
        config: Any = LoraConfig(r=rank, **shared)
    elif method == "adalora":
        config = AdaLoraConfig(
            init_r=rank,
            target_r=max(1, rank // 2),
            tinit=steps // 10,
            tfinal=steps // 2,
            deltaT=max(1, steps // 50),
            total_step=steps,
            **shared,
        )
    else:
        config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=prefix_tokens)
    try:
        adapted = get_peft_model(network, config)
    except ValueError as error:
        raise TellerError(f"the adapter doesn't fit the model: {error}") from error
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.float32)
    return adapted
