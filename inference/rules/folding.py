"""Text as rules see it: one way of writing for what can be written in many.

Full-width and traditional characters, look-alike letters, zero-width characters and emoji, and words pulled
apart (安 全*账户, s.a.f.e) all come out the same. `trace` says for each character where it stood before.
"""

from __future__ import annotations

import re
import unicodedata

from pypinyin.constants import PINYIN_DICT, Style
from pypinyin.style import convert as _style

from inference.simplified import simplified

__all__ = ["fold", "sound", "trace"]

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
FILLER = "\u00b7"
"""What emoji and other symbols become; it vanishes between letters."""
_LOOKALIKES = dict(
    zip(
        "аеорсухіѕһԁӏкмтвнαβεικνορτυχω",
        "aeopcyxishdlkmtbhabeiknoptuxw",
        strict=True,
    )
)
_VARIANTS = {
    "帐": "账",
    "妳": "你",
    "祂": "他",
    "牠": "它",
    "啲": "的",
    "嘅": "的",
    "唔": "不",
    "嚟": "来",
    "喺": "在",
}
_LEET = str.maketrans({"0": "o", "1": "l", "3": "e", "4": "a", "5": "s", "@": "a", "$": "s"})

# Filler inside a word. An ideographic full stop or a comma ends a clause and is no filler, except in a run of
# single characters (安,全,账,户).
_APART = re.compile(
    rf"(?<=[{HAN}])[ \t{FILLER}*_~^|\-/\\+=#@.…'\"`]{{1,6}}(?=[{HAN}])"
    rf"|(?<![{HAN}])[{HAN}](?:[,、;:\n ][{HAN}](?![{HAN}])){{2,}}"
    rf"|(?<![a-z0-9])[a-z](?:[ {FILLER}.*_\-/]{{1,2}}[a-z](?![a-z])){{2,}}"
)
_HIDDEN_DIGIT = re.compile(r"(?<=[a-z])[0134@$5](?=[a-z])")
_BLANKS = re.compile(" {2,}")
_KEPT = re.compile(rf"[{HAN}a-z]")


class _Table(dict[int, str]):
    """How each character folds, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold_one(chr(code))
        return folded


def _fold_one(character: str) -> str:
    if character in "\n\t ":
        return character
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me", "Cc", "Cs", "Co", "Cn"):
        return ""
    plain = unicodedata.normalize("NFKC", character).casefold()
    if category in ("So", "Sk") and not plain.isalnum() and not character.isascii():
        return FILLER
    return "".join(_fold_letter(letter) for letter in plain)


def _fold_letter(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter in "’‘＇ʼ`":
        return "'"
    if letter in _LOOKALIKES:
        return _LOOKALIKES[letter]
    if "\u3400" <= letter <= "\u9fff":
        simple = simplified(letter)
        return _VARIANTS.get(simple, simple)
    # Accents are taken off Latin letters; everything else stays.
    base = unicodedata.normalize("NFD", letter)[0]
    return base if base.isascii() else letter


_TABLE = _Table()


class _Uneven(dict[int, str | None]):
    """Of each character nothing, if it folds to one character, and otherwise itself."""

    def __missing__(self, code: int) -> str | None:
        kept = self[code] = None if len(_TABLE[code]) == 1 else chr(code)
        return kept


_UNEVEN = _Uneven()


def fold(text: str) -> str:
    """The folded text. Never longer than NFKC makes it."""
    folded = text.translate(_TABLE)
    folded = _BLANKS.sub(" ", _APART.sub(_squeeze, folded))
    return _HIDDEN_DIGIT.sub(_letter, folded)


def trace(text: str) -> tuple[str, list[int]]:
    """(folded text, for each of its characters the position in `text` that it came from)."""
    if len(whole := fold(text)) == len(text) and not text.translate(_UNEVEN):
        return whole, list(range(len(text)))
    letters: list[str] = []
    origins: list[int] = []
    for at, character in enumerate(text):
        for letter in _TABLE[ord(character)]:
            letters.append(letter)
            origins.append(at)
    folded = "".join(letters)
    dropped: set[int] = set()
    for match in _APART.finditer(folded):
        inside = range(match.start(), match.end())
        dropped.update(at for at in inside if not _KEPT.match(folded[at]))
    kept = [at for at in range(len(folded)) if at not in dropped]
    kept = [at for n, at in enumerate(kept) if folded[at] != " " or n == 0 or folded[kept[n - 1]] != " "]
    squeezed = "".join(folded[at] for at in kept)
    return _HIDDEN_DIGIT.sub(_letter, squeezed), [origins[at] for at in kept]


def _squeeze(match: re.Match[str]) -> str:
    return "".join(_KEPT.findall(match[0]))


def _letter(match: re.Match[str]) -> str:
    return match[0].translate(_LEET)


# ── sounds ───────────────────────────────────────────────────────────────────────────────────────


class _Sounds(dict[int, str | None]):
    """Characters as toneless pinyin; letters as they are; blanks vanish; all else stands for itself."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        readings = PINYIN_DICT.get(code)
        if readings:
            sound: str | None = _style(readings.split(",")[0], Style.NORMAL, strict=False)
        else:
            sound = None if character in " '" else character
        self[code] = sound
        return sound


_SOUNDS = _Sounds()


def sound(folded: str) -> str:
    """A folded text by its sound: 安全帐互 and "an quan zhang hu" are both anquanzhanghu."""
    return folded.translate(_SOUNDS)
