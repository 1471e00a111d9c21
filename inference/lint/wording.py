"""What an answer may not say, and what an entry should have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from bot.errors import Problem
from bot.types import Language
from inference.guard.figures import Figure, compatible, find_figures
from inference.guard.promises import find_promise
from inference.lint.figures import fact_figures
from inference.lint.finding import Finding
from inference.lint.source import Placed, chapters
from inference.retrieval.knowledge import Fact

__all__ = ["check_addresses", "check_completeness", "check_promises"]

FEWEST_PARAPHRASES = {"zh": 7, "en": 5}
LONGEST = {"zh": 600, "en": 2400}
"""Characters of an answer above which it is long for a chat."""

_ADDRESSES = frozenset({"phone", "url", "email"})
_CALL = re.compile(
    r"(?:拨打?|致电|打|电话|热线|专线|\bcall|\bdial|\bphone|\bline|\bhotline|\bon|\btext"
    r"|报警)[ ：:“\"(（]*$",
    re.IGNORECASE,
)

Report = Callable[[str], Problem]


def check_completeness(placed: Sequence[Placed]) -> Iterator[Finding]:
    """A language that is missing, few paraphrases, an answer too long for a chat."""
    for item in placed:
        for language, wording in (("zh", item.entry.zh), ("en", item.entry.en)):
            if wording is None:
                yield Finding(item.problem(f"isn't there in {language}; write it"), "warning")
                continue
            count, fewest = len(wording.paraphrases), FEWEST_PARAPHRASES[language]
            if count < fewest:
                message = f"has {count} paraphrases in {language}; {fewest} make it easier to find"
                yield Finding(item.problem(message, language, "question"), "warning")
            if len(wording.answer) > LONGEST[language]:
                length = f"{len(wording.answer)} characters; {LONGEST[language]} are long for a chat"
                message = f"the {language} answer has {length}"
                yield Finding(item.problem(message, language, "answer"), "warning")


def check_promises(placed: Sequence[Placed], folder: Path) -> Iterator[Finding]:
    """Promises about investments that a bank may not make."""
    for report, text in _texts(placed, folder):
        promise = find_promise(text)
        if promise:
            yield Finding(report(f"promises {promise!r}; say what is true of the risk instead"), "error")


def check_addresses(placed: Sequence[Placed], folder: Path, facts: Mapping[str, Fact]) -> Iterator[Finding]:
    """Telephone numbers, web and e-mail addresses that no fact knows: a wrong one is dangerous."""
    known = [figure for fact in facts.values() if fact.unit in _ADDRESSES for figure in fact_figures(fact)]
    for report, text in _texts(placed, folder):
        for figure in find_figures(text):
            if _is_address(figure, text) and not any(_same_address(figure, other) for other in known):
                message = "is in no fact; correct it, or add it to facts/ with unit phone, url or email"
                yield Finding(report(f"{figure.text.strip()} {message}"), "error")


def _is_address(figure: Figure, text: str) -> bool:
    if figure.kind in _ADDRESSES:
        return True
    dialled = figure.kind == "number" and figure.bare and re.fullmatch(r"\d{3,6}", figure.text) is not None
    return dialled and _CALL.search(text, 0, figure.start) is not None


def _same_address(figure: Figure, known: Figure) -> bool:
    if compatible(figure, known):
        return True
    if figure.kind != "url" or known.kind != "url":
        return False
    # A page of a known site, with or without https://.
    site = str(known.value).partition("://")[-1]
    page = str(figure.value)
    return any(page == base or page.startswith(f"{base}/") for base in (str(known.value), site))


def _at_answer(item: Placed, language: Language, message: str) -> Problem:
    return item.problem(message, language, "answer")


def _texts(placed: Sequence[Placed], folder: Path) -> Iterator[tuple[Report, str]]:
    """All texts that a customer may be shown, each with a maker of problems at its place."""
    for item in placed:
        for language, wording in item.wordings():
            yield partial(_at_answer, item, language), wording.answer
    for path in sorted(folder.glob("documents/[!.]*.md")):
        for chapter in chapters(path):
            yield chapter.problem, chapter.text
