"""Server-sent events, from bytes as they come (WHATWG HTML, 9.2.6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["BadStream", "Event", "Events"]

_BOM = b"\xef\xbb\xbf"


class BadStream(Exception):
    """What came is no event stream; the message says how, without its words."""


class Event(NamedTuple):
    name: str
    data: str


class Events:
    """Takes bytes in pieces of any size; gives the events that they complete."""

    def __init__(self, max_event: int) -> None:
        """Args:
        max_event: most bytes of one event.
        """
        self._max = max_event
        self._line = bytearray()
        self._after_cr = False
        self._first = True
        self._size = 0
        self._name = ""
        self._data: list[str] = []

    def feed(self, received: bytes) -> Iterator[Event]:
        """The events come as they are read, so that what is wrong with one spoils none before it.

        Raises:
            BadStream: it isn't UTF-8, or an event is too long.
        """
        if self._after_cr and received:
            received = received.removeprefix(b"\n")
            self._after_cr = False
        if received.endswith(b"\r"):
            self._after_cr = True
        *lines, rest = received.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._add(line)
            event = self._take(bytes(self._line))
            self._line.clear()
            if event is not None:
                yield event
        self._add(rest)

    def finish(self) -> list[Event]:
        """The last event of a server that leaves out the empty line after it."""
        return [event for event in (self._take(bytes(self._line)), self._take(b"")) if event is not None]

    def _add(self, part: bytes) -> None:
        self._line += part
        self._size += len(part)
        if self._size > self._max:
            raise BadStream("it sent an event that is too long")

    def _take(self, line: bytes) -> Event | None:
        """One whole line; an empty one ends an event."""
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            self._size -= len(line)  # a comment keeps the connection open, and is nobody's
            return None
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise BadStream("it sent text that isn't UTF-8") from None
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        return None

    def _dispatch(self) -> Event | None:
        name, data = self._name, self._data
        self._name, self._data, self._size = "", [], 0
        return Event(name, "\n".join(data)) if data else None
