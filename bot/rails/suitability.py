"""Suitability rail: the risk test, products that suit, and no product above a customer's level.

Pure decisions over the event, the conversation's state and the profile on file. What is to be noted about
the customer goes out as `Outcome.profile`. Whatever isn't meant for it passes on untouched; during a test
the answer that comes back gets an offer to go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from bot.config.suitability import Suitability, SuitabilityMode
from bot.locales import say
from bot.rails.base import Context, Handler, reply
from bot.store import AuditEntry, Outcome
from bot.suitability import intents
from bot.suitability.flow import PREFIX, Run, chosen, open_run
from bot.suitability.levels import allowed, allows
from bot.suitability.limits import Limits, Refusal, months_later, refusal
from bot.suitability.needs import Needs, needs_of
from bot.suitability.pages import date_words, disclaimers, pick_lines
from bot.suitability.products import Product
from bot.suitability.profile import Profile, ProfileChange, Rating, Test, TestStatus, merge
from bot.suitability.questionnaire import Questionnaire
from bot.suitability.recommend import recommend
from bot.suitability.scoring import score
from bot.suitability.shelf import Counter
from bot.types import Button, Buttons, InboundEvent, Language, OutPart, Text

__all__ = ["SuitabilityRail"]

NEED_CHOICES: dict[str, Needs] = {
    "any_time": Needs(any_time=True),
    "half_year": Needs(within_days=180),
    "long": Needs(within_days=1095),
    "monthly": Needs(purposes=frozenset({"saving_plan"})),
    "retirement": Needs(purposes=frozenset({"retirement"})),
}
"""What is offered when somebody asks for a product and says nothing of their needs."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """One event, and all that is looked at to answer it."""

    event: InboundEvent
    context: Context
    counter: Counter
    settings: Suitability
    profile: Profile
    now: datetime
    """In the bank's time."""
    run: Run | None

    @property
    def language(self) -> Language:
        return self.context.language

    @property
    def full(self) -> bool:
        return self.mode == "full"

    @property
    def mode(self) -> SuitabilityMode:
        return self.settings.mode_in(self.context.config.bank.jurisdiction)

    def say(self, key: str, **values: object) -> str:
        bank = self.context.config.bank
        given = {"hotline": bank.hotline, "page": str(self.settings.page), **values}
        return say(f"suitability.{key}", self.language, **given)

    def button(self, key: str, value: str) -> Button:
        return Button(self.say(f"button.{key}"), PREFIX + value)

    def ends(
        self,
        *parts: OutPart,
        run: Run | None = None,
        audit: AuditEntry | None = None,
        profile: ProfileChange | None = None,
        more: dict[str, Any] | None = None,
    ) -> Outcome:
        """A reply, with the run as it stands then (None: none any more)."""
        state = {key: value for key, value in self.context.state.items() if key != "suitability"}
        if run is not None:
            state["suitability"] = msgspec.structs.replace(run, at=self.now.timestamp()).plain()
        return Outcome(
            messages=(reply(self.event, self.language, *parts),),
            seen=self.seen,
            state={**state, **(more or {})},
            language=self.language,
            audit=(audit or AuditEntry("suitability.shown", {}),),
            profile=profile,
        )

    @property
    def seen(self) -> str:
        """Answers are nobody's business later: of a press during the test only that it was one."""
        return self.say("seen") if self.run is not None else self.context.text


class SuitabilityRail:
    """Stands before the answer."""

    def __init__(self, counter: Callable[[], Counter]) -> None:
        """`counter` gives what is in force now, such as `lambda: live_counter.current`."""
        self._counter = counter

    async def __call__(self, handler: Handler, event: InboundEvent, context: Context) -> Outcome:
        settings = context.config.suitability
        if not settings.enabled or context.owner.id:
            return await handler(event, context)
        zone = timezone(timedelta(hours=settings.utc_offset_hours))
        now = (context.now or event.received_at).astimezone(zone)
        profile = (context.profile or Profile()).under(
            valid_months=settings.valid_months, elder_age=settings.elder_age
        )
        run = open_run(context.state, now, settings.resume_hours)
        turn = _Turn(event, context, self._counter(), settings, profile, now, run)
        outcome = _decide(turn)
        if outcome is not None:
            return outcome
        outcome = await handler(event, context)
        if run is not None:
            return _offer_to_go_on(turn, run, outcome)
        return _offer_test(turn, outcome)


