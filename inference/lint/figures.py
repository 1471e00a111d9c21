"""Figures that must agree: between the two languages of a text, and with the facts it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bot.errors import Problem
from inference.guard.figures import Figure, compatible, find_figures
from inference.lint.finding import Finding
from inference.lint.source import Chapter, Placed, chapters
from inference.retrieval.knowledge import Fact

__all__ = ["check_documents", "check_facts", "check_languages", "fact_figures"]

_DIGIT = re.compile(r"\d")
_STEP = re.compile(r"(?m)^[ \t]*\d{1,2}[.、)）]")
_WORDS = {
    1: r"\bone\b|\ba\b|\ban\b|\bonce\b|\bsingle\b|\bfirst\b|\bnext\b|一|次日|当|同|下|首|每",
    2: r"\btwo\b|\btwice\b|\bboth\b|\bsecond\b|[两二双]",
    3: r"\bthree\b|\bthird\b|三",
    4: r"\bfour\b|四",
    5: r"\bfive\b|五",
    6: r"\bsix\b|六",
    7: r"\bseven\b|七|周|\bweek",
    8: r"\beight\b|八",
    9: r"\bnine\b|九",
    10: r"\bten\b|十",
}
_FREE = re.compile(
    r"免费|不收|免收|不(?:另)?收取|不花钱|不要钱|没有(?:任何)?费|\bfree\b|\bno\b|\bwaive|\bnothing\b"
    r"|n't charge|\bnot charge|without (?:a )?(?:fee|charge)",
    re.IGNORECASE,
)
_COUNTED = frozenset({"number", "amount", "age", "CNY", "day", "month", "day_or_date", "monthday"})


def check_languages(placed: Sequence[Placed]) -> Iterator[Finding]:
    """Figures and numbered steps of an answer that the other language lacks."""
    for item in placed:
        zh, en = item.entry.zh, item.entry.en
        if zh is None or en is None:
            continue
        for message in _differences(zh.answer, en.answer):
            yield Finding(item.problem(message, "en", "answer"), "error")


def check_documents(folder: Path) -> Iterator[Finding]:
    """Sections and their figures that differ between the languages of a document."""
    for path in sorted(folder.glob("documents/[!.]*.zh.md")):
        other = path.with_name(path.name.removesuffix(".zh.md") + ".en.md")
        if not other.exists():
            yield Finding(Problem(str(path), 0, f"isn't there in English; write {other.name}"), "warning")
            continue
        ours, theirs = chapters(path), chapters(other)
        if len(ours) != len(theirs):
            yield Finding(Problem(str(other), 0, _unlike(ours, theirs)), "error")
            continue
        for zh, en in zip(ours, theirs, strict=True):
            for message in _differences(zh.text, en.text):
                yield Finding(en.problem(message), "error")
    for path in sorted(folder.glob("documents/[!.]*.en.md")):
        if not path.with_name(path.name.removesuffix(".en.md") + ".zh.md").exists():
            yield Finding(Problem(str(path), 0, "isn't there in Chinese; write the .zh.md"), "warning")


def _unlike(ours: Sequence[Chapter], theirs: Sequence[Chapter]) -> str:
    return (
        f"has {len(theirs)} sections where the Chinese text has {len(ours)}; give both the same headings "
        f"(zh: {', '.join(chapter.path[-1] for chapter in ours)})"
    )


def _differences(zh: str, en: str) -> Iterator[str]:
    """What the figures of two languages of one text disagree on, each side's surplus in one message."""
    ours, theirs = _written(zh), _written(en)
    for here, found, other_text, missing in (
        ("zh", ours, en, _missing(ours, find_figures(en), en)),
        ("en", theirs, zh, _missing(theirs, find_figures(zh), zh)),
    ):
        if missing and found and other_text:
            there = "en" if here == "zh" else "zh"
            named = ", ".join(figure.text.strip() for figure in missing)
            yield f"only the {here} text says {named}; say it in {there} too, or in neither"
    ours_count, theirs_count = len(_STEP.findall(zh)), len(_STEP.findall(en))
    if ours_count != theirs_count:
        yield f"{ours_count} numbered steps in zh, {theirs_count} in en; give both the same"


