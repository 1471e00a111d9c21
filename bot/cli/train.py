"""`teller train`: from raw conversations to trained parts. The last line is one JSON object of counts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, ends_cleanly, fail, need, open_config, say_line

if TYPE_CHECKING:
    from inference.training.causal_run import CausalRun
    from inference.training.classify_config import ClassifyConfig
    from inference.training.generator_config import CausalConfig

__all__ = ["app"]

app = typer.Typer(help="Prepare data and train.", no_args_is_help=True)

_CAUSAL = ("torch", "peft", "accelerate")
"""Packages that training a language model needs."""


@app.callback()
def train() -> None:
    """Prepare data and train."""


FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Begin anew where an unfinished run of this name stands.")
]


@app.command()
def prepare(
    config: Annotated[
        Path,
        typer.Argument(help="YAML file that says what to read; config/train/prepare.yaml is an example."),
    ],
) -> None:
    """Make masked, deduplicated and split dialogues of conversation logs, and a report."""
    from inference.training.prepare import load_prepare_config
    from inference.training.prepare import prepare as run

    try:
        with ends_cleanly():
            settings = load_prepare_config(config)
            with _progress() as tell:
                report = run(settings, tell)
    except KeyboardInterrupt:
        raise fail("stopped; unfinished files are removed", 130) from None
    for warning in report.warnings:
        sys.stderr.write(f"note: {warning}\n")
    say_line(f"the report is {settings.out / 'report.md'}")
    say_line(json.dumps(report.counts(), ensure_ascii=False))


@app.command()
def classify(
    config: Annotated[
        Path, typer.Argument(help="YAML file of the run; config/train/intent.yaml is an example.")
    ],
    fresh: FreshOption = False,
) -> None:
    """Tune a classifier on labelled texts; weights, metrics and a model card in a folder of its own. Goes on
    where it was stopped."""
    import logging

    need("torch")
    from inference.training.classify import KIND, run
    from inference.training.classify_config import load_classify_config

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with ends_cleanly():
        settings = load_classify_config(config)
    try:
        with ends_cleanly():
            told = f"teller train classify {config}"
            folder, metrics = run(settings, datetime.now(UTC), told, fresh=fresh)
    except KeyboardInterrupt:
        raise _stopped(settings, KIND, "whole epoch") from None
    say_line(f"the run is {folder}; put it into use with `teller train promote {folder} --gate FILE`")
    say_line(json.dumps(_brief(metrics), ensure_ascii=False))


@app.command()
def sft(
    run_config: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="YAML file of the run; config/train/generator.yaml is an example."
        ),
    ],
    fresh: FreshOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Teach the generator to answer from passages: LoRA, AdaLoRA, prefix or all weights. Goes on where it was
    stopped."""
    need(*_CAUSAL)
    from inference.training.generator_config import SftConfig
    from inference.training.sft import run

    with ends_cleanly():
        settings = SftConfig.load(run_config)
    _causal(partial(run, settings, fresh=fresh), settings, "sft", run_config, config)


@app.command()
def pretrain(
    run_config: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="YAML file of the run; config/train/pretrain.yaml is an example."),
    ],
    fresh: FreshOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Go on training a base on plain texts of the field. Goes on where it was stopped."""
    need(*_CAUSAL)
    from inference.training.generator_config import PretrainConfig
    from inference.training.pretrain import run

    with ends_cleanly():
        settings = PretrainConfig.load(run_config)
    _causal(partial(run, settings, fresh=fresh), settings, "pretrain", run_config, config)


def _causal(
    run: Callable[[Path, datetime, str], CausalRun],
    settings: CausalConfig,
    kind: str,
    run_config: Path,
    config: Path,
) -> None:
    try:
        with ends_cleanly():
            cache = open_config(config).current.data_dir / "cache" / "models"
            done = run(cache, datetime.now(UTC), f"teller train {kind} {run_config}")
    except KeyboardInterrupt:
        raise _stopped(settings, kind, "checkpoint") from None
    if not done.leader:
        return
    say_line(f"the run is {done.folder}; its card is {done.folder / 'card.md'}")
    say_line(json.dumps({k: v for k, v in done.metrics.items() if k != "log"}, ensure_ascii=False))


def _stopped(settings: CausalConfig | ClassifyConfig, kind: str, last: str) -> typer.Exit:
    from inference.training.runs import goes_on

    if goes_on(settings.resolved(settings.out), settings.name, kind):
        return fail(f"stopped; the same command goes on from the last {last}", 130)
    return fail(f"stopped before the first {last} was kept; the same command begins anew", 130)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    data: Annotated[Path, typer.Option(help="JSONL: text, label; for a generator, dialogues.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Hold a run against data; leaves JSON and a page to read in its folder."""
    from inference.training.evaluate import evaluate as hold

    with ends_cleanly():
        report = hold(run, data, open_config(config).current.data_dir / "cache" / "models")
    say_line(f"the page is {run / f'evaluation-{data.stem}.md'}")
    say_line(json.dumps(report, ensure_ascii=False))


@app.command()
def promote(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    gate: Annotated[
        Path, typer.Option(help="JSONL that nothing was fitted on: text, label; for a generator, dialogues.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put a run's classifier or adapter into use, unless it is worse on the gate set than the one in use."""
    from bot.assembly import generator_model
    from inference.training.promotion import Configured
    from inference.training.promotion import promote as put

    with ends_cleanly():
        live = open_config(config)
        data_dir = live.current.data_dir
        configured = Configured(generator_model(live), live.config.inference.adapter)
        report = put(run, data_dir / "models", gate, data_dir / "cache" / "models", configured)
    say_line(f"{report['name']} of {run.name} is in use; `teller train rollback {report['name']}` undoes it")
    say_line(json.dumps(report, ensure_ascii=False))


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="The classifier: intent, sentiment …; or generator")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put back what was in use before the last promotion."""
    from inference.training.runs import rollback as back

    with ends_cleanly():
        run = back(open_config(config).current.data_dir / "models", name)
    say_line(f"{run} is in use again" if run else f"nothing that was promoted is in use for {name} any more")


def _brief(metrics: dict[str, Any]) -> dict[str, Any]:
    """Without the figures of every label."""
    return {
        name: {k: v for k, v in value.items() if k != "by_label"} if isinstance(value, dict) else value
        for name, value in metrics.items()
    }


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        yield tell
