"""`teller eval risk`: the rules against labelled messages."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from bot.errors import ConfigError, Problem
from bot.types import Assessment, RiskAction
from inference.evaluation.jsonl import Fields, read_rows, without_nulls
from inference.privacy import find
from inference.rules.engine import RuleEngine
from inference.rules.facts import facts_of_context

__all__ = ["RiskCase", "evaluate_risk", "read_cases"]

Raised = Callable[[str, Assessment], Assessment]
STRICT = ("block", "escalate")
ROUNDS_S = 2.0
"""Seconds for which the rules' speed is measured."""


class RiskCase(msgspec.Struct, frozen=True):
    """One labelled message. Other keys of its line are ignored."""

    text: str
    expected_action: RiskAction
    acceptable: tuple[RiskAction, ...] = ()
    hard_negative: bool = False
    context: dict[str, Any] = {}
    before: tuple[str, ...] = ()
    """Earlier messages of the same customer, oldest first."""
    id: str = ""
    category: str = ""
    family: str = ""
    """Siblings that must stay on one side of a split."""


def read_cases(path: Path) -> list[RiskCase]:
    """Read JSONL. Raises ConfigError with the lines that can't be read, or for a file without cases."""
    cases = read_rows(path, _case)
    if not cases:
        raise ConfigError([Problem(str(path), 0, "holds no cases")])
    return cases


def _case(fields: Fields) -> RiskCase:
    case = msgspec.convert(without_nulls(fields), RiskCase)
    try:
        facts_of_context(case.context)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"context: {error}") from None
    return case


def evaluate_risk(
    engine: RuleEngine, cases: Sequence[RiskCase], raised: Raised | None = None, *, failures: bool = False
) -> dict[str, Any]:
    """Metrics over all cases.

    Args:
        raised: what the classifier makes of a message and its assessment; None leaves it out.

    Returns:
        `exact`: share with the expected action; `score`: mean of 1 for that and 0.5 for an acceptable one;
        `critical_misses`: block or escalate expected, none given; `critical_false_alarms`: hard negatives
        that were blocked or escalated; `msgs_per_s`: messages the rules alone handle on one core;
        with `failures`, each case that isn't exact.
    """
    found = [_assess(engine, case) for case in cases]
    raises = 0
    if raised is not None:
        by_rules, found = found, [raised(case.text, a) for case, a in zip(cases, found, strict=True)]
        raises = sum(a.action != b.action for a, b in zip(by_rules, found, strict=True))
    exact = [a.action == c.expected_action for a, c in zip(found, cases, strict=True)]
    points = [
        1.0 if a.action == c.expected_action else 0.5 if a.action in c.acceptable else 0.0
        for a, c in zip(found, cases, strict=True)
    ]
    confusion = Counter(
        f"{c.expected_action}->{a.action}"
        for a, c in zip(found, cases, strict=True)
        if a.action != c.expected_action
    )
    report: dict[str, Any] = {
        "cases": len(cases),
        "exact": round(sum(exact) / len(cases), 4),
        "score": round(sum(points) / len(cases), 4),
        "critical_misses": sum(
            c.expected_action in STRICT and a.action == "none" for a, c in zip(found, cases, strict=True)
        ),
        "critical_false_alarms": sum(
            c.hard_negative and a.action in STRICT for a, c in zip(found, cases, strict=True)
        ),
        "confusion": dict(confusion.most_common()),
        "raised_by_classifier": raises,
        "rules": len(engine.rules.rules),
        "msgs_per_s": _speed(engine, cases),
    }
    if failures:
        report["failures"] = [
            {
                "id": case.id,
                "text": case.text,
                "expected": case.expected_action,
                "acceptable": list(case.acceptable),
                "given": assessment.action,
                "rules": [rule.id for rule in assessment.rules],
            }
            for assessment, case, right in zip(found, cases, exact, strict=True)
            if not right
        ]
    return report


def _assess(engine: RuleEngine, case: RiskCase) -> Assessment:
    now = datetime.now(UTC)
    memory: dict[str, Any] = {}
    for n, earlier in enumerate(case.before):
        memory = engine.remember(earlier, memory, now - timedelta(seconds=20 * (len(case.before) - n)))
    pasted = {span.type for span in find(case.text)}
    facts = facts_of_context(case.context)
    return engine.assess(case.text, facts=facts, pasted=pasted, memory=memory, now=now)


def _speed(engine: RuleEngine, cases: Sequence[RiskCase]) -> float:
    """Messages a second, facts given, on the core this runs on."""
    prepared = [(case.text, facts_of_context(case.context)) for case in cases]
    now, count = datetime.now(UTC), 0
    started = time.perf_counter()
    while time.perf_counter() - started < ROUNDS_S:
        for text, facts in prepared:
            engine.assess(text, facts=facts, now=now)
        count += len(prepared)
    return round(count / (time.perf_counter() - started), 1)