def _decide(turn: _Turn) -> Outcome | None:
    """What this part answers; None for what passes on."""
    event, text = turn.event, turn.context.text
    if event.kind == "button" and event.value.startswith(PREFIX):
        return _private(turn) or _pressed(turn, event.value.removeprefix(PREFIX).split(":"))
    if event.kind != "message" or not text.strip():
        return None
    if (
        event.conversation.kind == "direct"
        and turn.run is not None
        and turn.counter.questionnaire is not None
    ):
        return _during(turn, turn.run, turn.counter.questionnaire)
    if turn.counter.questionnaire is not None:
        if intents.for_another(text, in_test=False):
            return turn.ends(Text(turn.say("for_another")), audit=_audit("refused", why="for_another"))
        if intents.asks_coaching(text, in_test=False):
            return turn.ends(Text(turn.say("no_coaching")), audit=_audit("refused", why="coaching"))
        if intents.wants_test(text):
            return _private(turn) or _start(turn, turn.counter.questionnaire)
    if turn.counter.shelf.products:
        if intents.wants_product(text):
            return _private(turn) or _recommend(turn, Needs())
        if event.conversation.kind == "direct" and intents.wants_to_buy(text):
            return _above(turn, turn.counter.shelf.named(text))
    return None


def _private(turn: _Turn) -> Outcome | None:
    """In a group everybody would read along."""
    if turn.event.conversation.kind == "direct":
        return None
    return turn.ends(Text(turn.say("private")))


# ── the test ──


def _pressed(turn: _Turn, value: list[str]) -> Outcome:
    verb, rest = value[0], value[1:]
    questionnaire, run = turn.counter.questionnaire, turn.run
    if verb == "need" and rest and rest[0] in NEED_CHOICES:
        return _recommend(turn, NEED_CHOICES[rest[0]])
    if verb == "show":
        return _recommend(turn, Needs())
    if questionnaire is None:
        return turn.ends(Text(turn.say("away")))
    if verb == "start":
        return _start(turn, questionnaire)
    if run is None or (rest and rest[0] != run.id):
        text = turn.say("stale_other" if run else "stale")
        return turn.ends(Text(text), _begin_buttons(turn), run=run)
    if run.version != questionnaire.version:
        return _changed_under(turn, run)
    if verb == "on":
        return _show(turn, run, questionnaire)
    if verb == "off":
        return _cancel(turn, run)
    if verb == "restart":
        return _restart(turn, run, questionnaire)
    if verb == "begin" and run.step == "intro":
        return _show(turn, msgspec.structs.replace(run, step="question"), questionnaire)
    if verb == "care" and run.step == "care":
        return _show(turn, msgspec.structs.replace(run, step="question", cared=True), questionnaire)
    if verb == "own" and run.step == "declare":
        if run.elder(questionnaire, turn.profile):
            return _show(turn, msgspec.structs.replace(run, step="understood"), questionnaire)
        return _finish(turn, run, questionnaire)
    if verb == "yes" and run.step == "understood":
        return _finish(turn, run, questionnaire)
    if verb == "no" and run.step == "understood":
        return _ended(turn, run, "not_understood", "cancelled")
    if verb == "a" and run.step == "question" and len(rest) == 3 and rest[1] == str(run.number()):
        return _answer(turn, run, questionnaire, rest[2])
    return _show(turn, run, questionnaire, turn.say("answered_already"))


