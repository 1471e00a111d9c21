"""`teller train`: from raw conversations to trained parts. The last line is one JSON object of counts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.common import ends_cleanly, fail, say_line

__all__ = ["app"]

app = typer.Typer(help="Prepare data and train.", no_args_is_help=True)


@app.callback()
def train() -> None:
    """Prepare data and train."""


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
