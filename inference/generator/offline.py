"""The engine without a process or a clock: all replies of a list of requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from bot.types import GenerateRequest
from inference.generator.engine import Engine
from inference.generator.model import LanguageModel
from inference.generator.options import EngineOptions, Outcome
from inference.generator.prompt import beginnings
from inference.generator.service import to_job

__all__ = ["write_replies"]


def write_replies(
    model: LanguageModel,
    requests: Sequence[GenerateRequest],
    options: EngineOptions | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> list[str]:
    """The reply to each request, in order. Ids must differ; deadlines count from the beginning of the whole.

    Args:
        tell: called with (replies written, of how many).
    """
    texts = {request.id: "" for request in requests}
    if len(texts) < len(requests):
        raise ValueError("two requests have the same id")
    ended = 0

    def hear(id: str, text: str, outcome: Outcome | None) -> None:
        nonlocal ended
        texts[id] += text
        ended += outcome is not None

    engine = Engine(model, options or EngineOptions(queue=max(1, len(requests))), hear)
    engine.warm_up(beginnings(tuned=model.tuned))
    for request in requests:
        engine.submit(to_job(request, time.monotonic, tuned=model.tuned))
    told = 0
    while engine.busy:
        engine.step()
        if tell is not None and ended > told:
            told = ended
            tell(ended, len(requests))
    return [texts[request.id].strip() for request in requests]