def _during(turn: _Turn, run: Run, questionnaire: Questionnaire) -> Outcome | None:
    """A typed message while a test is under way."""
    text = turn.context.text
    if intents.wants_out(text):
        return _cancel(turn, run)
    if run.version != questionnaire.version:
        return _changed_under(turn, run)
    if intents.wants_restart(text):
        return _restart(turn, run, questionnaire)
    if intents.wants_on(text) or intents.wants_test(text):
        if run.step == "intro":
            run = msgspec.structs.replace(run, step="question")
        return _show(turn, run, questionnaire)
    question = run.question(questionnaire)
    if run.step == "question" and question is not None:
        option = chosen(question, text, bare=not run.paused)
        if option is not None:
            return _answer(turn, run, questionnaire, option.id)
    if intents.for_another(text, in_test=True):
        return _show(turn, run, questionnaire, turn.say("for_another"))
    if intents.asks_coaching(text, in_test=True):
        return _show(turn, run, questionnaire, turn.say("no_coaching"))
    if intents.wants_change(text):
        return _show(turn, run, questionnaire, turn.say("no_change"))
    if run.step == "question" and question is not None and intents.asks_meaning(text):
        help = question.help[turn.language] if question.help else turn.say("no_help")
        return _show(turn, run, questionnaire, help)
    if turn.counter.shelf.products and intents.wants_to_buy(text):
        return _above(turn, turn.counter.shelf.named(text))
    return None


def _start(turn: _Turn, questionnaire: Questionnaire) -> Outcome:
    run = turn.run
    if run is not None and run.answers and run.version == questionnaire.version:
        choices = (
            turn.button("on", f"on:{run.id}"),
            turn.button("restart", f"restart:{run.id}"),
            turn.button("off", f"off:{run.id}"),
        )
        left = turn.say("resume", done=len(run.answers), total=len(questionnaire.questions))
        return turn.ends(Text(left), Buttons(choices), run=msgspec.structs.replace(run, paused=True))
    if turn.profile.age is not None and turn.profile.age < _ADULT:
        return turn.ends(Text(turn.say("minor")), audit=_audit("refused", why="minor"))
    refused = _refused(turn)
    if refused is not None:
        return refused
    return _intro(turn, questionnaire)


_ADULT = 18


def _refused(turn: _Turn) -> Outcome | None:
    """Where the limits allow no test now: when the next one may be, and what counts until then."""
    settings = turn.settings
    limits = Limits(settings.tests_per_day, settings.tests_per_year, settings.utc_offset_hours)
    found: Refusal | None = refusal(turn.profile.counted, turn.now, limits)
    if found is None:
        return None
    most = limits.per_day if found.reason == "day" else limits.per_year
    text = turn.say(f"limit.{found.reason}", most=most, again=date_words(found.again, turn.language))
    return turn.ends(Text(text), audit=_audit("refused", why=f"limit_{found.reason}"))


def _intro(turn: _Turn, questionnaire: Questionnaire) -> Outcome:
    id = hashlib.sha256(
        f"{turn.event.platform}|{turn.event.account}|{turn.event.event_id}".encode()
    ).hexdigest()
    run = Run(id[:10], questionnaire.version, turn.now.timestamp())
    parts = [turn.say("intro.full" if turn.full else "intro.prescreen", total=len(questionnaire.questions))]
    rating = turn.profile.rating(turn.now)
    if rating is not None:
        parts.append(_rating_words(turn, rating))
    elif turn.profile.expired(turn.now):
        parts.append(turn.say("expired"))
    choices = (turn.button("begin", f"begin:{run.id}"), turn.button("off", f"off:{run.id}"))
    data = {"questionnaire": questionnaire.version, "mode": turn.mode}
    return turn.ends(Text("\n".join(parts)), Buttons(choices), run=run, audit=_audit("offered", **data))


def _begin_buttons(turn: _Turn) -> Buttons:
    return Buttons((turn.button("test", "start"),))


