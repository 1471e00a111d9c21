"""Holds the figures of a reply to those of the passages while it is being written.

An untuned small model follows a passage's wording well and its digits badly. At each step this says
which characters may come next: a figure, once begun, must go on to be one that occurs in the
passages, together with the unit that follows it there. The guard still checks the whole reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Figures"]

_FIGURE = re.compile(r"[0-9]+(?:[.,:/~–-][0-9]+)*(?: ?[%％万亿千百元天日年月个次岁周])?")
_BEFORE = re.compile(r"[.,:/~–-]")


class Figures:
    """The figures of some passages, as a prefix tree over characters."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._whole: set[str] = set()
        self._next: dict[str, set[str]] = {"": set()}
        for text in texts:
            for match in _FIGURE.finditer(text):
                self._add(match.group())

    def _add(self, figure: str) -> None:
        self._whole.add(figure)
        for end in range(len(figure)):
            self._next.setdefault(figure[:end], set()).add(figure[end])

    def next(self, begun: str) -> frozenset[str]:
        """The characters that may continue the figure `begun`; for "" the digits that may begin one."""
        return frozenset(self._next.get(begun, ()))

    def may_end(self, begun: str) -> bool:
        """Whether the text may go on with something else after `begun`."""
        if begun in self._whole or not begun:
            return True
        # "10." at the end of a sentence: the point may yet become a decimal one, or not.
        return bool(_BEFORE.fullmatch(begun[-1])) and begun[:-1] in self._whole

    def advance(self, begun: str, text: str) -> str | None:
        """The figure being written after `text` was appended to `begun`; None where that's not allowed."""
        for character in text:
            if character in self.next(begun) and (begun or character.isdigit()):
                begun += character
            elif character.isascii() and character.isdigit():
                return None
            elif self.may_end(begun):
                begun = ""
            else:
                return None
        return begun
