"""Finding personal data held against marked texts, by exact position."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from inference.evaluation.jsonl import Fields, read_rows
from inference.privacy import Span, find

__all__ = ["Case", "evaluate_pii", "load_cases", "score"]


class Mark(msgspec.Struct, frozen=True):
    """A marked stretch of personal data, in code points of the raw text."""

    start: int
    end: int
    type: str


class Case(msgspec.Struct, frozen=True):
    """One text, what should be found in it, and strings nothing of which may be found."""

    text: str
    spans: tuple[Mark, ...] = ()
    must_not_match: tuple[str, ...] = ()


def load_cases(path: Path) -> list[Case]:
    """The cases of a JSONL file. Raises ConfigError with the lines that aren't cases."""
    return read_rows(path, _case)


def _case(fields: Fields) -> Case:
    try:
        case = msgspec.convert(fields, Case)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}; expected text, spans[{{start, end, type}}]") from None
    if any(not 0 <= mark.start < mark.end <= len(case.text) for mark in case.spans):
        raise ValueError("a span lies outside the text; count in code points")
    return case


def evaluate_pii(path: Path, *, failures: bool = False) -> dict[str, Any]:
    """Score `find` over a file; see `score` for the figures."""
    cases = load_cases(path)
    for case in cases[:50]:
        find(case.text)  # loads what is loaded at first use
    began = time.perf_counter()
    found = [find(case.text) for case in cases]
    seconds = time.perf_counter() - began
    report = score(cases, found)
    report["msgs_per_s"] = round(len(cases) / seconds) if cases else 0
    if failures:
        report["failures"] = [
            {
                "text": case.text,
                "missed": sorted(_shown(case.text, case.spans) - _shown(case.text, spans)),
                "wrong": sorted(_shown(case.text, spans) - _shown(case.text, case.spans)),
            }
            for case, spans in zip(cases, found, strict=True)
            if _positions(case.spans) != _positions(spans)
        ]
    return report


def score(cases: Sequence[Case], found: Sequence[Sequence[Span]]) -> dict[str, Any]:
    """Precision, recall and F1 by exact position; by type where the type matches too.

    `false_positives_on_must_not_match` counts spans that touch a `must_not_match` string.
    """
    right = wrong = missed = forbidden = 0
    by_type: dict[str, Counter[str]] = {}
    for case, spans in zip(cases, found, strict=True):
        wanted, got = _positions(case.spans), _positions(spans)
        right += len(wanted & got)
        wrong += len(got - wanted)
        missed += len(wanted - got)
        typed_wanted = {(mark.start, mark.end, mark.type) for mark in case.spans}
        typed_got = {(span.start, span.end, str(span.type)) for span in spans}
        for verdict, marks in (
            ("right", typed_wanted & typed_got),
            ("wrong", typed_got - typed_wanted),
            ("missed", typed_wanted - typed_got),
        ):
            for _, _, kind in marks:
                by_type.setdefault(kind, Counter())[verdict] += 1
        forbidden += sum(
            any(span.start < end and start < span.end for start, end in _places(case))
            for span in spans
            if (span.start, span.end) not in wanted
        )
    return {
        **_figures(right, wrong, missed),
        "cases": len(cases),
        "false_positives_on_must_not_match": forbidden,
        "by_type": {
            kind: {**_figures(n["right"], n["wrong"], n["missed"]), "n": n["right"] + n["missed"]}
            for kind, n in sorted(by_type.items())
        },
    }


def compare(cases: Sequence[Case], ways: Mapping[str, Callable[[str], Sequence[Span]]]) -> dict[str, Any]:
    """`score` of several finders over the same cases, with their speed."""
    report = {}
    for name, way in ways.items():
        for case in cases[:50]:
            way(case.text)
        began = time.perf_counter()
        found = [way(case.text) for case in cases]
        seconds = time.perf_counter() - began
        report[name] = {**score(cases, found), "msgs_per_s": round(len(cases) / seconds)}
    return report


def _figures(right: int, wrong: int, missed: int) -> dict[str, float]:
    precision = right / (right + wrong) if right + wrong else 1.0
    recall = right / (right + missed) if right + missed else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}


def _positions(marks: Iterable[Mark | Span]) -> set[tuple[int, int]]:
    return {(mark.start, mark.end) for mark in marks}


def _shown(text: str, marks: Iterable[Mark | Span]) -> set[str]:
    return {json.dumps([mark.type, text[mark.start : mark.end]], ensure_ascii=False) for mark in marks}


def _places(case: Case) -> list[tuple[int, int]]:
    places = []
    for needle in case.must_not_match:
        at = case.text.find(needle) if needle else -1
        while at >= 0:
            places.append((at, at + len(needle)))
            at = case.text.find(needle, at + 1)
    return places