def _restart(turn: _Turn, run: Run, questionnaire: Questionnaire) -> Outcome:
    """Counts as another test where the one before had begun."""
    if not run.began:
        return _show(turn, msgspec.structs.replace(run, step="question"), questionnaire)
    refused = _refused(turn)
    if refused is not None:
        kept = {"suitability": msgspec.structs.replace(run, paused=True).plain()}
        return replace(refused, state={**(refused.state or {}), **kept})
    return _intro(turn, questionnaire)


def _show(turn: _Turn, run: Run, questionnaire: Questionnaire, before: str = "") -> Outcome:
    """The run's next step, under a remark."""
    run = msgspec.structs.replace(run, paused=False)
    question = run.question(questionnaire)
    lead = (Text(before),) if before else ()
    off = turn.button("off", f"off:{run.id}")
    if run.step == "intro":
        choices: tuple[Button, ...] = (turn.button("begin", f"begin:{run.id}"), off)
        return turn.ends(*lead, Text(turn.say("ready")), Buttons(choices), run=run)
    if run.step == "care":
        choices = (turn.button("care", f"care:{run.id}"), turn.button("branch", f"off:{run.id}"))
        return turn.ends(*lead, Text(turn.say("care")), Buttons(choices), run=run)
    if run.step == "understood":
        choices = (turn.button("yes", f"yes:{run.id}"), turn.button("no", f"no:{run.id}"))
        return turn.ends(*lead, Text(turn.say("understood")), Buttons(choices), run=run)
    if question is None:
        run = msgspec.structs.replace(run, step="declare")
        choices = (turn.button("own", f"own:{run.id}"), turn.button("restart", f"restart:{run.id}"), off)
        return turn.ends(*lead, Text(turn.say("declare")), Buttons(choices), run=run)
    run = msgspec.structs.replace(run, step="question")
    number, total = run.number(), len(questionnaire.questions)
    choices = tuple(
        Button(option.text[turn.language], f"{PREFIX}a:{run.id}:{number}:{option.id}")
        for option in question.options
    )
    asked = turn.say("question", number=number, total=total, text=question.text[turn.language])
    if run.elder(questionnaire, turn.profile):
        asked += "\n" + turn.say("slowly")
    return turn.ends(*lead, Text(asked), Buttons(choices), run=run)


def _answer(turn: _Turn, run: Run, questionnaire: Questionnaire, id: str) -> Outcome:
    question = run.question(questionnaire)
    option = question.option(id) if question is not None else None
    if question is None or option is None:
        return _show(turn, run, questionnaire, turn.say("answered_already"))
    began = run.began or turn.now.timestamp()
    first = not run.began
    run = msgspec.structs.replace(run, answers={**run.answers, question.id: id}, began=began)
    if option.ends:
        return _ended(turn, run, "minor", "void")
    if not run.cared and run.elder(questionnaire, turn.profile):
        run = msgspec.structs.replace(run, step="care")
    outcome = _show(turn, run, questionnaire)
    if first:
        change = _noted(turn, run, "started")
        outcome = replace(outcome, profile=change, audit=(_audit("began", questionnaire=run.version),))
    return outcome


def _noted(turn: _Turn, run: Run, status: TestStatus) -> ProfileChange:
    began = datetime.fromtimestamp(run.began or turn.now.timestamp(), turn.now.tzinfo)
    return ProfileChange(turn.event.conversation.key, test=Test(run.id, began, run.version, status))


def _ended(turn: _Turn, run: Run, key: str, status: TestStatus) -> Outcome:
    profile = _noted(turn, run, status) if run.began else None
    return turn.ends(Text(turn.say(key)), profile=profile, audit=_audit("ended", why=key))


def _cancel(turn: _Turn, run: Run) -> Outcome:
    return _ended(turn, run, "cancelled" if run.began else "cancelled_early", "cancelled")


