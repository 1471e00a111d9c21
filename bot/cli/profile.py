"""`teller profile`: what is on file about a customer's age and risk level."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, get_args

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, fail, open_config, open_store, run_async, say_line
from bot.config import LiveConfig
from bot.ids import utc_now
from bot.suitability.levels import LEVELS, Level
from bot.suitability.profile import Profile, ProfileChange, Rating

__all__ = ["app"]

app = typer.Typer(help="A customer's age and risk level.", no_args_is_help=True)

SubjectArgument = Annotated[
    str,
    typer.Argument(help="Key of a direct conversation, `platform|account|chat|`; of a member, `…|sender`."),
]


@app.command()
def show(subject: SubjectArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show what is on file, and which level counts now."""
    run_async(_show(open_config(config), subject))


async def _show(live: LiveConfig, subject: str) -> None:
    store = await open_store(live)
    try:
        profile = await store.profile(subject)
    finally:
        await store.close()
    settings = live.config.suitability
    profile = profile.under(valid_months=settings.valid_months, elder_age=settings.elder_age)
    say_line(f"age: {'unknown' if profile.age is None else profile.age}")
    say_line(f"official rating: {_words(profile.official)}")
    say_line(f"estimate: {_words(profile.estimate)}")
    say_line(f"level in force: {profile.level(utc_now()) or 'none'}")
    for test in profile.tests:
        say_line(f"test {test.at:%Y-%m-%d %H:%M}Z  {test.status:<9}  questionnaire {test.questionnaire}")


def _words(rating: Rating | None) -> str:
    if rating is None:
        return "none"
    confirmed = f", confirmed by {rating.confirmed_by}" if rating.confirmed_by else ""
    return f"{rating.level} of {rating.at:%Y-%m-%d} ({rating.source}{confirmed})"


@app.command("set")
def set_profile(
    subject: SubjectArgument,
    by: Annotated[str, typer.Option("--by", help="Your id in the staff file.")],
    age: Annotated[int | None, typer.Option(min=0, max=130, help="Years.")] = None,
    level: Annotated[str, typer.Option(help="The bank's rating, C1 to C5.")] = "",
    assessed: Annotated[str, typer.Option(help="Day of the assessment, YYYY-MM-DD; default: today.")] = "",
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="Confirm an older customer's level, having met them."),
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Note the bank's age or rating of a customer. Goes on the record."""
    run_async(_set(open_config(config), subject, by, age, level, assessed, confirm))


async def _set(
    live: LiveConfig, subject: str, by: str, age: int | None, level: str, assessed: str, confirm: bool
) -> None:
    if not by.strip():
        raise fail("--by must name who you are", 2)
    staff = live.current.staff
    if staff.file.people and staff.person(by) is None:
        raise fail(f"the staff file has no {by!r}; `--by` takes an id from it", 2)
    if subject.count("|") < 3:
        raise fail("a subject is platform|account|chat|thread, such as web|counter|a1b2|", 2)
    if age is None and not level and not confirm:
        raise fail("nothing to set: give --age, --level or --confirm", 2)
    rating = _rating(level, assessed, by) if level else None
    store = await open_store(live)
    try:
        if confirm and rating is None:
            rating = _confirmed(await store.profile(subject), by)
        moment = utc_now().timestamp()
        await store.change_profile(ProfileChange(subject, rating=rating, age=age), now=moment)
        data = {"by": by, "level": rating.level if rating else "", "age": age is not None}
        await store.note_audit("customer.profile_set", data, now=moment, conversation=subject)
    finally:
        await store.close()
    say_line("noted")


def _rating(level: str, assessed: str, by: str) -> Rating:
    wanted: Level | None = next((known for known in get_args(Level) if known == level.upper()), None)
    if wanted is None:
        raise fail(f"--level must be one of {', '.join(LEVELS)}, not {level!r}", 2)
    try:
        at = datetime.strptime(assessed, "%Y-%m-%d").replace(tzinfo=UTC) if assessed else utc_now()
    except ValueError:
        raise fail(f"--assessed must be a day such as 2026-03-31, not {assessed!r}", 2) from None
    if at > utc_now():
        raise fail(f"--assessed lies in the future: {assessed}", 2)
    return Rating(wanted, at, "bank", confirmed_by=by)


def _confirmed(profile: Profile, by: str) -> Rating:
    found = profile.official or profile.estimate
    if found is None:
        raise fail("there is no rating to confirm; set one with --level")
    return Rating(found.level, found.at, found.source, found.questionnaire, by)
