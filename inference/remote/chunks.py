"""The pieces of a streamed chat completion, as OpenAI-compatible servers send them."""

from __future__ import annotations

from typing import Any

import msgspec

from inference.remote.failure import Failure
from inference.remote.sse import Event

__all__ = ["DONE", "Chunk", "read"]

DONE = "[DONE]"
"""Data of the event after the last."""
_STOPPED = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn"})
_CUT = frozenset({"length", "max_tokens"})
_MOST_TOKENS = 1_000_000
_CONTROL = dict.fromkeys(code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t")
"""Characters that no reply needs and some databases refuse."""


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Sent(msgspec.Struct):
    choices: list[_Choice] | msgspec.UnsetType | None = msgspec.UNSET
    usage: Any = None
    error: Any = None
    object: Any = None


class Chunk(msgspec.Struct, frozen=True):
    text: str = ""
    ended: bool = False
    cut: bool = False
    """It ended at its token limit."""
    tokens: int = 0
    """Tokens of the whole reply, where the server says so."""
    prompt_tokens: int = 0


_decoder = msgspec.json.Decoder(_Sent)


def read(event: Event) -> Chunk:
    """One event's chunk.

    Raises:
        Failure: it is an error, or no chunk of a chat completion, or the model won't write an answer.
    """
    try:
        sent = _decoder.decode(event.data)
    except (msgspec.DecodeError, RecursionError):
        # An error need not be an object of the kind.
        raise _error() if event.name == "error" else _malformed() from None
    if sent.error is not None or sent.object == "error" or event.name == "error":
        raise _error()
    if sent.choices is msgspec.UNSET and sent.usage is None:
        raise _malformed()
    tokens, prompt_tokens = _count(sent.usage, "completion_tokens"), _count(sent.usage, "prompt_tokens")
    choices = [choice for choice in sent.choices or () if choice.index == 0]
    text = "".join(choice.delta.content or "" for choice in choices if choice.delta is not None)
    text = text.translate(_CONTROL)
    reasons = {choice.finish_reason for choice in choices} - {None, ""}
    if reasons - _STOPPED - _CUT:
        raise Failure("it ended the reply for a reason of its own, such as a content filter", blame=False)
    return Chunk(text, bool(reasons), bool(reasons & _CUT), tokens, prompt_tokens)


def _count(usage: Any, name: str) -> int:
    found = usage.get(name) if isinstance(usage, dict) else None
    return min(found, _MOST_TOKENS) if isinstance(found, int) and found > 0 else 0


def _malformed() -> Failure:
    return Failure("it sent something that is no part of a chat completion")


def _error() -> Failure:
    return Failure("it reported an error in the middle of the stream")
