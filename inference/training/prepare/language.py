"""Which language a conversation is in, by its letters and commonest words."""

from __future__ import annotations

import re
from typing import Literal

from inference.training.prepare.listed import listed

__all__ = ["DialogueLanguage", "language_of"]

DialogueLanguage = Literal["zh", "en", "other"]

_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\u1100-\u11ff\uac00-\ud7af]")
_LATIN_WORD = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")
_LETTER = re.compile(r"[^\W\d_]")
_COMMON_ENGLISH = frozenset(
    listed(
        "a about am an and any are as at be but by can do for from have help how i if in is it me my no "
        "not of ok on or our please so thank thanks that the there this to was we what when where which "
        "will with yes you your hello hi"
    )
)
_ENOUGH = 8
"""Latin words from which a text without common English ones is taken for another language."""


def language_of(text: str) -> DialogueLanguage:
    """zh where a sizeable share of the letters is 汉字 (English names in between don't matter), else en;
    other for other scripts, for other languages in Latin letters, and where there are no letters."""
    letters = len(_LETTER.findall(text))
    if not letters:
        return "other"
    han = len(_HAN.findall(text))
    if len(_KANA_OR_HANGUL.findall(text)) > 0.1 * letters:
        return "other"
    words = _LATIN_WORD.findall(text)
    latin = sum(map(len, words))
    if han + latin < 0.7 * letters:
        return "other"
    if han > len(words) / 2:
        return "zh"
    common = sum(word.lower() in _COMMON_ENGLISH for word in words)
    return "other" if len(words) >= _ENOUGH and common < 0.1 * len(words) else "en"
