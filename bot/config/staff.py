"""`config/staff.yaml`: who works here, what each may do, and where each department is told.

It stands beside `teller.yaml`, is loaded with it and swapped with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time, tzinfo
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from bot.config.calendar import load_calendar
from bot.config.models import Config
from bot.config.section import Section
from bot.config.source import Document, load_yaml, parse
from bot.errors import ConfigError, Problem
from bot.tickets.calendar import CHINA, OFFICE, BusinessCalendar, Hours, Span
from bot.tickets.ticket import Department
from bot.types import Conversation

__all__ = [
    "PERMISSIONS",
    "Channel",
    "DepartmentSettings",
    "Permission",
    "Person",
    "PlatformAccount",
    "Role",
    "Staff",
    "StaffFile",
    "can",
    "load_staff",
]

Role = Literal["agent", "supervisor", "compliance", "risk", "privacy", "admin", "auditor"]
Permission = Literal[
    "tickets.read",
    "tickets.work",  # claim, reply, note, transfer, resolve
    "tickets.assign",  # give to somebody else, take from somebody
    "rules.read",
    "rules.write",
    "rules.activate",  # one of the two people it takes
    "personal.reveal",
    "feedback.correct",  # say what an answer should have been
    "feedback.review",
    "feedback.export",
    "customer.export",
    "customer.erase",
    "customer.hold",
    "digest.read",
    "broadcast",
    "keys.rotate",
    "audit.read",
    "staff.read",
]
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    "agent": frozenset({"tickets.read", "tickets.work", "feedback.correct", "rules.read", "staff.read"}),
    "supervisor": frozenset(
        {
            "tickets.read",
            "tickets.work",
            "tickets.assign",
            "feedback.correct",
            "feedback.review",
            "feedback.export",
            "rules.read",
            "personal.reveal",
            "digest.read",
            "broadcast",
            "staff.read",
        }
    ),
    "compliance": frozenset(
        {
            "tickets.read",
            "rules.read",
            "rules.activate",
            "feedback.review",
            "feedback.export",
            "personal.reveal",
            "customer.export",
            "customer.erase",
            "customer.hold",
            "digest.read",
            "broadcast",
            "audit.read",
            "staff.read",
        }
    ),
    "risk": frozenset(
        {
            "tickets.read",
            "tickets.work",
            "rules.read",
            "rules.write",
            "rules.activate",
            "digest.read",
            "staff.read",
        }
    ),
    "privacy": frozenset(
        {"personal.reveal", "customer.export", "customer.erase", "customer.hold", "audit.read", "staff.read"}
    ),
    # Who runs the machines has no business with customers' data.
    "admin": frozenset({"keys.rotate", "rules.read", "staff.read"}),
    "auditor": frozenset({"tickets.read", "rules.read", "audit.read", "digest.read", "staff.read"}),
}
"""What a role may do. What isn't here is denied."""

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*[-–]\s*([01]\d|2[0-3]):([0-5]\d)")


