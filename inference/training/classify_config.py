"""The file that `teller train classify` is given (`config/train/intent.yaml` is an example)."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, field_validator

from bot.config.section import Positive, Section, Share
from bot.config.source import load_yaml, parse
from bot.errors import ConfigError
from inference.training.runs import GENERATOR

__all__ = ["ClassifyConfig", "Tuning", "load_classify_config"]

Rate = Annotated[float, Field(gt=0, le=1)]


class Tuning(Section):
    """See `inference.training.finetune.Settings`."""

    layers: Annotated[int, Field(ge=1, le=12)] = 4
    epochs: Positive = 8
    batch: Positive = 48
    rate: Rate = 2e-4
    head_rate: Rate = 5e-3
    decay: Annotated[float, Field(ge=0)] = 0.01
    dropout: Share = 0.1
    head_dropout: Share = 0.2
    smoothing: Share = 0.05
    adversarial: Annotated[float, Field(ge=0, le=10)] = 0.0
    longest: Annotated[int, Field(ge=8, le=512)] = 96
    seed: int = 0


class ClassifyConfig(Section):
    """The whole file. Paths are relative to it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
    """What the classifier is called, and its runs after it."""
    data: Annotated[list[str], Field(min_length=1)]
    """Globs of JSONL files: `text`, `label`, and `family` for siblings that must stay together."""
    label: str = "label"
    """The field that holds the label."""
    words: Share = 0.5
    """Share of a bag of words and characters in the mean with the tuned encoder; 0 leaves it out."""
    held_out: Share = 0.1
    """Share of the families that temperature, threshold and report come from."""
    test: Path | None = None
    """Another hand's rows, which nothing is fitted on; scored at the end and by `promote`."""
    other: str = ""
    """The label of what is none of the others, if there is one."""
    final: bool = True
    """Whether what is kept is trained once more on the held-out part as well."""
    tuning: Tuning = Tuning()
    out: Path = Path("../../data/train/runs")
    licence: str = "written for this project (Apache-2.0)"
    """Of the data, for the card."""
    _folder: Path = PrivateAttr(default=Path())

    @field_validator("name")
    @classmethod
    def _not_the_generators(cls, name: str) -> str:
        if name == GENERATOR:
            raise ValueError(f"{GENERATOR} is what the language model is called: take another name")
        return name

    def matches(self, pattern: str) -> list[Path]:
        names = glob.glob(pattern, root_dir=self._folder, recursive=True)
        return sorted(path for name in names if (path := (self._folder / name).resolve()).is_file())

    def files(self) -> list[Path]:
        """The data files, each once, without the test's."""
        found = dict.fromkeys(path for pattern in self.data for path in self.matches(pattern))
        if self.test is not None:
            found.pop(self.resolved(self.test), None)
        return list(found)

    def resolved(self, path: Path) -> Path:
        return path if path.is_absolute() else (self._folder / path).resolve()


def load_classify_config(path: Path) -> ClassifyConfig:
    """Raises ConfigError with file and line, also where a glob names no file or `test` isn't there."""
    document = load_yaml(path)
    config = parse(document, ClassifyConfig)
    config._folder = path.resolve().parent
    problems = [
        document.problem(("data", n), f"no file matches {pattern!r} (looked from {config._folder}/)")
        for n, pattern in enumerate(config.data)
        if not config.matches(pattern)
    ]
    if config.test is not None and not config.resolved(config.test).is_file():
        problems.append(document.problem(("test",), f"{config.test} isn't a file"))
    if problems:
        raise ConfigError(problems)
    return config
