"""Runs the examples that every rule carries: what must fire it does, what must not doesn't."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from inference.rules.conditions import EvaluationError
from inference.rules.engine import RuleEngine
from inference.rules.facts import Value, facts_of_context
from inference.rules.loader import Rule, RuleSet
from inference.rules.schema import ExampleIn

__all__ = ["Failure", "run_examples"]


@dataclass(frozen=True, slots=True)
class Failure:
    rule: str
    where: str
    text: str
    wanted: bool
    """Whether it should have fired."""
    error: str = ""
    """Why its condition couldn't be evaluated."""

    def __str__(self) -> str:
        if self.error:
            return f"{self.where}: {self.rule} can't be evaluated ({self.error}): {self.text!r}"
        should = "should fire but doesn't" if self.wanted else "fires but shouldn't"
        return f"{self.where}: {self.rule} {should}: {self.text!r}"


def run_examples(rules: RuleSet, only: str = "") -> tuple[int, list[Failure]]:
    """(how many examples were run, those that failed); `only`: the beginning of the rules' ids.

    Drafts and rules that aren't in force yet are run too, on a day when they are.
    """
    engine = RuleEngine(rules)
    count, failures = 0, []
    for rule in rules.rules:
        if not rule.id.startswith(only) or rule.spec.status == "retired":
            continue
        for example, wanted in _examples(rule):
            count += 1
            try:
                if _fires(engine, rule, example) != wanted:
                    failures.append(Failure(rule.id, rule.where, example.text, wanted))
            except EvaluationError as error:
                failures.append(Failure(rule.id, rule.where, example.text, wanted, str(error)))
    return count, failures


def _examples(rule: Rule) -> Iterator[tuple[ExampleIn, bool]]:
    for example in rule.spec.tests.fire:
        yield example, True
    for example in rule.spec.tests.quiet:
        yield example, False


def _fires(engine: RuleEngine, rule: Rule, example: ExampleIn) -> bool:
    facts: dict[str, Value] = {**facts_of_context(example.context), **example.facts}
    now = datetime.now(UTC)
    memory: dict[str, object] = {}
    for n, earlier in enumerate(example.before):
        at = now - timedelta(seconds=10 * (len(example.before) - n))
        memory = engine.remember(earlier, memory, at)
    return engine.fires(rule, example.text, facts=facts, memory=memory, now=now)
