"""The guard over generated replies."""

from inference.guard.guard import Finding, ReplyGuard

__all__ = ["Finding", "ReplyGuard"]
