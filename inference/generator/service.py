"""A loaded model that answers grounded requests: prompt, engine, text."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers.utils import logging as transformers_logging

from bot.errors import InferenceUnavailable
from bot.types import GenerateRequest
from inference.generator import prompt
from inference.generator.engine import Engine, Job, Listener
from inference.generator.model import load
from inference.generator.options import WorkerOptions

__all__ = ["open_engine", "to_job"]

_LEAST_ROOM = 300


def open_engine(options: WorkerOptions, listener: Listener) -> Engine:
    """Load the model and make its engine ready for requests. Takes seconds (the first time, a minute).

    Raises:
        InferenceUnavailable: the model can't be had.
    """
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(options.threads or _cores())
    model = load(options.model, cache=Path(options.cache), adapter=options.adapter, dtype=options.dtype)
    try:
        engine = Engine(model, options.engine, listener)
        engine.warm_up(prompt.beginnings(tuned=model.tuned))
    except (RuntimeError, ValueError, TypeError) as error:
        raise InferenceUnavailable(
            f"the model {options.model!r} can't be served ({error}): set inference.dtype to bfloat16, or "
            "choose another model"
        ) from error
    if engine.room < _LEAST_ROOM:
        raise InferenceUnavailable(
            f"the model {options.model!r} has a tokenizer that leaves {engine.room} tokens for passages and "
            f"question, and {_LEAST_ROOM} are needed: choose one that knows Chinese"
        )
    return engine


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def to_job(
    request: GenerateRequest, clock: Callable[[], float] = time.monotonic, *, tuned: bool = False
) -> Job:
    """The engine's view of a request received now; `tuned` as the engine's model is."""
    built = prompt.build(request, tuned=tuned)
    return Job(
        id=request.id,
        prefix=built.beginning,
        prompt=built.rest,
        stops=built.stops,
        max_tokens=request.max_tokens,
        deadline=clock() + request.deadline,
        sources=built.sources,
        best=built.best,
        question=built.question,
    )
