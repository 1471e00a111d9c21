"""A run of `teller train sft` or `pretrain`, from its configuration to its folder.

A run that is stopped leaves `.unfinished-NAME` with its checkpoints; the same command goes on from it. A
finished one is a folder that appears whole: `adapter/` or `model/`, `tensorboard/`, config.json,
metrics.json, card.md.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from bot.errors import InferenceUnavailable, TellerError
from inference.generator.identity import BASE, BASE_SHA256, TUNED_FILE, identity
from inference.generator.model import LanguageModel, load
from inference.training import causal
from inference.training.generator_config import CausalConfig
from inference.training.loss import LearntLoss
from inference.training.methods import open_full, with_adapter
from inference.training.ranks import Ranks
from inference.training.runs import CHECKPOINTS, digest, run_folder, sha256, unwritable

__all__ = ["CausalRun", "Examples", "trained"]

_HOPELESS = 100.0
"""A loss a token that no model which has learnt anything has: chance among 262,144 tokens is 12.5."""


@dataclass(frozen=True, slots=True)
class Examples:
    learnt: Any
    """A torch Dataset of `Example`."""
    held_out: Any
    ids: Sequence[int] | None
    """Token ids that may be learnt, sorted; None for all."""


@dataclass(frozen=True, slots=True)
class CausalRun:
    folder: Path
    metrics: dict[str, Any]
    leader: bool
    """Whether this process is the one to speak of it."""


def trained(
    config: CausalConfig,
    examples: Callable[[LanguageModel], Examples],
    counts: dict[str, Any],
    cache: Path,
    now: datetime,
    command: str,
    *,
    kind: str,
    fresh: bool,
    tuned: bool,
) -> CausalRun:
    """Train and write the run's folder.

    Args:
        tuned: whether what is left reads the counter's records (`TUNED_FILE` is written beside the weights).

    Raises:
        TellerError: a base that can't be loaded or doesn't fit, another run of this name under way, an
            unfinished one with another configuration, a folder that can't be written to, a loss that has
            diverged (nothing is kept then).
    """
    base = _base(config)
    told = json.loads(config.model_dump_json()) | {
        "base": base,
        "kind": kind,
        "data_sha256": digest(config.files()),
    }
    out, ranks = config.resolved(config.out), Ranks.here()
    with run_folder(out, config.name, kind, now, told, fresh=fresh, leader=ranks.leader) as (work, final):
        ranks.wait()
        started = time.monotonic()
        whole_model = kind == "pretrain" or config.method == "full"
        metrics = counts | _train(config, base, examples, work, cache, ranks, whole_model=whole_model)
        if ranks.leader:
            beside = work / ("model" if whole_model else "adapter")
            if tuned:
                mark = {"prompt": "tuned", "base": identity(base)}
                (beside / TUNED_FILE).write_text(json.dumps(mark) + "\n", "utf-8")
            metrics["seconds"] = round(time.monotonic() - started, 1)
            _describe(config, work, metrics, now, command, kind)
    ranks.wait()
    return CausalRun(final, metrics, ranks.leader)


def _base(config: CausalConfig) -> str:
    """What the run stands on, as `load` takes it: of the folder of an earlier run its model."""
    base = config.base_path()
    whole = Path(base) / "model"
    return str(whole) if whole.is_dir() else base


def _train(
    config: CausalConfig,
    base: str,
    examples: Callable[[LanguageModel], Examples],
    work: Path,
    cache: Path,
    ranks: Ranks,
    *,
    whole_model: bool,
) -> dict[str, Any]:
    pace = config.pace
    torch.manual_seed(pace.seed)
    try:
        model = load(base, cache=cache, dtype="float32")
    except InferenceUnavailable as error:
        raise TellerError(
            f"the base {config.base!r} can't be loaded ({error}): name the packaged one ({BASE}), a "
            "folder with "
            "config.json and safetensors, a run of `teller train pretrain`, or a Hugging Face id in reach"
        ) from error
    data = examples(model)
    loss = LearntLoss(model.network, data.ids)
    if torch.cuda.is_available():
        model.network.to("cuda")
    before = causal.mean_loss(model.network, loss, data.held_out, pace)
    if config.method == "full":
        network = open_full(
            model.network, frozen_layers=config.frozen_layers, frozen_embeddings=config.frozen_embeddings
        )
    else:
        network = with_adapter(
            model.network,
            config.method,
            rank=config.adapter.rank,
            alpha=config.adapter.alpha,
            dropout=config.adapter.dropout,
            targets=list(config.adapter.targets),
            frozen_layers=config.frozen_layers,
            prefix_tokens=config.adapter.prefix_tokens,
            steps=causal.steps_of(len(data.learnt), pace, ranks.count),
        )
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    log = causal.train(network, loss, data.learnt, data.held_out, pace, work, ranks)
    if not whole_model:
        _round(network)  # what is measured is what is kept
    after = causal.mean_loss(network, loss, data.held_out, pace)
    if not after < _HOPELESS:  # nor is NaN
        if ranks.leader:
            for left in work.glob(CHECKPOINTS):
                shutil.rmtree(left)
        raise TellerError(f"diverged: the held-out loss is {after:g} at the end: lower `pace.rate`")
    if ranks.leader:
        _save(network, model, work, config, whole=whole_model)
    return {
        "trained_parameters": parameters,
        "held_out_loss": {"before": round(before, 4), "after": round(after, 4)},
        "held_out_perplexity": {"before": round(math.exp(before), 3), "after": round(math.exp(after), 3)},
        "log": [
            {
                name: value if math.isfinite(value) else None
                for name, value in entry.items()
                if name in ("step", "epoch", "loss", "eval_loss")
            }
            for entry in log
            if "loss" in entry or "eval_loss" in entry
        ],
    }


def _round(network: Any) -> None:
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.bfloat16)


def _save(network: Any, model: LanguageModel, work: Path, config: CausalConfig, *, whole: bool) -> None:
    """An adapter by itself, or a model that others can stand on."""
    try:
        if whole:
            merged = network.merge_and_unload() if hasattr(network, "merge_and_unload") else network
            merged.to(torch.bfloat16).save_pretrained(work / "model")
            model.tokenizer.save(str(work / "model" / "tokenizer.json"))
            return
        for known in network.peft_config.values():
            known.base_model_name_or_path = config.base
        # Embeddings aren't trained; left to look for itself, PEFT asks the hub for the base.
        network.save_pretrained(work / "adapter", save_embedding_layers=False)
        (work / "adapter" / "README.md").unlink(missing_ok=True)  # a form that nobody has filled in
    except SafetensorError as error:
        raise unwritable(work, error) from error


def _describe(
    config: CausalConfig,
    work: Path,
    metrics: dict[str, Any],
    now: datetime,
    command: str,
    kind: str,
) -> None:
    weights = sorted(file for place in ("adapter", "model") for file in (work / place).glob("*.safetensors"))
    metrics["sha256"] = {str(file.relative_to(work)): sha256(file) for file in weights}
    metrics["base"] = {"name": config.base} | ({"sha256": BASE_SHA256} if config.base == BASE else {})
    (work / "metrics.json").write_text(json.dumps(metrics, ensure_ascii=False, indent=1) + "\n", "utf-8")
    (work / "card.md").write_text(_card(config, metrics, now, command, kind), "utf-8")


def _card(config: CausalConfig, metrics: dict[str, Any], now: datetime, command: str, kind: str) -> str:
    """The model card, in Markdown."""
    loss, perplexity = metrics["held_out_loss"], metrics["held_out_perplexity"]
    what = {"sft": "supervised fine-tuning on grounded dialogues", "pretrain": "continued pre-training"}[kind]
    held = {"sft": "held out by family", "pretrain": "held-out texts"}[kind]
    lines = [
        f"# {config.name}",
        "",
        f"Made {now:%Y-%m-%d %H:%M} UTC by `{command}`: {what}.",
        "",
        f"* Base: {config.base}"
        + (f", SHA-256 {BASE_SHA256} (Gemma Terms of Use)" if config.base == BASE else ""),
        f"* Method: {config.method}, {metrics['trained_parameters']:,} parameters; seed {config.pace.seed}; "
        f"{config.pace.epochs:g} epochs at most, {metrics['seconds']:,.0f} s",
        f"* Data: {', '.join(config.data)}; {config.licence}",
        *(f"* SHA-256 of {name}: {digest}" for name, digest in metrics["sha256"].items()),
        "",
        f"| {held} | before | after |",
        "|---|---|---|",
        f"| loss a token | {loss['before']:.3f} | {loss['after']:.3f} |",
        f"| perplexity | {perplexity['before']:.2f} | {perplexity['after']:.2f} |",
    ]
    return "\n".join(lines) + "\n"
