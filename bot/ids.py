"""Ids and the clock: the only randomness and time that the core has, injected everywhere."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

__all__ = ["new_id", "utc_now"]


def new_id() -> str:
    """26 characters: 48 bits of milliseconds and 80 random bits, in Crockford base 32 (ULID), so
    that ids sort by time. Source: github.com/ulid/spec."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[value >> shift & 31] for shift in range(125, -1, -5))


def utc_now() -> datetime:
    return datetime.now(UTC)
