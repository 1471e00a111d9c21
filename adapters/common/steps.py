"""One message that takes several calls: how far it got is remembered, so a retry goes on from there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from adapters.base import Notes

__all__ = ["Step", "in_steps"]

Step = Callable[[], Awaitable[str]]
"""One call to the platform; returns the platform's id of what it made, or nothing."""

KEPT_S = 3 * 24 * 3600.0


async def in_steps(notes: Notes, key: str, steps: Sequence[Step]) -> str:
    """Run the steps that an earlier attempt at the message `key` hasn't done; the last id made.

    Every step is recorded when it is done, so a failure in the third of five repeats neither of the
    first two. What a step raises is passed on.
    """
    if len(steps) == 1:
        return await steps[0]()
    note = f"steps:{key}"
    count, _, made = ((await notes.get(note)) or "0|").partition("|")
    for number in range(int(count), len(steps)):
        made = await steps[number]() or made
        await notes.put(note, f"{number + 1}|{made}", ttl_s=KEPT_S)
    return made
