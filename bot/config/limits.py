"""`limits:` in `config/teller.yaml`: what Teller takes, from whom, and what it leaves out under load."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from bot.config.section import Positive, Seconds, Section, Share

__all__ = [
    "Access",
    "Allowed",
    "Attachments",
    "Campaigns",
    "Denied",
    "Limits",
    "Listed",
    "LoadSettings",
    "Rate",
    "Repeats",
    "Steps",
]


def _written(id: object) -> object:
    """Ids that are numbers may be written as such."""
    return str(id) if isinstance(id, int) and not isinstance(id, bool) else id


Id = Annotated[str, BeforeValidator(_written), Field(max_length=240)]
Count = Annotated[float, Field(ge=0)]


class Rate(Section):
    """A token bucket: `burst` messages at once, and `per_minute` in the long run."""

    per_minute: Positive
    burst: Positive


class Repeats(Section):
    """The same, or nearly the same, words again from one sender."""

    window_s: Seconds = 600
    """How long an answer counts as just given."""
    min_chars: Positive = 6
    """Letters and digits below which a text ("yes", "你好") is never taken for a repeated question."""
    flood: Positive = 5
    """Repetitions, of one text or of a few in turn, after which they are no longer answered."""


class Campaigns(Section):
    """The same words from many senders: counted and recorded, never refused."""

    senders: Annotated[int, Field(ge=2, le=1000)] = 20
    window_s: Seconds = 600
    min_chars: Positive = 12


class Listed(Section):
    """Somebody, a group, or all of a platform's account."""

    platform: str = Field(min_length=1)
    account: str = ""
    """Empty: every account of the platform."""
    sender: Id = ""
    group: Id = ""
    """The platform's id of a chat."""
    reason: str = ""
    """For those who read the audit; customers never see it."""
    until: date | None = None
    """The last day (UTC) on which this holds."""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if self.sender and self.group:
            raise ValueError("give sender or group, not both: write two entries")
        return self


class Allowed(Listed):
    unlimited: bool = False
    """Neither rates nor repetitions count."""


class Denied(Listed):
    notice: bool = False
    """True says once that this chat can't help and gives the hotline; False is silent."""


class Access(Section):
    """The more exact entry wins (sender, group, account, platform); of two equal ones, `deny`."""

    allow: tuple[Allowed, ...] = ()
    deny: tuple[Denied, ...] = ()
    only_allowed: bool = False
    """Whoever no `allow` names is denied, silently."""


class Attachments(Section):
    """What a file may be like, whichever platform it comes from."""

    megabytes: Annotated[float, Field(gt=0, le=100)] = 20
    per_message: Positive = 9
    side: Positive = 12_000
    """Longest side of a picture, in pixels."""
    megapixels: Annotated[float, Field(gt=0)] = 50
    archive_files: Positive = 1000
    archive_megabytes: Annotated[float, Field(gt=0)] = 100
    """All that an archive unpacks to."""
    archive_ratio: Annotated[float, Field(gt=1)] = 100
    """Unpacked size over packed size, for an archive that unpacks to more than a megabyte."""


Steps = tuple[Count, Count, Count]
"""From where on load has level 1, 2 and 3."""


class LoadSettings(Section):
    """Load levels: 1 puts off the digest, 2 small talk, 3 answers from the bank's own words only."""

    level: Literal["auto", 0, 1, 2, 3] = "auto"
    """A number holds that level, whatever is measured."""
    waiting: Steps = (200, 1000, 3000)
    """Events that wait."""
    oldest_s: Steps = (5, 15, 30)
    """Seconds the oldest of them has waited."""
    turn_s: Steps = (10, 15, 20)
    """Seconds a turn takes, on average of late."""
    inference: Steps = (16, 32, 56)
    """Answers that are being, or wait to be, written."""
    release: Share = 0.7
    """A level ends below this share of its threshold …"""
    calm_s: Seconds = 10
    """… held for so long."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for name in ("waiting", "oldest_s", "turn_s", "inference"):
            steps = getattr(self, name)
            if not 0 < steps[0] <= steps[1] <= steps[2]:
                raise ValueError(f"{name}: the three thresholds must be above 0 and rise")
        return self


class Limits(Section):
    message_chars: Positive = 4000
    queue: Positive = 10_000
    """Accepted but unanswered events, over all conversations; beyond it intake answers 503."""
    enabled: bool = True
    """False: no rates, repetitions or campaigns; the access lists and load levels still hold."""
    sender: Rate = Rate(per_minute=20, burst=20)
    group: Rate = Rate(per_minute=60, burst=40)
    """A group chat, over all its members."""
    everyone: Rate = Rate(per_minute=12_000, burst=6_000)
    """All senders of one process; the last fifth of the burst is kept for those who write little."""
    quiet_s: Seconds = 60
    """A burst has ended when nothing was refused for so long; only then is a notice given again."""
    remembered: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Senders, groups, events and texts remembered of each; the longest unseen are forgotten first."""
    repeats: Repeats = Repeats()
    campaigns: Campaigns = Campaigns()
    access: Access = Access()
    attachments: Attachments = Attachments()
    load: LoadSettings = LoadSettings()
