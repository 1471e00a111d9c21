"""Inline keyboards. Telegram carries 64 bytes back from a button; longer values are kept in notes."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from adapters.telegram.entities import cut
from bot.types import Button, Votes

__all__ = [
    "KEPT_S",
    "callback_data",
    "is_kept",
    "keyboard",
    "label_of",
    "long_values",
    "note_of",
    "vote_buttons",
]

DATA_LIMIT = 64
"""Bytes of `callback_data` (core.telegram.org/bots/api#inlinekeyboardbutton)."""
LABEL_LIMIT = 64
"""UTF-16 units; Telegram states no limit but shows no more than a line."""
MOST = 100
"""Buttons of one message, beyond which Telegram refuses it (undocumented, in the library's constants)."""
ROW_WIDTH = 26
"""Columns that buttons side by side may have together, a 汉字 counting two; a narrow phone shows them."""
ROW_MOST = 3
KEPT_S = 90 * 24 * 3600.0
"""How long a button with a long value works."""
_MARK = "~"


def callback_data(value: str) -> str:
    """What Telegram carries for a value: itself, or a short hash of it."""
    if value and len(value.encode()) <= DATA_LIMIT and not value.startswith(_MARK):
        return value
    return _MARK + hashlib.sha256(value.encode()).hexdigest()[:40]


def is_kept(data: str) -> bool:
    """Whether a button's data is a hash, its value being in the notes."""
    return data.startswith(_MARK)


def note_of(data: str) -> str:
    """The key of the note that holds a long value."""
    return f"button:{data}"


def long_values(buttons: Iterable[Button]) -> dict[str, str]:
    """The notes that must be there for the buttons to work."""
    return {note_of(callback_data(b.value)): b.value for b in buttons if callback_data(b.value) != b.value}


def vote_buttons(votes: Votes) -> list[Button]:
    return [Button("👍", votes.up), Button("👎", votes.down)]


def keyboard(buttons: Sequence[Button], votes: Votes | None = None) -> InlineKeyboardMarkup | None:
    """Short buttons side by side, long ones in a row of their own, votes in the last; None without any."""
    last = vote_buttons(votes) if votes else []
    rows: list[list[Button]] = []
    for button in buttons[: MOST - len(last)]:
        row = rows[-1] if rows else []
        together = sum(_width(b.label) + 4 for b in (*row, button))
        if row and len(row) < ROW_MOST and together <= ROW_WIDTH:
            row.append(button)
        else:
            rows.append([button])
    if last:
        rows.append(last)
    if not rows:
        return None
    return InlineKeyboardMarkup([[_key(button) for button in row] for row in rows])


def label_of(markup: InlineKeyboardMarkup | None, data: str) -> str:
    """The label of the button that carries `data`; empty if it isn't there."""
    for row in markup.inline_keyboard if markup else ():
        for key in row:
            if key.callback_data == data:
                return key.text
    return ""


def _key(button: Button) -> InlineKeyboardButton:
    label = cut(button.label, LABEL_LIMIT) or cut(button.value, LABEL_LIMIT) or "·"
    return InlineKeyboardButton(label, callback_data=callback_data(button.value))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
