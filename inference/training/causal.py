"""Trains a causal language model on examples: transformers' Trainer, with a loss on what is learnt alone.

The Trainer brings AdamW, schedule, accumulation, checkpoints that a run goes on from, early stopping,
progress, TensorBoard, one GPU, and several (`accelerate launch -m bot train sft CONFIG`).
"""

from __future__ import annotations

import json
import math
import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_pt_utils import safe_globals

from inference.training.generator_config import Pace
from inference.training.loss import LearntLoss, headless
from inference.training.ranks import Ranks
from inference.training.runs import unwritable
from inference.training.sequences import collate

__all__ = ["autocast", "mean_loss", "newest_checkpoint", "steps_of", "train"]

_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def steps_of(examples: int, pace: Pace, processes: int = 1) -> int:
    """Optimiser steps of a whole run."""
    batches = math.ceil(examples / pace.batch / processes)
    return max(1, math.ceil(math.ceil(batches / pace.accumulate) * pace.epochs))


def train(
    network: Any, loss: LearntLoss, learnt: Any, held_out: Any, pace: Pace, work: Path, ranks: Ranks
) -> list[dict[str, Any]]:
    """Train `network` in place; goes on from the newest whole checkpoint under `work`. Ends with the
    weights that were best on `held_out`.

    AdaLoRA does neither: its adapters change their shapes while it learns, and PEFT can't read those of an
    earlier step back.

    Returns:
        What was logged: `loss`, `eval_loss`, `step` …

    Raises:
        TellerError: the folder is full or can't be written to; what was kept stays.
    """
    steps = steps_of(len(learnt), pace, ranks.count)
    every = math.ceil(steps / pace.checks)
    allocates = _allocates(network)
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(work / "tensorboard"))
    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=pace.epochs,
        per_device_train_batch_size=pace.batch,
        per_device_eval_batch_size=pace.batch,
        gradient_accumulation_steps=pace.accumulate,
        learning_rate=pace.rate,
        weight_decay=pace.decay,
        max_grad_norm=pace.clip,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(steps * pace.warmup),
        bf16=autocast(pace),
        use_cpu=not torch.cuda.is_available(),
        seed=pace.seed,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="no" if allocates else "steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=not allocates,
        restore_callback_states_from_checkpoint=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        prediction_loss_only=True,
        logging_steps=max(1, steps // 100),
        report_to=_reporters(),
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=False,
        ddp_find_unused_parameters=False,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # several GPUs are for several processes
    callbacks: list[TrainerCallback] = [_Epochs(learnt)]
    if pace.patience:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=pace.patience))

    def of_replies(
        output: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        total, learnt = loss(output.logits, labels)
        # Over all batches of a step each token weighs the same.
        mean = total / (learnt if num_items_in_batch is None else num_items_in_batch)
        if not (allocates and network.training):
            return mean
        # The Trainer adds up what each batch of a step and each process gives.
        return mean + _orthogonality(network) / (pace.accumulate * ranks.count)

    trainer = Trainer(
        model=network,
        args=arguments,
        train_dataset=learnt,
        eval_dataset=held_out,
        data_collator=collate,
        callbacks=callbacks,
        compute_loss_func=of_replies,
    )
    checkpoint = newest_checkpoint(work)
    try:
        with headless(_base_of(network)):
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "PytorchStreamWriter" not in str(error):
            raise
        raise unwritable(work, error) from error
    return list(trainer.state.log_history)


def mean_loss(network: Any, loss: LearntLoss, examples: Any, pace: Pace) -> float:
    """Mean loss a learnt token; its exponential is the perplexity."""
    total, count = 0.0, 0
    network.eval()
    device = next(network.parameters()).device
    cast = torch.autocast(device.type, torch.bfloat16, enabled=autocast(pace))
    with headless(_base_of(network)), torch.no_grad(), cast:
        for batch in DataLoader(examples, batch_size=pace.batch, collate_fn=collate):
            on_device = {name: tensor.to(device) for name, tensor in batch.items()}
            labels = on_device.pop("labels")
            some, learnt = loss(network(**on_device, use_cache=False).logits, labels)
            total, count = total + some.item(), count + learnt
    return total / max(1, count)


def autocast(pace: Pace) -> bool:
    """Whether to compute in bfloat16."""
    if pace.precision != "auto":
        return pace.precision == "bfloat16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def newest_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint under `work` that is whole; damaged newer ones are passed over."""
    if not work.is_dir():
        return None
    found = {int(name[1]): path for path in work.iterdir() if (name := _CHECKPOINT.fullmatch(path.name))}
    return next((found[step] for step in sorted(found, reverse=True) if _is_whole(found[step])), None)


def _is_whole(checkpoint: Path) -> bool:
    """Whether all that a run goes on from can be read: state, weights, optimiser, schedule, chance."""
    weights = list(checkpoint.glob("*.safetensors"))
    kept = (checkpoint / "optimizer.pt", checkpoint / "scheduler.pt", *checkpoint.glob("*.pth"))
    try:
        for file in (checkpoint / "trainer_state.json", *checkpoint.glob("*.json")):
            json.loads(file.read_text("utf-8"))
        for file in weights:
            with safe_open(file, "pt") as tensors:
                tensors.keys()
        for file in kept:
            with safe_globals():
                torch.load(file, weights_only=True, map_location="cpu")
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError):
        return False
    return bool(weights)


class _Epochs(TrainerCallback):  # type: ignore[misc]
    """Tells the data which reading it is, and AdaLoRA that a step was made."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if hasattr(self._data, "epoch"):
            self._data.epoch = int(state.epoch or 0)

    def on_optimizer_step(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        if _allocates(model):
            model.base_model.update_and_allocate(state.global_step + 1)


def _allocates(network: Any) -> bool:
    """Whether it is AdaLoRA, which spreads its ranks over the layers while it learns."""
    return hasattr(getattr(network, "base_model", None), "update_and_allocate")


def _orthogonality(network: Any) -> torch.Tensor:
    """AdaLoRA's regularisation (arXiv:2303.10512, equation 5), which PEFT adds only to a loss of the
    model's own."""
    parts = [
        (p @ p.T if "lora_A" in name else p.T @ p)
        for name, p in network.named_parameters()
        if "lora_A" in name or "lora_B" in name
    ]
    apart = [torch.linalg.norm(part - torch.eye(len(part), device=part.device)) for part in parts]
    weight = next(iter(network.peft_config.values())).orth_reg_weight
    found: torch.Tensor = weight * torch.stack(apart).mean()
    return found


def _base_of(network: Any) -> Any:
    """The transformers model under an adapter."""
    return network.get_base_model() if hasattr(network, "get_base_model") else network


def _reporters() -> list[str]:
    from transformers.integrations import is_tensorboard_available

    return ["tensorboard"] if is_tensorboard_available() else []
