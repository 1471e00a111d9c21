"""HMAC signatures of the HTTP platform: `sha256=hex(HMAC-SHA256(secret, timestamp + "." + body))`."""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["MAX_AGE_S", "sign", "verify"]

MAX_AGE_S = 300
"""Seconds a signed request stays valid, either way, so that a captured one can't be replayed later."""


def sign(secret: bytes, timestamp: str, body: bytes) -> str:
    digest = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def verify(secret: bytes, timestamp: str, body: bytes, signature: str, now: float) -> str:
    """Empty if the signature is right and fresh, else why not. Compares in constant time."""
    try:
        age = now - int(timestamp)
    except ValueError:
        return "X-Teller-Timestamp must be whole seconds since the epoch"
    if abs(age) > MAX_AGE_S:
        return f"X-Teller-Timestamp is {age:.0f} s off; at most {MAX_AGE_S} s are allowed (check the clock)"
    expected = sign(secret, timestamp, body)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        return "X-Teller-Signature doesn't match the body"
    return ""
