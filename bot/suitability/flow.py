"""Where a customer stands in the questionnaire: plain state, and the steps between."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from bot.suitability.profile import Profile
from bot.suitability.questionnaire import Option, Question, Questionnaire

__all__ = ["PREFIX", "Run", "Step", "chosen", "open_run"]

PREFIX = "suit:"
"""Button values of this part: `suit:<verb>[:<run>[:<question number>:<option id>]]`."""
Step = Literal["intro", "question", "care", "declare", "understood"]
"""Before the first question · at one · an older customer is asked whether to go on here · all answered,
own and true? · an older customer is asked whether the risk is understood."""


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """One walk through the questionnaire; lies in the conversation's state under `suitability`."""

    id: str
    version: str
    at: float
    """Epoch seconds of the last step."""
    step: Step = "intro"
    answers: dict[str, str] = {}
    began: float = 0.0
    """Epoch seconds of the first answer, from which the test counts; 0 before."""
    cared: bool = False
    """An older customer has chosen to go on here."""
    paused: bool = False
    """Something else was asked in between, so a bare number isn't an answer."""

    def plain(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def question(self, questionnaire: Questionnaire) -> Question | None:
        """The first one not answered."""
        return next((q for q in questionnaire.questions if q.id not in self.answers), None)

    def number(self) -> int:
        """1-based number of the question at hand."""
        return len(self.answers) + 1

    def elder(self, questionnaire: Questionnaire, profile: Profile) -> bool:
        """Whether special care is due: by what is on file, or by the age just chosen."""
        for question in questionnaire.questions:
            option = question.option(self.answers.get(question.id, ""))
            if option is not None and option.age_from is not None and option.age_from >= profile.elder_age:
                return True
        return profile.elder


def open_run(state: dict[str, Any], now: datetime, resume_hours: float) -> Run | None:
    """The run in a conversation's state, unless it was left too long ago or can't be read."""
    plain = state.get("suitability")
    if not plain:
        return None
    try:
        run = msgspec.convert(plain, Run)
    except msgspec.ValidationError:
        return None
    if timedelta(seconds=now.timestamp() - run.at) > timedelta(hours=resume_hours):
        return None
    return run


_SPACES = re.compile(r"[\s,，。.、!！?？:：;；“”\"'’]")
_PICK = re.compile(
    r"(?:我)?(?:选|选择|答|option|answer|no\.?|第)?\s*([1-6a-fA-F一二三四五六])\s*(?:个|项|号|吧)?[.。)）]?",
    re.I,
)


def chosen(question: Question, text: str, *, bare: bool) -> Option | None:
    """The option that a typed message names by its words or, with `bare`, by its number or letter."""
    said = _SPACES.sub("", text).lower()
    for option in question.options:
        if said in {_SPACES.sub("", words).lower() for words in (option.text.zh, option.text.en)}:
            return option
    match = _PICK.fullmatch(text.strip()) if bare else None
    if match is None:
        return None
    mark = match[1].lower()
    number = "123456".find(mark) if mark.isdigit() else max("abcdef".find(mark), "一二三四五六".find(mark))
    return question.options[number] if 0 <= number < len(question.options) else None
