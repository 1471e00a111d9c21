"""From reviewed feedback to training rows. Pure.

An exchange is one question and the reply that is to be learnt: a correction before a resolution before the
bot's own answer. Approved exchanges that followed each other in one conversation become one dialogue, so a
follow-up keeps what it refers to; nothing that wasn't itself approved stands in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bot.feedback.item import Citations, Item
from bot.types import Language

__all__ = ["Exchange", "as_messages", "exchanges", "runs"]

Label = Literal["good", "bad"]
Source = Literal["vote", "correction", "ticket"]
_SOURCES: Mapping[str, Source] = {"vote": "vote", "correction": "correction", "resolution": "ticket"}
_RANK: Sequence[str] = ("vote", "resolution", "correction")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is learnt of one question."""

    id: int
    """Of the feedback it comes from."""
    conversation: str
    event_id: str
    label: Label
    """`bad`: a reply that was approved as a bad one, with nothing better said."""
    source: Source
    question: str
    reply: str
    passages: tuple[str, ...]
    cited: Citations
    """Parts of the passages' texts as the customer was shown them, where they were."""
    language: Language


def exchanges(
    items: Iterable[Item], text: Callable[[str], str], reply: Callable[[str], str] | None = None
) -> list[Exchange]:
    """The approved ones among `items`, one for each question.

    Args:
        text: what becomes of every text: masking.
        reply: what becomes of replies instead, where that is something else.
    """
    about: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        if item.status == "approved" and item.usable:
            about.setdefault((item.conversation, item.event_id), []).append(item)
    made = (_exchange(found, text, reply or text) for found in about.values())
    return [one for one in made if one.question.strip() and one.reply.strip()]


def _exchange(found: Sequence[Item], text: Callable[[str], str], reply: Callable[[str], str]) -> Exchange:
    best = max(found, key=lambda item: (_RANK.index(item.kind), item.at, item.id))
    # Members of a group may disagree: one who had reason to complain is enough.
    disliked = best.kind == "vote" and any(item.verdict == "down" for item in found)
    return Exchange(
        id=best.id,
        conversation=best.conversation,
        event_id=best.event_id,
        label="bad" if disliked else "good",
        source=_SOURCES[best.kind],
        question=text(best.question),
        reply=reply(best.reply if best.kind == "vote" else best.text),
        passages=best.passages,
        cited=best.cited if best.kind != "resolution" else (),
        language=best.language,
    )


def runs(
    found: Iterable[Exchange], lines: Iterable[tuple[str, str, float]], *, gap_s: float
) -> Iterator[tuple[Exchange, ...]]:
    """Dialogues: exchanges in a row, none between them left out; bad ones stand alone.

    Args:
        lines: (conversation, event id, when) of customers' lines in those conversations, in order.
        gap_s: seconds after which a question begins a new subject.
    """
    known = {(one.conversation, one.event_id): one for one in found}
    run: list[Exchange] = []
    last: tuple[str, float] = ("", 0.0)
    for conversation, event_id, at in lines:
        one = known.get((conversation, event_id))
        follows = last[0] == conversation and at - last[1] <= gap_s
        last = (conversation, at)
        good = one is not None and one.label == "good"
        if run and not (good and follows and one is not None and one.language == run[-1].language):
            yield tuple(run)
            run = []
        if one is not None:
            if good:
                run.append(one)
            else:
                yield (one,)
    if run:
        yield tuple(run)


def as_messages(run: Sequence[Exchange]) -> dict[str, Any]:
    """The canonical row: what `teller train prepare` reads, with where it comes from and what it is."""
    messages = []
    for one in run:
        messages.append({"role": "user", "content": one.question})
        messages.append({"role": "assistant", "content": one.reply})
    return {
        "id": f"feedback-{run[0].id}",
        "messages": messages,
        "source": "+".join(sorted({one.source for one in run})),
        "label": run[0].label,
        "language": run[0].language,
        "passages": list(dict.fromkeys(id for one in run for id in one.passages)),
    }
