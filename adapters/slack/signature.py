"""Slack's request signatures: `v0=hex(HMAC-SHA256(secret, "v0:" + timestamp + ":" + body))`.

Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import hashlib
import hmac
import re

__all__ = ["MAX_AGE_S", "sign", "verify"]

MAX_AGE_S = 300
"""Seconds a signed request stays valid, either way, so that a captured one can't be replayed later."""

# int() would take white space, underscores and every script's digits besides.
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The `X-Slack-Signature` of a raw body."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def verify(secret: str, timestamp: str, body: bytes, signature: str, now: float) -> str:
    """Empty if the signature is right and fresh, else why not: `stale` or `bad_signature`.

    Compares in constant time, over the body as it came.
    """
    if not _SECONDS.fullmatch(timestamp):
        return "bad_signature"
    expected = sign(secret, timestamp, body).encode()
    if not hmac.compare_digest(expected, signature.encode("utf-8", "surrogateescape")):
        return "bad_signature"
    return "stale" if abs(now - int(timestamp)) > MAX_AGE_S else ""
