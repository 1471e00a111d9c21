"""The files that `teller train sft` and `teller train pretrain` are given (`config/train/generator.yaml` and
`pretrain.yaml` are examples)."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr

from bot.config.section import Positive, Section, Share
from bot.config.source import load_yaml, parse
from bot.errors import ConfigError
from inference.training.methods import Method

__all__ = ["CausalConfig", "Pace", "PretrainConfig", "SftConfig"]

Rate = Annotated[float, Field(gt=0, le=1)]
_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Adapter(Section):
    """Of LoRA and AdaLoRA; `prefix_tokens` of prefix tuning."""

    rank: Positive = 16
    alpha: Annotated[float, Field(gt=0)] = 32
    dropout: Share = 0.05
    targets: tuple[str, ...] = _TARGETS
    prefix_tokens: Positive = 16


class Pace(Section):
    """How fast, how long, and when to look."""

    epochs: Annotated[float, Field(gt=0, le=1000)] = 3
    batch: Positive = 8
    accumulate: Positive = 1
    """Batches a step."""
    rate: Rate = 3e-4
    """AdamW; warm-up, then a cosine."""
    warmup: Share = 0.05
    decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Annotated[float, Field(gt=0)] = 1.0
    longest: Annotated[int, Field(ge=32, le=32768)] = 768
    """Tokens after which a record is cut."""
    checks: Annotated[int, Field(ge=1, le=1000)] = 6
    """Times that the loss on the held-out part is taken and a checkpoint is kept."""
    patience: Annotated[int, Field(ge=0)] = 2
    """Checks without a better one after which it ends; 0: never."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """bfloat16 where the processor or the GPU computes in it."""
    seed: int = 0


class CausalConfig(Section):
    """What both have. Paths are relative to the file."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")] = "generator"
    base: str = "gemma3-270m"
    """The packaged base, a Hugging Face id, a folder, or the folder of an earlier run."""
    data: Annotated[list[str], Field(min_length=1)]
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.05
    method: Method = "lora"
    adapter: Adapter = Adapter()
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    """The lowest layers, which are left as they are."""
    frozen_embeddings: bool = True
    """Of `full`."""
    pace: Pace = Pace()
    out: Path = Path("../../data/train/runs")
    licence: str = "written for this project (Apache-2.0)"
    """Of the data, for the card."""
    _folder: Path = PrivateAttr(default=Path())

    def files(self) -> list[Path]:
        """The data files, each once."""
        return list(dict.fromkeys(path for pattern in self.data for path in self.matches(pattern)))

    def matches(self, pattern: str) -> list[Path]:
        names = glob.glob(pattern, root_dir=self._folder, recursive=True)
        return sorted(path for name in names if (path := (self._folder / name).resolve()).is_file())

    def resolved(self, path: Path) -> Path:
        return path if path.is_absolute() else (self._folder / path).resolve()

    def base_path(self) -> str:
        """`base`, a folder beside the file by its full name."""
        folder = self._folder / self.base
        return str(folder.resolve()) if self.base.startswith((".", "/")) or folder.is_dir() else self.base

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ConfigError with file and line, also where a glob names no file."""
        document = load_yaml(path)
        config = parse(document, cls)
        config._folder = path.resolve().parent
        problems = [
            document.problem(("data", n), f"no file matches {pattern!r} (looked from {config._folder}/)")
            for n, pattern in enumerate(config.data)
            if not config.matches(pattern)
        ]
        if problems:
            raise ConfigError(problems)
        return config


class SftConfig(CausalConfig):
    """Data: JSONL of grounded dialogues (`inference.training.dialogues`), passages and all."""

    varied: bool = True
    """Other figures and further passages at each reading."""
    trim_vocabulary: bool = True
    """The loss over the tokens that the engine may write, instead of all."""


class PretrainConfig(CausalConfig):
    """Data: plain texts, `.txt` and `.md` (paragraphs) or JSONL with `text`; or conversations as
    `teller train prepare` leaves them (JSONL with `messages` and `language`), each one text."""

    method: Method = "lora"
