"""The rules that come with Teller: each in both directions, with a source, and approved by two people."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.rules import RuleSet, load_rules
from inference.rules.approvals import approved_digests
from inference.rules.examples import run_examples
from tests.make import NOON

FOLDER = Path(__file__).parents[3] / "config" / "rules"


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules(FOLDER, today=NOON.date())


def test_every_example_comes_out_as_written(rules: RuleSet) -> None:
    count, failures = run_examples(rules)
    assert failures == []
    assert count > 1000


def test_every_rule_says_where_it_comes_from_and_is_shown_firing_and_quiet(rules: RuleSet) -> None:
    active = [rule.spec for rule in rules.rules if rule.spec.status == "active"]
    assert len(active) >= 120
    for spec in active:
        assert spec.source.strip(), spec.id
        assert spec.tests.fire, spec.id
        assert spec.tests.quiet, spec.id


def test_every_active_rule_has_been_approved_by_two_people(rules: RuleSet) -> None:
    approved = approved_digests(FOLDER)
    assert [item.id for item in rules.to_approve() if item.digest not in approved] == []
