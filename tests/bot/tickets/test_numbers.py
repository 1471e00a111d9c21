"""Ticket numbers: short, and a mistyped one is noticed."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.tickets.numbers import InvalidNumber, make, parse

numbers = st.builds(make, st.dates(date(2020, 1, 1), date(2099, 12, 31)), st.integers(1, 99_999))


def test_a_number_has_the_day_a_count_and_a_letter() -> None:
    assert make(date(2026, 11, 23), 42)[:15] == "T-20261123-0042"
    assert len(make(date(2026, 11, 23), 42)) == 16
    assert make(date(2026, 11, 23), 123456).startswith("T-20261123-123456")


@given(numbers)
def test_what_was_made_is_read(number: str) -> None:
    assert parse(number) == number
    assert parse(f" {number.lower().replace('-', ' ')} ") == number
    assert parse(number.removeprefix("T-").replace("-", "")) == number


def test_full_width_letters_and_digits_are_read() -> None:
    number = make(date(2026, 11, 23), 42)
    wide = "".join(chr(ord(c) + 0xFEE0) for c in number)
    assert parse(wide) == number


@given(numbers, st.data())
def test_any_one_wrong_digit_is_noticed(number: str, data: st.DataObject) -> None:
    places = [i for i, c in enumerate(number) if c.isdigit()]
    place = data.draw(st.sampled_from(places))
    wrong = data.draw(st.sampled_from([d for d in "0123456789" if d != number[place]]))
    with pytest.raises(InvalidNumber):
        parse(number[:place] + wrong + number[place + 1 :])


@given(numbers, st.data())
def test_any_two_exchanged_digits_are_noticed(number: str, data: st.DataObject) -> None:
    places = [i for i, c in enumerate(number) if c.isdigit()]
    one, other = data.draw(st.lists(st.sampled_from(places), min_size=2, max_size=2, unique=True))
    swapped = list(number)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    if "".join(swapped) != number:
        with pytest.raises(InvalidNumber):
            parse("".join(swapped))


@pytest.mark.parametrize("text", ["", "T-", "42", "T-20261123-42K", "工单", "T-20261123-0042", "T" * 5000])
def test_what_is_no_number_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidNumber, match="T-20261123-0042K"):
        parse(text)
