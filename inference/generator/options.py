"""Settings and counters of the worker. Apart from what they set, because its parent has no torch."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = [
    "TUNED",
    "UNTUNED",
    "Dtype",
    "EngineOptions",
    "EngineStats",
    "Outcome",
    "Overloaded",
    "Steering",
    "WorkerOptions",
]

Dtype = Literal["auto", "int8", "bfloat16", "float32"]
"""`int8`: prompts are read in bfloat16, replies written with `inference.generator.eight_bits`."""
Outcome = Literal["stop", "length", "repetition", "deadline", "cancelled"]


class Overloaded(Exception):
    """As many replies are waiting as the engine promises to hold."""


class Steering(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the choice of the next token departs from the likeliest; see `inference.generator.choice`."""

    repetition_penalty: float = 1.0
    """≥ 1, as in CTRL (arXiv:1909.05858, 4.1), over the reply alone."""
    no_repeat: int = 8
    """No run of that many tokens comes twice (0: may)."""
    echo: int = 0
    """No run of that many tokens of the question is repeated, unless the best passage has it (0: may be)."""
    favour: float = 0.0
    """Added to the logits of tokens that occur in the best passage;"""
    copy: float = 0.0
    """to that of a token which follows the last one there, and again the last two;"""
    brevity: float = 0.0
    """to those of ending the reply, once for each complete sentence;"""
    opening: float = 0.0
    """to that of beginning as the best passage does, which usually says yes or no first."""
    least: int = 1
    """Tokens before which a reply doesn't end; more than one to measure with."""


UNTUNED = Steering(repetition_penalty=1.05, echo=5, favour=1.5, copy=2.0, brevity=3.0, opening=8.0)
"""What a base model needs to stay on its passages."""
TUNED = Steering()
"""A model that has learned to."""


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
    steering: Steering | None = None
    """None: as the model needs it."""


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
    """Folder of a LoRA adapter to merge in; `shipped` for the one that comes with Teller; empty for none."""
    cache: str = "var/models"
    """Folder for the de-quantised base."""
    dtype: Dtype = "auto"
    threads: int = 0
    """Torch threads; 0 for one a core."""
    grace: float = 5.0
    """Seconds that running replies may go on after SIGTERM."""
    engine: EngineOptions = EngineOptions()
