"""Runs of `teller train sft` on a tiny base, by the command."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from bot.cli import app
from tests.counter import write_config

__all__ = ["configured", "counter", "only_run", "train"]

RUN = """\
name: generator
base: base
data: [rows.jsonl]
held_out: 0.3
method: {method}
adapter: {{rank: 4, alpha: 8, dropout: 0}}
varied: {varied}
pace: {{epochs: {epochs}, batch: {batch}, accumulate: {accumulate}, rate: {rate}, checks: {checks},
  patience: {patience}, longest: 400}}
out: runs
"""


def configured(
    place: Path,
    *,
    method: str = "lora",
    epochs: int = 6,
    rate: float = 0.01,
    varied: bool = False,
    checks: int = 2,
    patience: int = 0,
    batch: int = 4,
    accumulate: int = 1,
) -> Path:
    config = place / "run.yaml"
    text = RUN.format(
        method=method,
        epochs=epochs,
        rate=rate,
        varied=str(varied).lower(),
        checks=checks,
        patience=patience,
        batch=batch,
        accumulate=accumulate,
    )
    config.write_text(text, encoding="utf-8")
    return config


def counter(place: Path) -> Path:
    """Teller's own configuration, written once."""
    known = place / "teller.yaml"
    return known if known.is_file() else write_config(place)


def train(place: Path, config: Path, *options: str) -> dict[str, object]:
    arguments = ["train", "sft", str(config), "--config", str(counter(place)), *options]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    metrics: dict[str, object] = json.loads(done.output.strip().splitlines()[-1])
    return metrics


def only_run(place: Path) -> Path:
    [run] = (path for path in (place / "runs").iterdir() if path.is_dir())
    return run
