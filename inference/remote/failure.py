"""Why one call gave no reply."""

from __future__ import annotations

import email.utils
import re
from datetime import datetime

__all__ = ["Failure", "refusal", "wait_of"]

_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?")


class Failure(Exception):
    """One call's failure. The message is plain, and holds nothing of what was asked or answered."""

    def __init__(
        self, reason: str, *, again: bool = False, wait: float = 0.0, blame: bool = True, late: bool = False
    ) -> None:
        """
        Args:
            again: it may be tried again, if no text has come yet.
            wait: seconds that the server wants to be left alone first.
            blame: it speaks against the server, so the circuit breaker counts it.
            late: it had too little time, be it through us.
        """
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.wait = wait
        self.blame = blame
        self.late = late


def refusal(status: int, retry_after: str, now: datetime) -> Failure:
    """What an HTTP status other than 200 means. The body is never read: servers quote requests there."""
    if status == 429:
        return Failure("it is overloaded (status 429)", again=True, wait=wait_of(retry_after, now))
    if status >= 500:
        return Failure(f"it failed with status {status}", again=True, wait=wait_of(retry_after, now))
    if 300 <= status < 400:
        return Failure(
            f"it redirects elsewhere (status {status}), which isn't followed: set inference.remote.url"
        )
    if status in (401, 403):
        return Failure(f"it refuses the key (status {status}): set inference.remote.api_key")
    if status == 404:
        return Failure("it knows no such address or model (status 404): set inference.remote.url and .model")
    # These speak of this request alone.
    return Failure(
        f"it refused the request with status {status}: does it need inference.remote.model?",
        blame=status not in (400, 413, 422),
    )


def wait_of(retry_after: str, now: datetime) -> float:
    """Seconds of a Retry-After header, in either of its forms (RFC 9110, 10.2.3); 0 if it says nothing."""
    text = retry_after.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if when.tzinfo is None:  # "-0000", which says UTC too
        when = when.replace(tzinfo=now.tzinfo)
    return max(0.0, (when - now).total_seconds())