def _read_span(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SPAN.fullmatch(value.strip())
    if match is None:
        raise ValueError('must be a time of day from and to, such as "09:00-17:30"')
    start, end = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    if end <= start:
        raise ValueError("must end later than it begins, on the same day")
    return (start, end)


def _written(id: object) -> object:
    """Ids that are numbers may be written as such."""
    return str(id) if isinstance(id, int) and not isinstance(id, bool) else id


SpanText = Annotated[
    Span, BeforeValidator(_read_span), WithJsonSchema({"type": "string", "pattern": _SPAN.pattern})
]
Id = Annotated[str, BeforeValidator(_written), Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class OpeningHours(Section):
    """Opening hours of a department, in the file's time zone."""

    working: tuple[SpanText, ...] = Field(default_factory=lambda: OFFICE.working)
    other: tuple[SpanText, ...] = ()
    """On weekends and public holidays."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for spans in (self.working, self.other):
            for before, after in pairwise(spans):
                if after[0] < before[1]:
                    raise ValueError("opening times must be in order and must not overlap")
        return self


class Channel(Section):
    """A conversation of staff on any platform."""

    platform: str
    account: str = "default"
    chat: Id
    thread: Annotated[str, BeforeValidator(_written)] = ""

    @property
    def conversation(self) -> Conversation:
        return Conversation(self.platform, self.account, self.chat, self.thread, "group")


class DepartmentSettings(Section):
    channel: Channel | None = None
    hours: OpeningHours | Literal["always"] | None = None
    """None: those of `default`, or else the bank's usual ones."""

    @property
    def times(self) -> Hours | None:
        match self.hours:
            case None:
                return None
            case "always":
                return Hours(always=True)
            case OpeningHours() as hours:
                return Hours(hours.working, hours.other)


class PlatformAccount(Section):
    """How a platform knows a person."""

    platform: str
    account: str = ""
    """Empty: whichever of the platform's accounts."""
    user: Id


class Person(Section):
    id: Name
    name: str = ""
    roles: tuple[Role, ...] = ()
    accounts: tuple[PlatformAccount, ...] = ()


class StaffFile(Section):
    """The whole of `config/staff.yaml`."""

    timezone: str = "Asia/Shanghai"
    calendar: Path | None = None
    """Relative to this file. None: only weekends are days off."""
    language: Literal["zh", "en"] = "zh"
    departments: dict[Department | Literal["default"], DepartmentSettings] = Field(default_factory=dict)
    people: tuple[Person, ...] = ()


def can(person: Person | None, permission: str) -> bool:
    """Whether a person may do something. Nobody, a stranger's role or an unknown permission: no."""
    return person is not None and any(permission in PERMISSIONS.get(role, ()) for role in person.roles)


@dataclass(frozen=True)
class Staff:
    """The staff file in force, with its calendar. The default one knows nobody."""

    file: StaffFile = field(default_factory=StaffFile)
    base: BusinessCalendar = field(default_factory=BusinessCalendar)
    """The calendar with the usual hours."""
    desks: frozenset[tuple[str, str]] = frozenset()
    """(platform, account) of platforms whose own desk takes conversations over."""
    paths: tuple[Path, ...] = ()
    """The files it was read from."""
    present: bool = False
    """Whether there is a staff file at all."""

    def person(self, id: str) -> Person | None:
        return self._people.get(id)

    def by_account(self, platform: str, account: str, user: str) -> Person | None:
        """Who that user of a platform is, if one of the staff."""
        return self._accounts.get((platform, account, user)) or self._accounts.get((platform, "", user))

    def may(self, id: str, permission: str) -> bool:
        """Whether the person with that id may do something; strangers may nothing."""
        return can(self.person(id), permission)

    def channel(self, department: Department) -> Conversation | None:
        """Where a department is told; its own channel, else the default one."""
        names: tuple[Department | Literal["default"], ...] = (department, "default")
        for name in names:
            settings = self.file.departments.get(name)
            if settings is not None and settings.channel is not None:
                return settings.channel.conversation
        return None

    @property
    def default_channel(self) -> Conversation | None:
        """Where those are told whose department has no channel, or one that can't be reached."""
        settings = self.file.departments.get("default")
        return None if settings is None or settings.channel is None else settings.channel.conversation

    def calendar(self, department: Department) -> BusinessCalendar:
        """The calendar with a department's hours."""
        names: tuple[Department | Literal["default"], ...] = (department, "default")
        for name in names:
            settings = self.file.departments.get(name)
            if settings is not None and settings.times is not None:
                return replace(self.base, hours=settings.times)
        return self.base

    def runs_out(self, today: date, notice_days: int = 45) -> str:
        """What to do if the calendar ends within `notice_days` of today; else empty."""
        until = self.base.until
        if until is None:
            return (
                "no calendar is set, so deadlines know weekends but no public holidays"
                if self.present
                else ""
            )
        if (until - today).days > notice_days:
            return ""
        return (
            f"public holidays are known only until {until}; from then on deadlines know weekends alone. "
            f"Add the next year to {self.file.calendar} as soon as it is published"
        )

    @cached_property
    def _people(self) -> dict[str, Person]:
        return {person.id: person for person in self.file.people}

    @cached_property
    def _accounts(self) -> dict[tuple[str, str, str], Person]:
        return {
            (a.platform, a.account, a.user): person for person in self.file.people for a in person.accounts
        }


def load_staff(path: Path, config: Config, *, required: bool = False) -> Staff:
    """Read `staff.yaml` and its calendar, and hold its channels against the configured accounts.

    Args:
        required: a missing file is an error; otherwise it is nobody.

    Raises:
        ConfigError: with file, line and what to write instead.
    """
    known = _accounts_of(config)
    desks = frozenset(("wecom", desk.name) for desk in config.platforms.wecom.kf)
    if not required and not path.exists():
        return Staff(desks=desks, paths=(path,))
    document = load_yaml(path)
    file = parse(document, StaffFile)
    problems = list(_check_people(file, document)) + list(_check_channels(file, document, known))
    zone = _zone(file.timezone)
    if zone is None:
        problems.append(
            document.problem(("timezone",), f"{file.timezone!r} is no time zone; write e.g. Asia/Shanghai")
        )
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    base, paths = BusinessCalendar(zone or CHINA), [path]
    if file.calendar is not None:
        where = path.parent / file.calendar
        if not where.exists():
            raise ConfigError(
                [document.problem(("calendar",), f"calendar: there is no file {file.calendar}")]
            )
        days = load_calendar(where)
        paths.append(where.resolve())
        base = replace(base, holidays=days.days_off, make_up=frozenset(days.working), until=days.until)
    return Staff(file, base, desks, tuple(paths), present=True)


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # A bare machine may have no time zones at all.
        return CHINA if name == "Asia/Shanghai" else None


def _accounts_of(config: Config) -> dict[str, list[str]]:
    """Platform → the accounts that are enabled."""
    platforms = config.platforms
    slack, telegram, wecom = platforms.slack, platforms.telegram, platforms.wecom
    found = {
        "http": [platforms.http.account] if platforms.http.enabled else [],
        "slack": [w.name for app in slack.apps for w in app.workspaces] if slack.enabled else [],
        "telegram": [bot.name for bot in telegram.bots] if telegram.enabled else [],
        "wecom": [],
    }
    if wecom.enabled:
        names = [[a.name for a in wecom.apps], [k.name for k in wecom.kf]]
        names += [[b.name for b in wecom.aibots], [g.name for g in wecom.groups]]
        found["wecom"] = [name for some in names for name in some]
    return found


def _check_people(file: StaffFile, document: Document) -> Iterator[Problem]:
    ids: dict[str, int] = {}
    users: dict[tuple[str, str, str], str] = {}
    for number, person in enumerate(file.people):
        where = ("people", number, "id")
        if person.id in ids:
            yield document.problem(
                where, f"the id {person.id!r} is given twice; each person needs an own one"
            )
        ids[person.id] = number
        for which, account in enumerate(person.accounts):
            key = (account.platform, account.account, account.user)
            if users.get(key, person.id) != person.id:
                yield document.problem(
                    ("people", number, "accounts", which),
                    f"{account.platform} user {account.user} is {users[key]!r} already; keep one",
                )
            users[key] = person.id


def _check_channels(file: StaffFile, document: Document, known: Mapping[str, list[str]]) -> Iterator[Problem]:
    for name, settings in file.departments.items():
        channel = settings.channel
        if channel is None:
            continue
        where = ("departments", name, "channel")
        if channel.platform not in known:
            yield document.problem(
                (*where, "platform"),
                f"nothing can be posted to {channel.platform!r}; write one of {', '.join(sorted(known))}",
            )
        elif not known[channel.platform]:
            yield document.problem(
                (*where, "platform"),
                f"{channel.platform} isn't enabled: enable it under `platforms` in teller.yaml, or take the "
                "channel out",
            )
        elif channel.account not in known[channel.platform]:
            yield document.problem(
                (*where, "account"),
                f"{channel.platform} has no account {channel.account!r}; it has "
                f"{', '.join(known[channel.platform])}",
            )
