"""What a person needs to know of a conversation, picked from the customer's own (masked) words.

Nothing is worded here: every text is a piece of what was said, or a passage's title. The core puts it
into lines in the staff's language (`bot.tickets.summary`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bot.types import Exchange, Language
from inference.complaints.words import Words, load_words
from inference.guard.figures import Figure, find_figures
from inference.guard.patterns import fold_figures

__all__ = ["ConversationNotes", "Notes"]

MOST_FIGURES, MOST_TITLES = 8, 4
FURIOUS = 2
"""Angry words, or one with a demand, from which staff are told."""
_MASKED = re.compile(r"[A-Za-z0-9.]{0,6}\*{2,}[A-Za-z0-9@.]*|\[[^\[\]]*(?:隐去|removed)\]")
_CHATTER = re.compile(
    r"(?:(?:您|你)们?好|哈[喽啰]|在(?:吗|么|不在)|有人(?:吗|在吗)|谢谢(?:你|您|了)*|多谢|感谢|好的?|嗯+|哦+|行"
    r"|可以|知道了|明白了?|收到|没事了?|再见|ok(?:ay)?|(?:hi|hello|hey)(?: there| all)?|thanks?(?: you)?"
    r"|good (?:morning|afternoon|evening)|bye|yes|no|sure|got it|great|fine"
    r"|是的?|不是|对|不用了?|人呢|喂|[？?!！。.…~,，\s]|[\U0001f300-\U0001faff])+",
    re.IGNORECASE,
)  # fmt: skip
"""All that a message is which asks nothing."""
_PERSON = re.compile(
    r"(?:请|麻烦|我要|我想|帮我|给我|直接|快|马上|能不能|可以|你|您|们|好|，|,|\s)*(?:转|找|接|叫|要|换|联系)?(?:个|一下|到|下)?"
    r"(?:人工|真人|活人|客服|专员|坐席|经理)(?:客服|服务|专员|坐席|处理|来)?(?:吗|吧|啊|呀|谢谢|，|。|！|!|\s)*"
    r"|(?:please|can|could|may|i|want|need|would|like|to|you|let|me|get|speak|talk|connect|with|a|an|the|real|human|person|agent|staff"
    r"|operator|somebody|someone|representative|now|[\s,.!?'])+",
    re.IGNORECASE,
)  # fmt: skip
"""A message that asks for a person and says nothing else."""
_LONGEST_EMPTY = 60
"""Characters from which a message is taken to say something."""
_AMOUNTS = frozenset({"number", "phone", "url", "email", "code"})
"""Kinds of figures that aren't sums, rates, dates or periods as they stand."""
_BARE_SUM = re.compile(r"\d{1,8}(?:\.\d{2})?")
_LEAST_BARE = 100
"""A bare number from here on, or one with cents, may well be a sum."""


@dataclass(frozen=True, slots=True)
class Notes:
    """Pieces of what was said. Empty where there is nothing to say."""

    first: str
    """The first real question: not a greeting, not a request for a person."""
    last: str
    """The last one, where it is another."""
    figures: tuple[str, ...]
    """Sums, rates, dates and periods that the customer named, as written, in order."""
    answered: tuple[str, ...]
    """Titles of the passages that answers stood on, in order."""
    open: str
    """What was asked last and got no passage in answer."""
    upset: bool
    """Whether strongly negative words are there."""


class ConversationNotes:
    """Takes notes. Deterministic; a millisecond for a usual conversation. Implements `bot.ports.NoteTaker`.

    Args:
        title: a passage's title by id and language; empty for one that is gone.
    """

    def __init__(self, title: Callable[[str, Language], str], words: Words | None = None) -> None:
        self._title = title
        self._words = words if words is not None else load_words()

    def take(self, history: Sequence[Exchange], text: str, language: Language) -> Notes:
        """Notes of a conversation and what the customer says now.

        Args:
            history: oldest first, masked.
            text: the customer's present words, masked; empty if there are none.
            language: the staff's, for titles.
        """
        said = [*(exchange.question for exchange in history), text]
        real = [words for words in said if _asks(words)]
        titles = (self._title(id, language) for exchange in history for id in exchange.passages[:1])
        first, last = (real[0], real[-1]) if real else ("", "")
        return Notes(
            first,
            last if last != first else "",
            _distinct((figure for words in said for figure in _named(words)), MOST_FIGURES),
            _distinct((title for title in titles if title), MOST_TITLES),
            _open(history, text),
            self._upset(said),
        )

    def _upset(self, said: Iterable[str]) -> bool:
        angry = demands = 0
        for words in said:
            tone = self._words.read(words).tone
            angry += tone.get("angry", 0)
            demands += tone.get("demand", 0)
        return angry >= FURIOUS or bool(angry and demands)


def _asks(text: str) -> bool:
    text = _MASKED.sub("", text).strip()
    if len(text) > _LONGEST_EMPTY:
        return True
    return bool(text) and not _CHATTER.fullmatch(text) and not _PERSON.fullmatch(text)


def _open(history: Sequence[Exchange], text: str) -> str:
    if _asks(text):
        return text
    waiting = [exchange for exchange in history if _asks(exchange.question)]
    return waiting[-1].question if waiting and not waiting[-1].passages else ""


def _named(text: str) -> list[str]:
    """Figures of a masked text that are worth telling, without what masking left of numbers."""
    clean = _MASKED.sub(lambda match: "\n" * len(match[0]), text)
    return [figure.text.strip() for figure in find_figures(clean) if _tells(figure)]


def _tells(figure: Figure) -> bool:
    if figure.implicit:
        return False
    if figure.kind not in _AMOUNTS:
        return True
    digits = fold_figures(figure.text).replace(",", "")
    if figure.kind != "number" or _BARE_SUM.fullmatch(digits) is None:
        return False
    return "." in digits or int(digits) >= _LEAST_BARE


def _distinct(items: Iterable[str], most: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))[:most]
