"""Turns token ids into text pieces as they come, and finds where a reply ends."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tokenizers import Tokenizer

__all__ = ["TextStream", "repeats_itself"]

_BROKEN = "\ufffd"
_SENTENCE = re.compile(r"[^。！？!?；;\n]+?(?:[。！？!?；;\n]|\.(?= |$))")
_SHORTEST_REPEAT = 6


class TextStream:
    """The text of one growing reply.

    Never gives out part of a character, nor anything from a stop string on: a tail that may still
    become one is held back until it is decided.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(stops)
        self._ids: list[int] = []
        self._given = 0
        self.text = ""
        """All text so far, without what follows a stop string."""
        self.stopped = False

    def push(self, id: int) -> str:
        """Add a token; the text that is now certain and wasn't given out before."""
        if self.stopped:
            return ""
        self._ids.append(id)
        decoded = self._tokenizer.decode(self._ids, skip_special_tokens=True).lstrip()
        if decoded.endswith(_BROKEN):
            return ""
        self.text = decoded
        found = [at for stop in self._stops if (at := decoded.find(stop)) >= 0]
        if found:
            self.stopped = True
            self.text = decoded[: min(found)]
        return self._give(len(self.text) if self.stopped else len(self.text) - self._undecided())

    def finish(self) -> str:
        """What was held back, when no more tokens come."""
        return self._give(len(self.text))

    def _give(self, end: int) -> str:
        piece = self.text[self._given : end]
        self._given = max(self._given, end)
        return piece

    def _undecided(self) -> int:
        """Length of the longest tail that begins a stop string."""
        longest = 0
        for stop in self._stops:
            for length in range(min(len(stop) - 1, len(self.text)), longest, -1):
                if self.text.endswith(stop[:length]):
                    longest = length
                    break
        return longest


def repeats_itself(text: str) -> bool:
    """Whether the sentence just completed was said before."""
    sentences = [match.group().strip() for match in _SENTENCE.finditer(text)]
    if not sentences or not text.endswith(sentences[-1]):
        return False
    return len(sentences[-1]) >= _SHORTEST_REPEAT and sentences[-1] in sentences[:-1]
