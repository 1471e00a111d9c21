"""What a person needs to know of a conversation, picked from the customer's own (masked) words.

Nothing is worded here: every text is a piece of what was said, or a passage's title. The core puts it
into lines in the staff's language (`bot.tickets.summary`).
"""

# ruff: noqa: E501 (patterns read best one a line)
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
    r"(?:(?:您|你)们?好|哈[喽啰]|在(?:吗|么|不在)|有人(?:吗|在吗)|(?:谢谢|感谢)(?:你|您|了|们|大家)*(?:的(?:帮助|帮忙|解答|回复|耐心))?|多谢|好[的吧呀]?|嗯+|哦+|行吧?"
    r"|可以|知道了|明白了?|收到|没事了?|再见|ok(?:ay)?|(?:hi|hello|hey)(?: there| all)?|(?:many )?thanks?(?: you)?"
    r"|(?:(?:我的?)?(?:问题|事情?))?(?:已经?|都|也|就)*(?:解决|搞定|弄好|办好|处理好|清楚)了|没(?:有|啥|什么)?(?:别的|其他)?(?:问题|事)?了|(?:您|你)?(?:太)?辛苦(?:您|你|了)*|麻烦(?:您|你|了)+"
    r"|(?:very|so) much|a lot|for (?:all )?(?:your|the) (?:help|time|patience)|that(?:['’]?s| is| will be| would be) (?:all|it)(?: for now| i need(?:ed)?)?"
    r"|(?:it(?:['’]s| is| was) |(?:the |my )?(?:problem|issue) (?:is |was )?|all |now )*(?:solved|resolved|sorted|fixed)(?: now)?|nothing else|all good|perfect|cheers|alright|much appreciated"
    r"|good (?:morning|afternoon|evening)|bye|yes|no|sure|got it|great|fine"
    r"|是的?|不是|对|不用了?|人呢|喂|[？?！!。.…~,，\s]|[\U0001f300-\U0001faff])+",
    re.IGNORECASE,
)  # fmt: skip
"""All that a message is which asks nothing."""
_SOLVED = re.compile(r"(?:解决|搞定|弄好|办好|处理好)了|\b(?:solved|resolved|sorted|fixed)\b", re.IGNORECASE)
"""In a message that asks nothing: what was open isn't any more."""
_CLAUSE = re.compile(r"[，。！？；!?;\n]|[,.](?=\s|$)")
_LONGEST_EMPTY = 60
"""Characters from which a message is taken to say something."""
_LONGEST_WISH = {True: 18, False: 60}
"""The same of a clause in which a person is asked for, with 汉字 and without."""
_AMOUNTS = frozenset({"number", "phone", "url", "email", "code"})
"""Kinds of figures that aren't sums, rates, dates or periods as they stand."""
_BARE_SUM = re.compile(r"\d{1,8}(?:\.\d{2})?")
_LEAST_BARE = 100
"""A bare number from here on may be a sum; one with cents is."""
_MOVED = re.compile(
    r"(?:[转付扣取存花汇充借还刷赔亏骗退欠缴交](?:了|出|走|款|账|掉|现|费|值)*|金额(?:是|为)?|一?共|总共)[约大概是]{0,2}[ ]?$"
    r"|\b(?:paid|pay|charged|transferr?(?:ed)?|sent|send|withdr(?:e|a)w|withdrawn|took|taken|deposit(?:ed)?|spent|spend|owe|lost|refund(?:ed)?"
    r"|amount of|sum of|total of)(?: (?:me|us|him|her|them|out|only|about|over|around|almost|another))*[ ]$",
    re.IGNORECASE,
)
"""Right before a bare number that is a sum."""


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
        asks_for_person: whether words are a request for a person.
    """

    def __init__(
        self,
        title: Callable[[str, Language], str],
        asks_for_person: Callable[[str], bool],
        words: Words | None = None,
    ) -> None:
        self._title = title
        self._asks_for_person = asks_for_person
        self._words = words if words is not None else load_words()

    def take(self, history: Sequence[Exchange], text: str, language: Language) -> Notes:
        """Notes of a conversation and what the customer says now.

        Args:
            history: oldest first, masked.
            text: the customer's present words, masked; empty if there are none.
            language: the staff's, for titles.
        """
        said = [*(exchange.question for exchange in history), text]
        real = [words for words in said if self._asks(words)]
        titles = (self._title(id, language) for exchange in history for id in exchange.passages[:1])
        first, last = (real[0], real[-1]) if real else ("", "")
        return Notes(
            first,
            last if last != first else "",
            _distinct((figure for words in said for figure in _named(words)), MOST_FIGURES),
            _distinct((title for title in titles if title), MOST_TITLES),
            self._open(history, text),
            self._upset(said),
        )

    def _upset(self, said: Iterable[str]) -> bool:
        angry = demands = 0
        for words in said:
            tone = self._words.read(words).tone
            angry += tone.get("angry", 0)
            demands += tone.get("demand", 0)
        return angry >= FURIOUS or bool(angry and demands)

    def _asks(self, text: str) -> bool:
        """Whether a message says something besides courtesies and a wish for a person."""
        text = _MASKED.sub("", text).strip()
        if len(text) > _LONGEST_EMPTY:
            return True
        said = (clause for clause in _CLAUSE.split(text) if clause.strip() and not _CHATTER.fullmatch(clause))
        return any(not self._wishes(clause) for clause in said)

    def _wishes(self, clause: str) -> bool:
        wide = any(character > "\u2e7f" for character in clause)
        return len(clause) <= _LONGEST_WISH[wide] and self._asks_for_person(clause)

    def _open(self, history: Sequence[Exchange], text: str) -> str:
        if self._asks(text):
            return text
        if _SOLVED.search(text):
            return ""
        for exchange in reversed(history):
            if self._asks(exchange.question):
                return "" if exchange.passages else exchange.question
            if _SOLVED.search(exchange.question):
                return ""
        return ""


def _named(text: str) -> list[str]:
    """Figures of a masked text that are worth telling, without what masking left of numbers."""
    clean = _MASKED.sub(lambda match: "\n" * len(match[0]), text)
    return [figure.text.strip() for figure in find_figures(clean) if _tells(figure, clean)]


def _tells(figure: Figure, text: str) -> bool:
    if figure.implicit:
        return False
    if figure.kind not in _AMOUNTS:
        return True
    digits = fold_figures(figure.text).replace(",", "")
    if figure.kind != "number" or _BARE_SUM.fullmatch(digits) is None:
        return False
    moved = _MOVED.search(text, max(0, figure.start - 24), figure.start) is not None
    return "." in digits or (moved and int(digits) >= _LEAST_BARE)


def _distinct(items: Iterable[str], most: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))[:most]