def _written(text: str) -> list[Figure]:
    """Figures that are written with digits: those that matter by the writing rules."""
    return [figure for figure in find_figures(text) if not figure.implicit and _DIGIT.search(figure.text)]


def _missing(figures: Sequence[Figure], others: Sequence[Figure], text: str) -> list[Figure]:
    return [figure for figure in figures if not _said(figure, others, text)]


def _said(figure: Figure, others: Sequence[Figure], text: str) -> bool:
    """Whether a text says a figure: exactly, as a count with another noun, or in a small number word."""
    if any(compatible(figure, other) or compatible(other, figure) for other in others):
        return True
    loose = figure.kind in {"number", "age", "amount", "monthday", "day_or_date"}
    if loose and any(other.value == figure.value and other.kind in _COUNTED for other in others):
        return True
    count = figure.value / figure.factor if not isinstance(figure.value, str | tuple) else None
    # "aged 16", "the 20th day after": a count whose unit is said apart from it.
    if any(other.kind in {"number", "age", "monthday"} and other.value == count for other in others):
        return True
    words = _WORDS.get(int(count)) if count is not None and count.denominator == 1 and count <= 10 else None
    return words is not None and re.search(words, text, re.IGNORECASE) is not None


# ── facts ────────────────────────────────────────────────────────────────────────────────────────

_UNIT_TEXT = {
    "percent": "{}%",
    "basis_points": "{} bps",
    "CNY": "CNY {}",
    "USD": "USD {}",
    "HKD": "HKD {}",
    "business_days": "{} business days",
    "days": "{} days",
    "day_of_month": "{}日",
    "hours": "{} hours",
    "minutes": "{} minutes",
    "months": "{} months",
    "years": "{} years",
    "weeks": "{} weeks",
    "phone": "{}",
    "url": "{}",
    "email": "{}",
    "time": "{}",
}


def fact_figures(fact: Fact) -> tuple[Figure, ...]:
    """The figures that state a fact (two for a range such as 9:00-17:00)."""
    value = (
        f"{fact.value:,}" if isinstance(fact.value, int) and fact.unit in {"CNY", "USD"} else str(fact.value)
    )
    return tuple(
        figure
        for figure in find_figures(_UNIT_TEXT.get(fact.unit, "{}").format(value))
        if not figure.implicit
    )


def check_facts(placed: Sequence[Placed], facts: Mapping[str, Fact]) -> Iterator[Finding]:
    """Facts that an entry names but whose value its answer doesn't state."""
    figures = {key: fact_figures(fact) for key, fact in facts.items()}
    for item in placed:
        for number, key in enumerate(item.entry.facts):
            fact = facts.get(key)
            if fact is None:
                continue
            for language, wording in item.wordings():
                missing = [figure for figure in figures[key] if not _states(figure, fact, wording.answer)]
                if missing:
                    message = _unstated(key, fact, missing, wording.answer)
                    yield Finding(item.problem(f"the {language} answer {message}", "facts", number), "error")


def _states(figure: Figure, fact: Fact, text: str) -> bool:
    if fact.value == 0 and _FREE.search(text):
        return True
    return _said(figure, find_figures(text), text)


def _unstated(key: str, fact: Fact, missing: Sequence[Figure], text: str) -> str:
    kinds = {figure.kind for figure in missing}
    instead = sorted(
        {figure.text.strip() for figure in find_figures(text) if figure.kind in kinds and not figure.implicit}
    )
    says = f"says {', '.join(instead)}" if instead else "doesn't say so"
    return f"names {key} = {fact.value} {fact.unit} but {says}; state that value, or leave the fact out"
