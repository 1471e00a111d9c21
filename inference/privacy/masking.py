"""Masking: enough is left to recognise one's own number by, and nothing to use it with.

What is kept follows JR/T 0171-2020 and the banks' usual screens; codes and passwords go whole.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from inference.privacy.addresses import region_end
from inference.privacy.finder import find
from inference.privacy.fold import fold
from inference.privacy.span import SECRETS, Kind, Span
from inference.privacy.surnames import COMPOUND

__all__ = ["Edit", "Masked", "mask", "scrub"]

_PASSES = 12
"""Masking changes what stands beside what is left, so it is repeated until nothing more is found."""

_SECRETS: dict[Kind, tuple[str, str]] = {
    "OTP": ("[验证码已隐去]", "[one-time code removed]"),
    "PIN": ("[密码已隐去]", "[PIN removed]"),
    "CVV": ("[安全码已隐去]", "[CVV removed]"),
    "PASSWORD": ("[密码已隐去]", "[password removed]"),
}
_KEPT: dict[Kind, tuple[int, int]] = {
    "BANK_CARD": (6, 4),
    "ID_CARD": (1, 1),
    "ACCOUNT": (0, 4),
    "IBAN": (4, 4),
    "LICENSE_PLATE": (2, 2),
    "PASSPORT": (1, 2),
    "PERMIT": (1, 2),
    "QQ": (2, 0),
    "SSN": (0, 4),
    "USCC": (2, 4),
    "WECHAT": (1, 1),
}
"""How many letters and digits stay at the beginning and at the end."""

_HAN = re.compile("[\u4e00-\u9fff]")
_SIGNS = re.compile(r"[^\w]|_")
_HAN_DIGITS = str.maketrans("零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖", "01234567891123456789")
_masked_start, _masked_end = attrgetter("masked_start"), attrgetter("masked_end")
_CITY = re.compile(r"(, [A-Z][A-Za-z'. ]*, [A-Z]{2})(?: \d{5}(?:-\d{4})?)?$")


@dataclass(frozen=True, slots=True)
class Edit:
    """`raw[start:end]` became `masked[masked_start:masked_end]`."""

    start: int
    end: int
    masked_start: int
    masked_end: int
    type: Kind


@dataclass(frozen=True, slots=True)
class Masked:
    """A masked text and what was masked."""

    text: str
    edits: tuple[Edit, ...] = ()
    """In order; what lies between them is unchanged."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """Where personal data stood in the raw text."""
        return tuple(Span(edit.start, edit.end, edit.type) for edit in self.edits)

    def pieces(self, raw: str) -> tuple[tuple[str, str, str], ...]:
        """(kind, value, what stands in its place) of each piece that was masked in `raw`."""
        return tuple(
            (edit.type, raw[edit.start : edit.end], self.text[edit.masked_start : edit.masked_end])
            for edit in self.edits
        )

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(edit.type for edit in self.edits)


@dataclass(slots=True)
class _Piece:
    start: int
    end: int
    shown: str
    type: Kind


def scrub(text: str) -> Masked:
    """Take out only what may never be kept, not even sealed: one-time codes, PINs, CVVs, passwords."""
    return mask(text, SECRETS)


def mask(text: str, only: frozenset[Kind] | None = None) -> Masked:
    """Mask all personal data in a raw text, or `only` that of some kinds. Masking what is masked changes
    nothing."""
    pieces: list[_Piece] = []
    shown = text
    edits: tuple[Edit, ...] = ()
    chinese = _HAN.search(text) is not None
    for _ in range(_PASSES):
        spans = [span for span in find(shown) if only is None or span.type in only]
        if not spans:
            break
        pieces = _covered(pieces, edits, shown, spans, chinese)
        shown, edits = _render(text, pieces)
    return Masked(shown, edits)


def _covered(
    pieces: list[_Piece], edits: tuple[Edit, ...], shown: str, spans: Sequence[Span], chinese: bool
) -> list[_Piece]:
    """The pieces, in order, with what was found in the text as shown in place of earlier ones it touches."""
    new: list[_Piece] = []
    gone: set[int] = set()
    for span in spans:
        first = bisect_right(edits, span.start, key=_masked_end)
        last = bisect_left(edits, span.end, key=_masked_start)
        start, end, shadow = span.start, span.end, "***"
        if first < last:
            start, end = min(start, edits[first].masked_start), max(end, edits[last - 1].masked_end)
            gone.update(edit.start for edit in edits[first:last])
        else:
            shadow = masked_value(shown[start:end], span.type, chinese=chinese)
        piece = _Piece(_raw(edits, start, False), _raw(edits, end, True), shadow, span.type)
        if new and piece.start < new[-1].end:  # both touch the same earlier one
            new[-1] = _Piece(new[-1].start, piece.end, "***", new[-1].type)
        else:
            new.append(piece)
    kept = [piece for piece in pieces if piece.start not in gone]
    return sorted([*kept, *new], key=lambda piece: piece.start)


def _raw(edits: tuple[Edit, ...], at: int, is_end: bool) -> int:
    """The raw position of a position outside, or on the edge of, what was masked before."""
    before = bisect_left(edits, at, key=_masked_start) if is_end else bisect_right(edits, at, key=_masked_end)
    if before == 0:
        return at
    last = edits[before - 1]
    return last.end + at - last.masked_end


def _render(text: str, pieces: list[_Piece]) -> tuple[str, tuple[Edit, ...]]:
    out: list[str] = []
    edits: list[Edit] = []
    length = done = 0
    for piece in pieces:
        plain = text[done : piece.start]
        out += (plain, piece.shown)
        length += len(plain)
        edits.append(Edit(piece.start, piece.end, length, length + len(piece.shown), piece.type))
        length += len(piece.shown)
        done = piece.end
    return "".join([*out, text[done:]]), tuple(edits)


def masked_value(value: str, kind: Kind, *, chinese: bool = True) -> str:
    """One value masked as its kind is; `chinese` chooses the language of a removed code's notice."""
    if kind in _SECRETS:
        return _SECRETS[kind][0 if chinese else 1]
    plain = fold(value).text
    if kind == "NAME":
        return _name(plain)
    if kind == "EMAIL":
        local, at, domain = re.sub(r"\s", "", plain).partition("@")
        return f"{local[0]}***@{domain}" if at else f"{plain[0]}***"
    if kind == "ADDRESS":
        city = _CITY.search(plain)
        return plain[: region_end(plain)] + "***" + (city[1] if city else "")
    if kind == "IP":
        return ".".join(plain.split(".")[:2]) + ".**"
    signs = _SIGNS.sub("", plain).translate(_HAN_DIGITS)
    if kind == "PHONE":
        return _phone(signs)
    first, last = _KEPT[kind]
    return _middle(signs, first, last)


def _phone(digits: str) -> str:
    if not digits.isdigit():
        return "***"
    if len(digits) in {13, 15} and digits[-11] == "1" and digits[:-11].endswith("86"):
        digits = digits[-11:]
    return _middle(digits, 3, 4) if len(digits) >= 10 else _middle(digits, 2, 2)


def _middle(signs: str, first: int, last: int) -> str:
    hidden = len(signs) - first - last
    if hidden < 3:
        return "***"
    return signs[:first] + "*" * hidden + (signs[-last:] if last else "")


def _name(name: str) -> str:
    if not _HAN.match(name):
        return " ".join(word[0] + "**" for word in re.findall(r"[^\W_][^\s]*", name)) or "***"
    if "·" in name:
        return name[0] + "**"
    surname = 2 if name[:2] in COMPOUND else 1
    return name[:surname] + "*" * max(1, len(name) - surname)
