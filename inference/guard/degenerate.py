"""Output that is no answer: loops, leaked prompt markers, control characters."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["find_degeneration"]

_MARKERS = re.compile(
    r"(?m)^[ \t]*(?:客户|用户|顾客|客服|柜员|助手|问题?|答案?|回答|回复|资料|参考资料|知识|段落|示例|"
    r"customer|user|assistant|teller|question|answer|reply|passages?|context|sources?|history|example|system|q|a)[ \t]*(?:\d{1,2}|[A-Z])?[ \t]*[:：]"
    r"|[<{}`\ufffd\u0000]|\[/?(?:inst|sys|passage|\d{1,2}|资料\d*)\]|【(?:资料|问|答|段落|参考)\w*】|#{2,}|\*{3,}|_{3,}|={3,}|-{4,}|\|\|"
    r"|(?:start|end)_of_turn|\bpassage \d|\b(?:as an ai|language model)\b|作为(?:一个|一款)?(?:ai|人工智能|语言模型)|资料\d|根据(?:以上|上述)资料",
    re.IGNORECASE,
)
_LOOP = re.compile(r"(.{2,40}?)\1{3,}|(.{6,80}?)\2{2,}|(.{14,120}?)[ \n，。,.!！]*\3", re.DOTALL)
_SAME = re.compile(r"([^\w\s])\1{5,}|(\w)\2{6,}")
_PIECE = re.compile(r"[^。！？!?；;\n]{8,}")
_NOISE = re.compile(r"[\W\d_]+")
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
    for character in text:
        if character not in "\n\t" and unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn", "Cs"}:
            return f"control character U+{ord(character):04X}"
    if _SAME.search(text) or _LOOP.search(text):
        return "repetition"
    pieces = [_NOISE.sub("", piece).lower() for piece in _PIECE.findall(text)]
    pieces = [piece for piece in pieces if len(piece) >= 8]
    if len(set(pieces)) < len(pieces):
        return "a sentence repeated"
    grams = [text[at : at + GRAM] for at in range(len(text) - GRAM + 1)]
    if len(text) >= LONG and len(set(grams)) < VARIETY * len(grams):
        return "repetition"
    return ""
