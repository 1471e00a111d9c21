"""Output that is no answer: loops, leaked prompt markers, control characters."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from inference.guard.clauses import sentences

__all__ = ["find_degeneration"]

_MARKERS = re.compile(
    r"(?m)^[ \t]*(?:客户|用户|顾客|客服|柜员|助手|问题?|答案?|回答|回复|资料|参考资料|知识|段落|"
    r"customer|user|assistant|teller|question|answer|reply|passages?|context|sources?|history|system|q"
    r"|a)[ \t]*(?:\d{1,2}|[A-Z])?[ \t]*[:：]"
    r"|[<{}`\ufffd\u0000]|\[/?(?:inst|sys|passage|\d{1,2}|资料\d*)\]|【(?:资料|问|答|段落|参考)\w*】"
    r"|#{2,}|\*{3,}|_{3,}|={3,}|-{4,}|\|\|"
    r"|(?:start|end)_of_turn|\bpassage \d|\b(?:as an ai|language model)\b|作为(?:一个|一款)?(?:ai"
    r"|人工智能|语言模型)|资料\d|根据(?:以上|上述)资料",
    re.IGNORECASE,
)
_SHORT_LOOP = re.compile(r"([^\w\s])\1{5,}|([^\W\d])\2{6,}|(\S[^\n]{1,4}?)\3{3,}")
_NOISE = re.compile(r"[\W_]+")
GRAM = 6
"""Characters of the n-grams whose variety is measured."""
VARIETY = 0.55
"""Least share of distinct n-grams in a text of `LONG` characters or more."""
LONG = 60


def find_degeneration(text: str) -> str:
    """What makes a text degenerate, in a word or two; empty if nothing does."""
    marker = _MARKERS.search(text)
    if marker:
        return f"prompt marker {marker[0].strip()!r}"
    for character in "" if text.replace("\n", "").replace("\t", "").isprintable() else text:
        if character not in "\n\t" and unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn", "Cs"}:
            return f"control character U+{ord(character):04X}"
    if _SHORT_LOOP.search(text) or _loops(text):
        return "repetition"
    if _repeats([_NOISE.sub("", sentence).lower() for sentence in sentences(text)]):
        return "a sentence repeated"
    grams = [text[at : at + GRAM] for at in range(len(text) - GRAM + 1)]
    if len(text) >= LONG and len(set(grams)) < VARIETY * len(grams):
        return "repetition"
    return ""


def _loops(text: str) -> bool:
    """Whether a stretch of 16 characters or more follows itself at once, or a shorter one twice."""
    last: dict[str, int] = {}
    for here in range(len(text) - GRAM + 1):
        gram = text[here : here + GRAM]
        before = last.get(gram)
        last[gram] = here
        if before is None:
            continue
        period = here - before
        if period >= 16 and text[before:here] == text[here : here + period]:
            return True
        if GRAM <= period < 16 and text[before:here] * 2 == text[here : here + 2 * period]:
            return True
    return False


def _repeats(pieces: Sequence[str]) -> bool:
    """Whether a sentence follows itself, or comes three times. Twice apart is no loop: two rows of a
    price list may end alike."""
    long = [piece for piece in pieces if len(piece) >= 8]
    return any(a == b for a, b in pairwise(long)) or any(count > 2 for count in Counter(long).values())
