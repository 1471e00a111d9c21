"""Two answers in a row that Teller wasn't sure of: then a person is fetched.

The count lies in the conversation's state under `unsure`; in a group it is one member's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["UNSURE", "note_confidence"]

UNSURE = "unsure"
TWICE = 2


def note_confidence(
    state: Mapping[str, Any], *, sure: bool, subject: str, now: float, forget_s: float
) -> tuple[dict[str, Any], bool]:
    """Take note of one more answer.

    Args:
        sure: whether it was answered, rather than guessed at or not known.
        now: epoch seconds.
        forget_s: an unsure answer longer ago than this doesn't count.

    Returns:
        (the new state, whether a person is due). When one is due the count begins again.
    """
    rest = {key: value for key, value in state.items() if key != UNSURE}
    if sure:
        return rest, False
    count, whose, when = state.get(UNSURE, (0, "", 0.0))
    count = count + 1 if whose == subject and now - when <= forget_s else 1
    if count >= TWICE:
        return rest, True
    return {**rest, UNSURE: [count, subject, now]}, False
