"""`suitability:` in `config/teller.yaml`: risk pre-screen, product shelf and recommendation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl

from bot.config.section import Section

__all__ = ["Suitability", "SuitabilityMode"]

SuitabilityMode = Literal["prescreen_link", "full"]


class Suitability(Section):
    """The limits may be set stricter than the regulation, never looser."""

    enabled: bool = True
    mode: SuitabilityMode | None = None
    """`prescreen_link`: an estimate, and a link to the bank's own page, because third-party platforms may
    take no part in suitability tests (金融产品网络营销管理办法, in force 2026-09-30). `full`: the test
    made here is the rating. Unset: `prescreen_link` in CN, else `full`."""
    page: HttpUrl = HttpUrl("https://www.lanwan.example/wealth/risk-test")
    """The bank's own page for the official test."""
    products: Path = Path("products.yaml")
    """The product shelf, relative to the file that says it. Without the file nothing is recommended."""
    questionnaire: Path = Path("suitability.yaml")
    valid_months: Annotated[int, Field(ge=1, le=12)] = 12
    tests_per_day: Annotated[int, Field(ge=1, le=2)] = 2
    tests_per_year: Annotated[int, Field(ge=1, le=8)] = 8
    """In any 12 months."""
    elder_age: Annotated[int, Field(ge=18, le=65)] = 65
    """From this age on special care is taken."""
    resume_hours: Annotated[float, Field(gt=0, le=168)] = 24
    """A test that was left can be gone on with for so long."""
    utc_offset_hours: Annotated[float, Field(ge=-12, le=14)] = 8
    """Where the bank's midnight is: a new day of tests begins then."""

    def mode_in(self, jurisdiction: str) -> SuitabilityMode:
        """The mode that applies where the bank is (`bank.jurisdiction`)."""
        return self.mode or ("prescreen_link" if jurisdiction == "CN" else "full")
