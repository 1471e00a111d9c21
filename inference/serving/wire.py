"""What the worker process and its parent say to each other, and how it is framed.

A frame is a 4-byte big-endian length and that many bytes of JSON, one tagged message.
"""

from __future__ import annotations

import struct
from typing import Generic, Literal, TypeVar

import msgspec

from bot.errors import TellerError
from bot.types import GenerateRequest
from inference.generator.options import EngineStats, WorkerOptions

__all__ = [
    "MAX_FRAME",
    "BadFrame",
    "Cancel",
    "Command",
    "Done",
    "Failed",
    "Frames",
    "Generate",
    "Piece",
    "Ping",
    "Pong",
    "Ready",
    "Report",
    "Start",
    "WorkerStats",
    "commands",
    "pack",
    "reports",
]

MAX_FRAME = 4 * 1024 * 1024
"""Bytes; nothing that is said comes near it, so a longer frame is a broken one."""
_LENGTH = struct.Struct(">I")

FailureCode = Literal["overloaded", "deadline", "cancelled", "stopping", "internal", "load"]


class BadFrame(TellerError):
    """The other side doesn't speak this protocol (any more): end the connection."""


class WorkerStats(msgspec.Struct, frozen=True, kw_only=True):
    engine: EngineStats = EngineStats()
    rss_bytes: int = 0
    """Resident memory of the worker process."""


# ── parent to worker ─────────────────────────────────────────────────────────────────────────────


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The first message."""

    options: WorkerOptions


class Generate(msgspec.Struct, frozen=True, tag="generate"):
    request: GenerateRequest


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    id: str


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    number: int


Command = Start | Generate | Cancel | Ping

# ── worker to parent ─────────────────────────────────────────────────────────────────────────────


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    model: str
    load_seconds: float


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    id: str
    text: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    id: str
    outcome: Literal["stop", "length", "repetition"]


class Failed(msgspec.Struct, frozen=True, tag="error"):
    """A reply that won't come (`id`), or with an empty id the worker itself failing."""

    id: str
    code: FailureCode
    message: str


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    number: int
    stalled: float
    """Seconds that the engine has had work without finishing a step."""
    stats: WorkerStats


Report = Ready | Piece | Done | Failed | Pong

# ── frames ───────────────────────────────────────────────────────────────────────────────────────

_encoder = msgspec.json.Encoder()


def pack(message: Command | Report) -> bytes:
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


M = TypeVar("M")


class Frames(Generic[M]):
    """Takes bytes as they come and gives whole messages of one of the unions above."""

    def __init__(self, decoder: msgspec.json.Decoder[M]) -> None:
        self._decoder = decoder
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[M]:
        """The messages completed by `data`, in order.

        Raises:
            BadFrame: a length out of bounds, or bytes that aren't a message of this direction.
        """
        self._buffer += data
        messages: list[M] = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME:
                raise BadFrame(
                    f"a frame of {length} bytes is announced (at most {MAX_FRAME}): restart the worker"
                )
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            try:
                messages.append(self._decoder.decode(body))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadFrame("a frame is not a known message: restart the worker") from error
        return messages


def commands() -> Frames[Command]:
    """The worker's receiving side."""
    return Frames(msgspec.json.Decoder(Command))


def reports() -> Frames[Report]:
    """The parent's receiving side."""
    return Frames(msgspec.json.Decoder(Report))
