"""Check digits and shapes of numbers, each after its standard."""

from __future__ import annotations

from datetime import date

__all__ = [
    "born",
    "card_prefix",
    "hkid_check",
    "iban_check",
    "id_check",
    "luhn",
    "uscc_check",
]

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += _DOUBLED[int(digit)] if place % 2 else int(digit)
    return total % 10 == 0


def card_prefix(digits: str) -> bool:
    """Whether a number of 13–19 digits begins and is as long as a payment card's.

    UnionPay 62/81 and the older Chinese ranges (4…, 5…, 6…, 9558), Visa 4, Mastercard 51–55 and
    2221–2720, American Express 34/37, Diners 30/36/38/39, JCB 35, Discover 6011/64/65.
    """
    n = len(digits)
    if n < 13 or n > 19:
        return False
    first = digits[0]
    if n == 15:
        return digits[:2] in {"34", "37"}
    if n == 14:
        return digits[:2] in {"30", "36", "38", "39"}
    if n == 13:
        return first == "4"
    return (
        first in "456"
        or digits[:2] in {"35", "81"}
        or digits[:4] == "9558"
        or (n == 16 and "2221" <= digits[:4] <= "2720")
    )


_PROVINCES = frozenset(
    str(code)
    for codes in ((11, 16), (21, 24), (31, 38), (41, 47), (50, 55), (61, 66), (71, 72), (81, 84), (91, 92))
    for code in range(*codes)
)
"""GB/T 2260, first two digits; 81–83 are residence permits of Hong Kong, Macau and Taiwan people."""
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def born(number: str) -> int:
    """Year of birth in an 18- or 15-character resident number with a province and a real date; else 0."""
    if number[:2] not in _PROVINCES:
        return 0
    year, rest = (number[6:10], number[10:14]) if len(number) == 18 else ("19" + number[6:8], number[8:12])
    try:
        day = date(int(year), int(rest[:2]), int(rest[2:]))
    except ValueError:
        return 0
    return day.year if 1880 <= day.year <= 2099 else 0


def id_check(number: str) -> bool:
    """GB 11643-1999 (ISO 7064, MOD 11-2) over 18 characters; X in either case."""
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _ID_WEIGHTS, strict=True))
    return "10X98765432"[total % 11] == number[17].upper()


_USCC = {character: value for value, character in enumerate("0123456789ABCDEFGHJKLMNPQRTUWXY")}


def uscc_check(code: str) -> bool:
    """GB 32100-2015: unified social credit code of 18 characters in upper case."""
    if any(character not in _USCC for character in code):
        return False
    total = sum(_USCC[character] * pow(3, place, 31) for place, character in enumerate(code[:17]))
    return (31 - total % 31) % 31 == _USCC[code[17]]


def iban_check(code: str) -> bool:
    """ISO 13616 (mod 97) of 15–34 letters and digits in upper case."""
    return int("".join(str(int(character, 36)) for character in code[4:] + code[:4])) % 97 == 1


def hkid_check(letters: str, digits: str, check: str) -> bool:
    """Check character of a Hong Kong identity card: one or two letters, six digits, 0–9 or A."""
    values = [36, *(int(c, 36) for c in letters)] if len(letters) == 1 else [int(c, 36) for c in letters]
    values += [int(digit) for digit in digits]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return (total + int(check, 16)) % 11 == 0
