"""`teller eval complaints`: is it one, which department, how severe; against labelled messages."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.errors import ConfigError, Problem
from inference.complaints.classifier import LEANING, Complaint, Complaints
from inference.complaints.words import DEPARTMENTS, Severity
from inference.evaluation.jsonl import read_rows, without_nulls

__all__ = ["ComplaintCase", "evaluate_complaints", "measure", "read_cases"]

Encode = Callable[[list[str]], NDArray[np.float32]]
Department = Literal[
    "branch", "cards", "collections", "compliance", "consumer_protection", "contact_center", "corporate",
    "ebank_it", "fraud_risk", "loans", "payments_ops", "pr", "privacy", "retail", "wealth",
]  # fmt: skip
_HAN = re.compile("[\u3400-\u9fff]")
_WORD = re.compile("[A-Za-z]{3,}")


class ComplaintCase(msgspec.Struct, frozen=True):
    """One labelled message. Other keys of its line are ignored."""

    text: str
    expected_department: Department
    expected_severity: Severity
    is_complaint: bool = True
    acceptable_departments: tuple[Department, ...] = ()
    id: str = ""
    family: str = ""

    @property
    def language(self) -> str:
        """`zh`, `en`, or `mixed` where both are spoken (an abbreviation or two doesn't make it so)."""
        if not _HAN.search(self.text):
            return "en"
        return "mixed" if len(_WORD.findall(self.text)) >= 2 else "zh"


def read_cases(path: Path) -> list[ComplaintCase]:
    """Read JSONL. Raises ConfigError with the lines that can't be read, or for a file without cases."""
    cases = read_rows(path, lambda fields: msgspec.convert(without_nulls(fields), ComplaintCase))
    if not cases:
        raise ConfigError([Problem(str(path), 0, "holds no cases")])
    assert set(Department.__args__) == set(DEPARTMENTS)  # type: ignore[attr-defined]  # noqa: S101
    return cases


def evaluate_complaints(
    classifier: Complaints,
    cases: Sequence[ComplaintCase],
    encode: Encode | None = None,
    *,
    failures: bool = False,
) -> dict[str, Any]:
    """Metrics over all cases (see `measure`), and `msgs_per_s`: messages classified on one core, the
    encoder's time included.

    Args:
        encode: gives vectors of shape (texts, dimension); None measures the words alone.
    """
    started = time.perf_counter()
    found = [
        classifier.classify(case.text, None if encode is None else encode([case.text])[0]) for case in cases
    ]
    took = time.perf_counter() - started
    report = measure(cases, found, failures=failures)
    rows = report.pop("failures", None)
    report["msgs_per_s"] = round(len(cases) / max(took, 1e-9), 1)
    return report if rows is None else {**report, "failures": rows}


def measure(
    cases: Sequence[ComplaintCase], found: Sequence[Complaint], *, failures: bool = False
) -> dict[str, Any]:
    """Figures of results against labels.

    Returns:
        `department_accuracy`: share with the expected department or an acceptable one, over all cases,
        `department_exact`: with the expected one; `severity_accuracy`: share with the exact severity,
        `severity_too_low`: how many got a lesser one; `is_complaint_f1` with its `precision` and `recall`;
        `by_language`; with `failures`, each case with anything wrong.
    """
    pairs = list(zip(cases, found, strict=True))
    report: dict[str, Any] = {"cases": len(cases), **_figures(pairs)}
    complaints = [pair for pair in pairs if pair[0].is_complaint]
    report["complaints"] = len(complaints)
    report["complaints_only"] = _figures(complaints) if complaints else {}
    report["by_language"] = {}
    for language in ("zh", "en", "mixed"):
        some = [pair for pair in pairs if pair[0].language == language]
        if some:
            report["by_language"][language] = {"cases": len(some), **_figures(some)}
    confusion = Counter(
        f"{c.expected_severity}->{f.severity}" for c, f in pairs if c.expected_severity != f.severity
    )
    report["severity_confusion"] = dict(confusion.most_common())
    if failures:
        report["failures"] = [_failure(c, f) for c, f in pairs if _is_wrong(c, f)]
    return report


def _is_right(case: ComplaintCase, found: Complaint) -> bool:
    return found.department in (case.expected_department, *case.acceptable_departments)


def _is_wrong(case: ComplaintCase, found: Complaint) -> bool:
    return (
        not _is_right(case, found)
        or found.severity != case.expected_severity
        or (found.is_complaint >= LEANING) != case.is_complaint
    )


def _figures(pairs: Sequence[tuple[ComplaintCase, Complaint]]) -> dict[str, Any]:
    count = len(pairs)
    hits = sum(c.is_complaint and f.is_complaint >= LEANING for c, f in pairs)
    given = sum(f.is_complaint >= LEANING for _, f in pairs)
    wanted = sum(c.is_complaint for c, _ in pairs)
    return {
        "department_accuracy": round(sum(_is_right(c, f) for c, f in pairs) / count, 4),
        "department_exact": round(sum(c.expected_department == f.department for c, f in pairs) / count, 4),
        "severity_accuracy": round(sum(c.expected_severity == f.severity for c, f in pairs) / count, 4),
        "severity_too_low": sum(f.severity > c.expected_severity for c, f in pairs),
        "is_complaint_f1": round(2 * hits / max(given + wanted, 1), 4),
        "precision": round(hits / max(given, 1), 4),
        "recall": round(hits / max(wanted, 1), 4),
    }


def _failure(case: ComplaintCase, found: Complaint) -> dict[str, Any]:
    return {
        "id": case.id,
        "text": case.text,
        "expected": [case.expected_department, *case.acceptable_departments],
        "given": found.department,
        "expected_severity": case.expected_severity,
        "severity": found.severity,
        "is_complaint": case.is_complaint,
        "probability": round(found.is_complaint, 3),
        "reasons": list(found.reasons),
    }