def _changed_under(turn: _Turn, run: Run) -> Outcome:
    """The questionnaire has a new version: this test ends, and isn't counted."""
    profile = _noted(turn, run, "void") if run.began else None
    return turn.ends(
        Text(turn.say("changed")), _begin_buttons(turn), profile=profile, audit=_audit("ended", why="changed")
    )


def _finish(turn: _Turn, run: Run, questionnaire: Questionnaire) -> Outcome:
    if run.question(questionnaire) is not None:
        return _show(turn, msgspec.structs.replace(run, step="question"), questionnaire)
    result = score(questionnaire, run.answers)
    rating = Rating(result.level, turn.now, "test" if turn.full else "prescreen", questionnaire.version)
    # An age that the bank knows stays.
    age = result.age if turn.profile.age is None else None
    change = msgspec.structs.replace(_noted(turn, run, "finished"), rating=rating, age=age)
    profile = merge(turn.profile, change)
    careful = profile.careful(rating)
    until = date_words(months_later(turn.now, turn.settings.valid_months), turn.language)
    name = questionnaire.names[careful][turn.language]
    values = {"level": careful, "name": name, "risks": _risks(careful), "until": until}
    lines = [turn.say("result.full" if turn.full else "result.prescreen", **values)]
    if careful != rating.level:
        lines.append(turn.say("result.elder"))
    if result.capped_by:
        lines.append(turn.say("result.capped"))
    official = turn.profile.official
    if not turn.full and official is not None and turn.profile.rating(turn.now) is not None:
        lines.append(turn.say("result.official", level=official.level))
    lines.append(say("suitability.disclaimer", turn.language))
    choices = (turn.button("show", "show"),) if turn.counter.shelf.products else ()
    data = {
        "questionnaire": questionnaire.version,
        "mode": turn.mode,
        "level": careful,
        "points": result.points,
        "capped_by": list(result.capped_by),
        "elder": profile.elder,
    }
    parts = (Text("\n".join(lines)), *((Buttons(choices),) if choices else ()))
    return turn.ends(*parts, profile=change, audit=_audit("finished", **data))


def _risks(level: Any) -> str:
    found = allowed(level)
    return found[0] if len(found) == 1 else f"{found[0]}–{found[-1]}"


def _rating_words(turn: _Turn, rating: Rating) -> str:
    until = date_words(
        months_later(rating.at.astimezone(turn.now.tzinfo), turn.settings.valid_months), turn.language
    )
    key = "on_file.estimate" if rating.source == "prescreen" else "on_file.official"
    return turn.say(key, level=rating.level, risks=_risks(rating.level), until=until)


def _audit(kind: str, **data: Any) -> AuditEntry:
    return AuditEntry(f"suitability.{kind}", data)


# ── products ──


def _recommend(turn: _Turn, pressed: Needs) -> Outcome:
    """Products that are suitable and relevant; or the question what matters, where nothing is known."""
    state = turn.context.state.get("wealth", {})
    forget = turn.context.config.answers.forget_after_minutes * 60
    known = Needs()
    if state and turn.now.timestamp() - state.get("at", 0) <= forget:
        known = Needs.of(state.get("needs", {}))
    spoken = needs_of([turn.context.text]) if turn.event.kind == "message" else pressed
    needs = known.then(spoken)
    interest = needs_of(exchange.question for exchange in turn.context.history)
    more = {"wealth": {"needs": needs.plain(), "at": turn.now.timestamp()}}
    run = turn.run
    if not needs.stated and not interest.stated:
        choices = tuple(Button(turn.say(f"need.{key}"), f"{PREFIX}need:{key}") for key in NEED_CHOICES)
        return turn.ends(Text(turn.say("which_need")), Buttons(choices), run=run, more=more)
    rating = turn.profile.rating(turn.now)
    level = rating.level if rating else None
    # What the conversation was about stands in for needs that nobody stated.
    asked = needs if needs.stated else needs.then(Needs(purposes=interest.purposes, kinds=interest.kinds))
    found = recommend(turn.counter.shelf, level, asked, turn.now.date(), interest=interest)
    lines = [_rating_words(turn, rating) if rating else turn.say("unrated")]
    lines += [
        pick_lines(pick, number, turn.language, suits=turn.full) for number, pick in enumerate(found.picks, 1)
    ]
    if not found.picks:
        lines.append(turn.say("none_fits"))
    if found.above and level:
        lines.append(turn.say("more_above"))
    if "preserve" in asked.purposes and found.picks:
        lines.append(turn.say("preserve"))
    if turn.profile.elder and any(pick.product.risk not in ("R1", "R2") for pick in found.picks):
        lines.append(turn.say("elder_branch"))
    shown = [pick.product.kind for pick in found.picks]
    lines += [note] if (note := disclaimers(shown, turn.language)) else []
    test = turn.counter.questionnaire is not None and rating is None and run is None
    parts: tuple[OutPart, ...] = (Text("\n\n".join(lines)), *((_begin_buttons(turn),) if test else ()))
    data = {"level": level or "", "products": [pick.product.id for pick in found.picks], "above": found.above}
    outcome = turn.ends(*parts, run=run, more=more, audit=_audit("recommended", **data))
    return outcome if run is None else _offer_to_go_on(turn, run, outcome)


