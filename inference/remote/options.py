"""Settings and state of the remote generator."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["BreakerOptions", "RemoteOptions", "RemoteStatus"]


class BreakerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    failures: int = 5
    """So many failed replies in `window` open it, if they are at least half of the replies."""
    window: float = 30.0
    """Seconds."""
    pause: float = 10.0
    """Seconds from opening to the first probe; doubles with every probe that fails."""
    longest_pause: float = 120.0


class RemoteOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The API key isn't here: nothing that shows these settings may show it."""

    url: str
    """Base of the API, without `/chat/completions` and without a slash at its end."""
    model: str = ""
    """As the server calls it; empty to name none, for a server that has only one."""
    connect: float = 5.0
    """Seconds for name look-up, connection and TLS."""
    first_token: float = 10.0
    """Seconds from a call to its first text."""
    max_concurrent: int = 8
    """Replies written at the same time."""
    queue: int = 64
    """Requests that may wait for a place."""
    retries: int = 2
    temperature: float = 0.0
    first_back_off: float = 0.25
    """Seconds before the first retry; doubles, up to `longest_back_off`."""
    longest_back_off: float = 4.0
    max_reply_bytes: int = 32 * 1024
    """UTF-8 bytes of a reply's text."""
    max_wire_bytes: int = 4 * 1024 * 1024
    """Bytes of a reply as it is sent, envelopes and all."""
    max_event_bytes: int = 256 * 1024
    """Bytes of one event of the stream."""
    breaker: BreakerOptions = BreakerOptions()


class RemoteStatus(msgspec.Struct, frozen=True, kw_only=True):
    """For /readyz, in the words of `inference.client.WorkerStatus`."""

    state: Literal["off", "ready", "backing_off"]
    kind: Literal["remote"] = "remote"
    model: str = ""
    restarts: int = 0
    """Always 0: there is no process to restart."""
    opened: int = 0
    """Times the circuit breaker opened."""
    last_error: str = ""
