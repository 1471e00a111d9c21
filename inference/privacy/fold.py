"""One look for many spellings: fullwidth, circled and styled digits, dashes, traditional characters.

Folding keeps positions. What can't be seen (zero-width characters, keycap marks) is left out, with a
map back to the raw text, so that a number doesn't hide behind it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from inference.simplified import simplified

__all__ = ["Folded", "fold"]

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\u20e3\u3164\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)
_MARKS = "\u20e3\ufe00-\ufe0f"
_TRAILING = re.compile(f"[{_MARKS}]+")


def _table() -> dict[int, str]:
    han = [chr(code) for code in range(0x4E00, 0x9FA6)]
    simple = simplified("\n".join(han)).split("\n")
    table = {ord(old): new for old, new in zip(han, simple, strict=True) if old != new and len(new) == 1}
    for code in range(0x80, 0x20000):
        if unicodedata.category(chr(code)) == "Nd":
            table[code] = str(unicodedata.decimal(chr(code)))
    table |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    for first in (0x2460, 0x2474, 0x2488, 0x2776, 0x2780, 0x278A, 0x24F5):
        table |= {first + n: str(n + 1) for n in range(9)}
    table |= dict.fromkeys((0x24EA, 0x24FF, 0x1F10B, 0x1F10C), "0")
    table |= {0xB2: "2", 0xB3: "3", 0xB9: "1", 0x2070: "0"}
    table |= {0x2070 + n: str(n) for n in range(4, 10)}
    table |= {0x2080 + n: str(n) for n in range(10)}
    table |= {0x24B6 + n: chr(65 + n) for n in range(26)}
    table |= {0x24D0 + n: chr(97 + n) for n in range(26)}
    for first in (0x1D400, 0x1D468, 0x1D4D0, 0x1D5A0, 0x1D5D4, 0x1D63C, 0x1D670):
        table |= {first + n: chr(65 + n) for n in range(26)}
        table |= {first + 26 + n: chr(97 + n) for n in range(26)}
    table |= {ord(dash): "-" for dash in "‐‑‒–—―−﹣⁃"}
    table |= {ord(space): " " for space in "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"}
    table |= {ord(space): " " for space in "\u2008\u2009\u200a\u202f\u205f\u3000"}
    table |= {ord("〇"): "零", ord("○"): "零", ord("‧"): "·", ord("•"): "·", ord("・"): "·"}
    return table | {ord("’"): "'", ord("‘"): "'", ord("“"): '"', ord("”"): '"'}


_TABLE = _table()


@dataclass(frozen=True, slots=True)
class Folded:
    """A text to search, and the way back to the raw one."""

    text: str
    low: str
    """`text` in lower case, of the same length."""
    origin: tuple[int, ...] | None
    """Raw position of each character of `text`, and of its end; None where they're equal."""

    def raw(self, start: int, end: int, raw: str) -> tuple[int, int]:
        """The raw positions of `text[start:end]`; marks that belong to its last character included."""
        if self.origin is None:
            return start, end
        first, last = self.origin[start], self.origin[end - 1] + 1
        trailing = _TRAILING.match(raw, last)
        return first, trailing.end() if trailing else last


def fold(raw: str) -> Folded:
    """Fold a raw text of any content."""
    origin = None
    text = raw
    if not raw.isascii():
        if _INVISIBLE.search(raw):
            kept = [at for at, character in enumerate(raw) if not _INVISIBLE.match(character)]
            text = "".join([raw[at] for at in kept])
            origin = (*kept, len(raw))
        text = text.translate(_TABLE)
    low = text.lower()
    return Folded(text, low if len(low) == len(text) else text, origin)
