"""What is on file about one customer: age, risk level, and the tests taken."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from bot.suitability.levels import Level, one_down
from bot.suitability.limits import months_later

__all__ = ["Profile", "ProfileChange", "Rating", "Source", "Test", "TestStatus", "merge"]

Source = Literal["bank", "test", "prescreen"]
"""Who says so: the bank's own record (`bank`), the full test in this chat where the jurisdiction allows
one (`test`), or the pre-screen, which is only an estimate (`prescreen`)."""
TestStatus = Literal["started", "finished", "cancelled", "void"]
"""`void`: ended by us (the questionnaire changed under it); the only status that isn't counted."""
KEEP_TESTS = 40
"""Tests remembered; the limits look back over 12 months and allow 8 in them."""


class Plain(msgspec.Struct, frozen=True, omit_defaults=True):
    pass


class Rating(Plain, frozen=True):
    """A risk level that somebody arrived at."""

    level: Level
    at: datetime
    source: Source
    questionnaire: str = ""
    """Version of the questionnaire, where it was one of ours."""
    confirmed_by: str = ""
    """Staff member who confirmed an older customer's level."""


class Test(Plain, frozen=True):
    """One questionnaire begun. It counts from the first answer, however it ends."""

    __test__ = False  # to pytest this is no test

    id: str
    at: datetime
    questionnaire: str
    status: TestStatus = "started"


class Profile(Plain, frozen=True):
    """All on file about one subject. Empty for a stranger."""

    age: int | None = None
    """Years: the bank's figure, or the lower end of the band that the customer chose."""
    official: Rating | None = None
    """The bank's rating, or that of a full test."""
    estimate: Rating | None = None
    """The last pre-screen's."""
    tests: tuple[Test, ...] = ()
    valid_months: int = 12
    elder_age: int = 65
    """The house's rules, laid on by `under`; not stored."""

    def under(self, *, valid_months: int, elder_age: int) -> Profile:
        """Judged by these rules (`suitability.valid_months`, `.elder_age`)."""
        return msgspec.structs.replace(self, valid_months=valid_months, elder_age=elder_age)

    def stored(self) -> Profile:
        return self.under(valid_months=12, elder_age=65)

    def rating(self, now: datetime) -> Rating | None:
        """The rating that counts at `now`: the official one, else the estimate, unless expired. An
        older customer's is one level lower until staff have confirmed it (the bank's own rating was
        made by staff)."""
        for rating in (self.official, self.estimate):
            if rating is not None and now < months_later(rating.at, self.valid_months):
                return msgspec.structs.replace(rating, level=self.careful(rating))
        return None

    def level(self, now: datetime) -> Level | None:
        """`customer.level` of the rules; None without a valid rating."""
        rating = self.rating(now)
        return None if rating is None else rating.level

    def expired(self, now: datetime) -> bool:
        """Whether there was a rating that has run out."""
        return (self.official or self.estimate) is not None and self.rating(now) is None

    @property
    def counted(self) -> tuple[datetime, ...]:
        """When the tests began that the limits count."""
        return tuple(test.at for test in self.tests if test.status != "void")

    @property
    def elder(self) -> bool:
        return self.age is not None and self.age >= self.elder_age

    def careful(self, rating: Rating) -> Level:
        """The level of `rating` as it counts for this customer."""
        if not self.elder or rating.source == "bank" or rating.confirmed_by:
            return rating.level
        return one_down(rating.level)


class ProfileChange(Plain, frozen=True):
    """What a turn or an operator wants noted about `subject`. Applying it twice is applying it once."""

    subject: str
    test: Test | None = None
    """Added, or put in the place of the one with its id."""
    rating: Rating | None = None
    """Becomes the official one or the estimate, by its source."""
    age: int | None = None
    forget: tuple[Literal["age", "official", "estimate"], ...] = ()


def merge(profile: Profile, change: ProfileChange) -> Profile:
    """`profile` after `change`."""
    values: dict[str, object] = dict.fromkeys(change.forget)
    if change.test is not None:
        others = tuple(test for test in profile.tests if test.id != change.test.id)
        values["tests"] = tuple(sorted((*others, change.test), key=lambda test: test.at))[-KEEP_TESTS:]
    if change.rating is not None:
        values["estimate" if change.rating.source == "prescreen" else "official"] = change.rating
    if change.age is not None:
        values["age"] = change.age
    return msgspec.structs.replace(profile, **values)
