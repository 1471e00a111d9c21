"""Settings and counters of the worker. Apart from what they set, because its parent has no torch."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["EngineOptions", "EngineStats", "Outcome", "Overloaded", "WorkerOptions"]

Outcome = Literal["stop", "length", "repetition", "deadline", "cancelled"]


class Overloaded(Exception):
    """As many replies are waiting as the engine promises to hold."""


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rows: int = 16
    """Replies written at the same time."""
    queue: int = 64
    """Replies that may wait for a row."""
    context: int = 1024
    """Tokens of a prompt and its reply together."""
    chunk: int = 128
    """Prompt tokens read in one pass."""
    reading_time: float = 0.3
    """Seconds of a step spent on new prompts while replies are running."""
    trim_vocabulary: bool = True
    stop_on_repetition: bool = True
    """End a reply that says a sentence again."""
    repetition_penalty: float = 1.05
    no_repeat: int = 8
    favour: float = 1.5
    copy: float = 2.0
    brevity: float = 3.0
    opening: float = 8.0
    """These six: see `inference.generator.choice.Chooser`."""


class EngineStats(msgspec.Struct, frozen=True):
    """Counters since the start, and the state now."""

    tokens: int = 0
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    steps: int = 0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    waiting: int = 0
    running: int = 0


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the worker process is told at its start."""

    model: str = "gemma3-270m"
    """`gemma3-270m` (packaged), a Hugging Face id, or a folder."""
    adapter: str = ""
    """Folder of a LoRA adapter to merge in; empty for none."""
    cache: str = "var/models"
    """Folder for the de-quantised base."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    threads: int = 0
    """Torch threads; 0 for one a core."""
    grace: float = 5.0
    """Seconds that running replies may go on after SIGTERM."""
    engine: EngineOptions = EngineOptions()