def _above(turn: _Turn, named: tuple[Product, ...]) -> Outcome | None:
    """The refusal to show a product rated above the customer's level; None where there is none."""
    rating = turn.profile.rating(turn.now)
    if rating is None:
        return None
    for product in named:
        if not allows(rating.level, product.risk):
            values = {
                "product": product.name[turn.language],
                "risk": product.risk,
                "risks": _risks(rating.level),
            }
            text = turn.say("above", level=rating.level, **values)
            choices = [turn.button("show", "show")]
            if turn.counter.questionnaire is not None and turn.run is None:
                choices.append(turn.button("again", "start"))
            data = {"why": "above", "product": product.id, "risk": product.risk, "level": rating.level}
            return turn.ends(
                Text(text), Buttons(tuple(choices)), run=turn.run, audit=_audit("refused", **data)
            )
    return None


# ── what comes back from the other rails ──


def _offer_to_go_on(turn: _Turn, run: Run, outcome: Outcome) -> Outcome:
    """Under the answer to something else: the offer to go on with the test."""
    if not outcome.messages or outcome.owner is not None or outcome.messages[-1].kind != "answer":
        return outcome
    total = len(turn.counter.questionnaire.questions) if turn.counter.questionnaire else 0
    choices = (turn.button("on", f"on:{run.id}"), turn.button("off", f"off:{run.id}"))
    prompt = turn.say("go_on", number=min(run.number(), total), total=total)
    state = turn.context.state if outcome.state is None else outcome.state
    # The time of the last step stays: a test isn't kept open by talking of other things.
    paused = msgspec.structs.replace(run, paused=True).plain()
    return replace(_with(outcome, Buttons(choices, prompt)), state={**state, "suitability": paused})


def _offer_test(turn: _Turn, outcome: Outcome) -> Outcome:
    """Under the answer to somebody who wants a rated product and has no valid level: the way to one."""
    text, counter = turn.context.text, turn.counter
    if (
        turn.event.kind != "message"
        or turn.event.conversation.kind != "direct"
        or counter.questionnaire is None
    ):
        return outcome
    if not outcome.messages or outcome.owner is not None or outcome.messages[-1].kind != "answer":
        return outcome
    if turn.profile.rating(turn.now) is not None or not intents.wants_to_buy(text):
        return outcome
    if not any(product.ratings for product in counter.shelf.named(text)):
        return outcome
    return _with(outcome, Buttons((turn.button("test", "start"),), turn.say("need_rating")))


def _with(outcome: Outcome, part: OutPart) -> Outcome:
    last = outcome.messages[-1]
    last = msgspec.structs.replace(last, parts=(*last.parts, part))
    return replace(outcome, messages=(*outcome.messages[:-1], last))
