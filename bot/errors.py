"""Every error that Teller raises on purpose.

TellerError
├── ConfigError             a file an operator edits is wrong (has `problems`)
├── StoreError
│   ├── StoreBusy           the database is locked, full or gone: answer 503, acknowledge nothing
│   └── LeaseLost           another worker holds the conversation now: drop what was computed
├── KeyringError            the keyring is missing, broken, open to others, or another one (docs/trust.md)
├── SealBroken              a sealed value was changed, moved or sealed by another key
├── NotAllowed              something that a legal hold, a retention period or the second person forbids
├── BusError                nobody answers a request, or the answer broke off
├── QueueFull               more is waiting than we promise to hold: answer 503
├── UnknownAttachment       an attachment reference that is not (or no longer) kept
├── AttachmentRefused       too large, or of a type that isn't taken (says which is)
├── InferenceUnavailable    the worker is absent, dead, overloaded or late: answer verbatim
└── SendError               a platform refused a message
    ├── RetryLater          … for now (`retry_after` seconds, for this chat only)
    ├── SendRefused         … for good (blocked, gone, malformed)
    └── SendAmbiguous       … or perhaps not: it timed out after it may have been accepted
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AttachmentRefused",
    "BusError",
    "ConfigError",
    "InferenceUnavailable",
    "KeyringError",
    "LeaseLost",
    "NotAllowed",
    "Problem",
    "QueueFull",
    "RetryLater",
    "SealBroken",
    "SendAmbiguous",
    "SendError",
    "SendRefused",
    "StoreBusy",
    "StoreError",
    "TellerError",
    "UnknownAttachment",
]


class TellerError(Exception):
    """Base of Teller's own errors; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one place of one file."""

    file: str
    line: int
    """1-based; 0 where the whole file is meant."""
    message: str
    excerpt: str = ""
    """The line with a ^ under the place; empty where it can't be, or mustn't be, shown."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message}" + (f"\n{self.excerpt}" if self.excerpt else "")


class ConfigError(TellerError):
    """A configuration or knowledge file is wrong."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class StoreError(TellerError):
    pass


class StoreBusy(StoreError):
    pass


class LeaseLost(StoreError):
    pass


class KeyringError(TellerError):
    pass


class SealBroken(TellerError):
    pass


class NotAllowed(TellerError):
    pass


class BusError(TellerError):
    pass


class QueueFull(TellerError):
    pass


class UnknownAttachment(TellerError):
    pass


class AttachmentRefused(TellerError):
    pass


class InferenceUnavailable(TellerError):
    pass


class SendError(TellerError):
    pass


class RetryLater(SendError):
    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SendRefused(SendError):
    pass


class SendAmbiguous(SendError):
    pass
