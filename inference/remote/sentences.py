"""A reply that may be cut off: what is given out stays right if it ends there."""

from __future__ import annotations

import re

__all__ = ["WholeSentences"]

_END = re.compile(r"""(?:[。！？!?\n]|(?P<dot>\.)(?=["'”’)）」』]*\s))+["'”’)）」』]*""")
_CLOSING = re.compile(r"""["'”’)）」』]+""")
_ABBREVIATIONS = frozenset({"no", "mr", "mrs", "ms", "dr", "st", "e.g", "i.e", "approx", "vs", "cf"})
_LAST_WORD = re.compile(r"[A-Za-z.]+$")


class WholeSentences:
    """The first sentence is given out as it comes, so that nobody waits; of what follows, whole sentences.

    If the reply is then cut off at its token limit, its beginnings of a further sentence are dropped, and
    nothing has to be taken back. Only a reply cut off within its first sentence has none to keep.
    """

    def __init__(self) -> None:
        self.text = ""
        """All that came, from its first character that isn't a space."""
        self._given = 0
        self._whole = 0
        """Where the last whole sentence ends."""

    def push(self, piece: str) -> str:
        """Add text; what can be given out now."""
        self.text = self.text + piece if self.text else piece.lstrip()
        closing = _CLOSING.match(self.text, self._whole) if self._whole else None
        if closing is not None:  # what closes the sentence came in a later piece than its end
            self._whole = closing.end()
        for end in _END.finditer(self.text, self._whole):
            if end["dot"] is None or not self._is_no_end(end.start("dot")):
                self._whole = end.end()
        return self._give(self._whole or len(self.text))

    def finish(self, *, cut: bool) -> str | None:
        """What is left to give out; None if the reply was cut off within its first sentence."""
        if not cut:
            return self._give(len(self.text))
        return "" if self._whole else None

    def _give(self, end: int) -> str:
        piece = self.text[self._given : end]
        self._given = max(self._given, end)
        return piece

    def _is_no_end(self, dot: int) -> bool:
        """Whether the full stop belongs to an abbreviation or to the number of a list's item."""
        line = self.text[self.text.rfind("\n", 0, dot) + 1 : dot]
        word = _LAST_WORD.search(line)
        return line.strip().isdigit() or (word is not None and word[0].lower() in _ABBREVIATIONS)
