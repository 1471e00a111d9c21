"""Text with formatting, kept apart from it: nothing needs escaping, and nothing can be mis-escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from telegram import MessageEntity

from adapters.common.split import measure, split

__all__ = ["Rich", "Span", "cut", "paragraphs", "pieces", "utf16_slice"]


@dataclass(frozen=True, slots=True)
class Span:
    """A formatted stretch, in code points."""

    type: str
    """As Telegram calls it: `bold`, `italic`, `text_link` …"""
    start: int
    end: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Rich:
    text: str
    spans: tuple[Span, ...] = ()

    def part(self, start: int, end: int) -> Rich:
        """The piece from `start` to `end`, without white space at its end; formatting clipped to it."""
        text = self.text[start:end].rstrip()
        end = start + len(text)
        spans = tuple(
            Span(s.type, max(s.start, start) - start, min(s.end, end) - start, s.url)
            for s in self.spans
            if s.start < end and s.end > start
        )
        return Rich(text, spans)

    def entities(self) -> tuple[MessageEntity, ...]:
        """The formatting as Telegram takes it: offsets and lengths in UTF-16 units."""
        return tuple(
            MessageEntity(
                s.type,
                offset=measure(self.text[: s.start], "utf16"),
                length=measure(self.text[s.start : s.end], "utf16"),
                url=s.url or None,
            )
            for s in self.spans
        )


def paragraphs(*texts: Rich) -> Rich:
    """Texts with an empty line between them; empty ones leave none."""
    whole, spans = "", []
    for rich in texts:
        if not rich.text:
            continue
        whole += "\n\n" if whole else ""
        spans += [Span(s.type, s.start + len(whole), s.end + len(whole), s.url) for s in rich.spans]
        whole += rich.text
    return Rich(whole, tuple(spans))


def pieces(rich: Rich, limit: int) -> list[Rich]:
    """Pieces of at most `limit` UTF-16 units, cut where a reader would pause and, where it can be,
    not inside a formatted stretch."""
    text, made = rich.text, []
    end, at = len(text.rstrip()), len(text) - len(text.lstrip())
    while at < end:
        stop = at + len(split(text[at:end], limit, "utf16")[0])
        if stop < end:
            stop = _before_span(rich, at, stop, limit)
        made.append(rich.part(at, stop))
        at = stop + len(text[stop:]) - len(text[stop:].lstrip())
    return made


def _before_span(rich: Rich, at: int, stop: int, limit: int) -> int:
    """`stop`, or the start of the formatted stretch it falls into, if that can stay whole."""
    for span in rich.spans:
        fits = measure(rich.text[span.start : span.end], "utf16") <= limit
        if at < span.start < stop < span.end and fits:
            return span.start
    return stop


def cut(text: str, limit: int) -> str:
    """The text, or as much of its start as fits into `limit` UTF-16 units with an ellipsis."""
    text = text.strip()
    if measure(text, "utf16") <= limit:
        return text
    return split(text, limit - 1, "utf16")[0] + "…"


def utf16_slice(text: str, without: Sequence[tuple[int, int]]) -> str:
    """The text without stretches given as (offset, length) in UTF-16 units."""
    data = text.encode("utf-16-le")
    kept, at = b"", 0
    for offset, length in sorted(without):
        kept += data[at : max(at, offset * 2)]
        at = max(at, (offset + length) * 2)
    return (kept + data[at:]).decode("utf-16-le", "replace")
