"""Masking: enough is left to recognise one's own number by, and nothing to use it with.

What is kept follows JR/T 0171-2020 and the banks' usual screens; codes and passwords go whole.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

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
        for span in spans:
            _cover(pieces, edits, shown, span, chinese)
        pieces.sort(key=lambda piece: piece.start)
        shown, edits = _render(text, pieces)
    return Masked(shown, edits)


def _cover(pieces: list[_Piece], edits: tuple[Edit, ...], shown: str, span: Span, chinese: bool) -> None:
    """Add a piece for what was found in the text as shown, in place of earlier pieces it touches."""
    start, end = span.start, span.end
    touched = [edit for edit in edits if edit.masked_start < end and start < edit.masked_end]
    if touched:
        start, end = min(start, touched[0].masked_start), max(end, touched[-1].masked_end)
        gone = {edit.start for edit in touched}
        pieces[:] = [piece for piece in pieces if piece.start not in gone]
    shadow = "***" if touched else masked_value(shown[span.start : span.end], span.type, chinese=chinese)
    pieces.append(_Piece(_raw(edits, start, False), _raw(edits, end, True), shadow, span.type))


def _raw(edits: tuple[Edit, ...], at: int, is_end: bool) -> int:
    """The raw position of a position outside, or on the edge of, what was masked before."""
    key = [edit.masked_end if not is_end else edit.masked_start + 1 for edit in edits]
    before = bisect_right(key, at)
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
