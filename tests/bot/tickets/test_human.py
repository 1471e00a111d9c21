"""The rail for 「转人工」, the texts about when, and the count of unsure answers."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli.main import app
from bot.config import Config
from bot.config.staff import Staff
from bot.locales import LANGUAGES, catalogue
from bot.metrics import Metrics
from bot.rails.base import Context, chain
from bot.rails.greet import greet
from bot.rails.human import HUMAN, human, human_button
from bot.rails.normalise import normalise
from bot.rails.owner import owner
from bot.store import Outcome, Owner, Store
from bot.tickets.numbers import make
from bot.tickets.open import open_ticket
from bot.tickets.report import report
from bot.tickets.summary import summarise
from bot.tickets.ticket import DEPARTMENTS, SEVERITIES
from bot.tickets.unsure import note_confidence
from bot.tickets.when import at, before
from bot.types import Exchange, InboundEvent, Language
from tests.counter import write_config
from tests.make import event

HOUR = 3600
NOW = datetime.fromisoformat("2026-11-23T10:00:00+08:00")
EAST = 8 * HOUR


async def answer(_event: InboundEvent, context: Context) -> Outcome:
    return Outcome(seen="answered " + context.text)


async def run(incoming: InboundEvent, **context: object) -> Outcome:
    handler = chain((normalise, owner, greet, human), answer)
    return await handler(incoming, Context(Config(), now=NOW, **context))  # type: ignore[arg-type]


async def test_who_asks_for_a_person_gets_a_ticket() -> None:
    outcome = await run(event("转人工"), history=(Exchange("卡丢了", "请挂失。"),))
    [draft] = outcome.tickets
    assert (draft.department, draft.severity, draft.reason) == ("contact_center", "P3", "asked_for_person")
    assert draft.summary == "客户：卡丢了\nTeller：请挂失。\n客户：转人工"
    assert draft.joins
    assert outcome.messages == ()


async def test_a_button_asks_like_words() -> None:
    button = human_button("en")
    outcome = await run(event(button.label, kind="button", value=button.value))
    assert len(outcome.tickets) == 1


async def test_another_button_or_question_goes_on() -> None:
    assert (await run(event("人工客服几点上班"))).seen == "answered 人工客服几点上班"
    assert (await run(event("x", kind="button", value="kb:human:"))).tickets == ()
    assert (await run(event("x", kind="button", value=HUMAN + "x"))).tickets == ()


async def test_while_staff_own_the_conversation_nothing_is_opened() -> None:
    outcome = await run(event("转人工"), owner=Owner("chen.min", 3))
    assert outcome.tickets == ()
    assert outcome.messages == ()


async def test_a_turn_that_runs_twice_decides_the_same() -> None:
    incoming = event("转人工")
    assert (await run(incoming)).tickets == (await run(incoming)).tickets


async def test_the_count_of_unsure_answers_begins_again() -> None:
    outcome = await run(event("转人工"), state={"unsure": [1, "x", 0.0], "choices": []})
    assert outcome.state == {"choices": []}


# ── unsure ──


def note(state: dict[str, object], sure: bool, subject: str = "w", now: float = 0.0) -> tuple[dict, bool]:  # type: ignore[type-arg]
    return note_confidence(state, sure=sure, subject=subject, now=now, forget_s=HOUR)


def test_two_unsure_answers_in_a_row_fetch_a_person() -> None:
    state, due = note({"choices": [1]}, False)
    assert not due
    state, due = note(state, False, now=60)
    assert due
    assert state == {"choices": [1]}


def test_a_sure_answer_between_begins_the_count_again() -> None:
    state, _ = note({}, False)
    state, _ = note(state, True)
    assert state == {}
    assert note(state, False)[1] is False


def test_unsure_answers_to_different_people_or_far_apart_don_t_add_up() -> None:
    state, _ = note({}, False, "wang")
    assert note(state, False, "zhao")[1] is False
    assert note(state, False, "wang", now=HOUR + 1)[1] is False


# ── when ──


@pytest.mark.parametrize(
    ("due", "language", "words"),
    [
        (timedelta(minutes=15), "zh", "15分钟内"),
        (timedelta(minutes=15), "en", "within 15 minutes"),
        (timedelta(minutes=3, seconds=20), "zh", "3分钟内"),
        (timedelta(hours=1), "en", "within an hour"),
        (timedelta(hours=2), "zh", "2小时内"),
        (timedelta(hours=2), "en", "within 2 hours"),
        (timedelta(minutes=70), "zh", "今天11:10前"),
        (timedelta(hours=7, minutes=30), "zh", "今天17:30前"),
        (timedelta(hours=7, minutes=30), "en", "before 17:30 today"),
        (timedelta(hours=31, minutes=30), "zh", "明天17:30前"),
        (timedelta(days=3, hours=7, minutes=30), "zh", "11月26日（周四）17:30前"),
        (timedelta(days=3, hours=7, minutes=30), "en", "before 17:30 on Thursday 26 November"),
    ],
)
def test_a_deadline_in_words(due: timedelta, language: Language, words: str) -> None:
    assert before((NOW + due).timestamp(), NOW.timestamp(), EAST, language) == words


def test_a_day_is_the_bank_s_day() -> None:
    late = datetime.fromisoformat("2026-11-23T23:30:00+08:00")
    morning = datetime.fromisoformat("2026-11-24T09:00:00+08:00")
    assert at(morning.timestamp(), late.timestamp(), EAST, "zh") == "明天9:00"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_department_severity_day_and_month_has_words(language: Language) -> None:
    texts = catalogue(language)
    for name in DEPARTMENTS:
        assert texts[f"tickets.department.{name}"]
    for severity in SEVERITIES:
        assert texts[f"tickets.severity.{severity}"]
    assert all(texts[f"tickets.weekday.{n}"] for n in range(1, 8))
    assert all(texts[f"tickets.month.{n}"] for n in range(1, 13))


def test_both_languages_have_the_same_ticket_texts_with_the_same_places() -> None:
    zh, en = catalogue("zh"), catalogue("en")
    keys = {key for key in zh if key.startswith("tickets.")}
    assert keys == {key for key in en if key.startswith("tickets.")}
    for key in keys - {"tickets.on_day"}:
        assert set(re.findall(r"{\w+}", zh[key])) == set(re.findall(r"{\w+}", en[key])), key


def test_a_summary_is_short_however_long_the_talk() -> None:
    long = tuple(Exchange("问" * 5000, "答" * 5000) for _ in range(50))
    found = summarise(long, "话" * 5000, "zh")
    assert found.count("\n") == 6
    assert len(found) < 1500


def test_a_line_break_in_a_message_forges_no_line_of_a_summary() -> None:
    assert summarise((), "好的\nTeller：已转账", "zh") == "客户：好的 Teller：已转账"


# ── command line ──


def ticket_config(folder: Path) -> Path:
    return write_config(folder)


async def _fill(path: Path) -> str:
    from bot.cli.common import open_config, open_store

    store: Store = await open_store(open_config(path))
    incoming = event("转人工")
    await store.accept(incoming, b"", queue_limit=10, now=NOW.timestamp())
    [claim] = await store.claim(now=NOW.timestamp(), lease_s=30, limit=1)
    draft = open_ticket(
        incoming,
        staff=Staff(),
        now=NOW,
        department="contact_center",
        reason="asked_for_person",
        severity="P3",
        text="转人工",
    )
    metrics = Metrics()
    done = await store.complete(claim, Outcome(tickets=(draft,)), now=NOW.timestamp())
    report(done, metrics)
    assert b'teller_tickets_unposted_total{department="contact_center"} 1.0' in metrics.render()
    await store.close()
    return done[0].ticket.number


def test_the_command_line_lists_and_shows(tmp_path: Path) -> None:
    import asyncio

    path = ticket_config(tmp_path)
    number = asyncio.run(_fill(path))
    runner = CliRunner()
    listed = runner.invoke(app, ["tickets", "list", "-c", str(path)])
    assert listed.exit_code == 0
    assert number in listed.stdout
    assert "The customer asked for a person" in listed.stdout
    shown = runner.invoke(app, ["tickets", "show", number.lower(), "-c", str(path)])
    assert shown.exit_code == 0
    assert "due           2026-11-24 17:30" in shown.stdout
    assert "客户：转人工" in shown.stdout
    wrong = "T-20261123-0002" + number[-1]
    refused = runner.invoke(app, ["tickets", "show", wrong, "-c", str(path)])
    assert refused.exit_code == 1
    assert "check letter" in refused.stderr
    other = make(NOW.date(), 99)
    missing = runner.invoke(app, ["tickets", "show", other, "-c", str(path)])
    assert missing.exit_code == 1
    assert f"there is no ticket {other}" in missing.stderr
    unknown = runner.invoke(app, ["tickets", "list", "--department", "cardz", "-c", str(path)])
    assert unknown.exit_code == 2
