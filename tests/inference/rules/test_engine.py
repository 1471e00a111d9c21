"""The engine: strictness, memory between messages, shadow runs, failing closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inference.rules import RuleEngine
from inference.rules.examples import run_examples
from tests.safe import RULES, engine_of

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> RuleEngine:
    return engine_of(tmp_path)


def test_nothing_fires_on_an_ordinary_question(engine: RuleEngine) -> None:
    found = engine.assess("信用卡丢了怎么办", now=NOW)
    assert (found.action, found.rules, found.severity) == ("none", (), "")


def test_the_strictest_rule_leads_and_all_are_named(engine: RuleEngine) -> None:
    found = engine.assess("我想卖银行卡，钱转了安全账户", now=NOW)
    assert found.action == "block"
    assert [rule.id for rule in found.rules] == ["t.sell", "t.after"]


def test_the_spans_point_at_the_words_as_they_were_written(engine: RuleEngine) -> None:
    text = "他说安 全*帐🔒户"
    [rule] = engine.assess(text, now=NOW).rules
    [(start, end)] = rule.spans
    assert text[start:end] == "安 全*帐🔒户"


def test_a_word_split_over_two_messages_is_found(engine: RuleEngine) -> None:
    first = engine.assess("让我转到安全", now=NOW)
    assert first.action == "none"
    later = NOW + timedelta(seconds=20)
    assert engine.assess("账户", memory=first.memory, now=later).action == "warn"
    much_later = NOW + timedelta(hours=1)
    assert engine.assess("账户", memory=first.memory, now=much_later).action == "none"


def test_memory_keeps_no_long_numbers(engine: RuleEngine) -> None:
    assert "6222" not in str(engine.assess("卡号6222021234567890", now=NOW).memory)


def test_memory_keeps_the_end_as_it_was_masked_and_words_still_join(engine: RuleEngine) -> None:
    first = engine.assess("詹兰英说转到安全", kept="詹**说转到安全", now=NOW)
    assert "兰英" not in str(first.memory)
    later = NOW + timedelta(seconds=20)
    assert engine.assess("账户", memory=first.memory, now=later).action == "warn"
    assert len(engine.assess("好" * 9000, kept="好" * 9000, now=NOW).memory["tail"]) == 24


def test_facts_count_as_words_do(engine: RuleEngine) -> None:
    assert engine.assess("汇到国外", facts={"amount.usd": 1_000_000}, now=NOW).action == "confirm"
    assert engine.assess("把2万美元汇到国外", now=NOW).action == "confirm"
    assert engine.assess("123456", pasted={"OTP"}, now=NOW).action == "warn"


def test_a_rule_that_cant_be_evaluated_fails_closed(tmp_path: Path) -> None:
    broken = RULES.replace("when: said.sell", "when: said.sell && 1 / (amount.cny - amount.cny) > 0")
    engine = engine_of(tmp_path, broken)
    found = engine.assess("我想卖银行卡", now=NOW)
    assert (found.action, found.errors, found.severity) == ("escalate", ("t.sell",), "P2")
    assert engine.assess("你好", now=NOW).errors == ()


class Bursts:
    """A condition that fails as no condition should."""

    def __init__(self, condition: Any) -> None:
        self.names, self.gate = condition.names, condition.gate

    def holds(self, *_: object) -> bool:
        raise RecursionError


def test_a_rule_that_fails_in_any_other_way_takes_no_finding_along(tmp_path: Path) -> None:
    rules = engine_of(tmp_path).rules
    broken = [
        replace(r, condition=Bursts(r.condition)) if r.id == "t.before" else r  # type: ignore[arg-type]
        for r in rules.rules
    ]
    engine = RuleEngine(replace(rules, rules=tuple(broken)))
    found = engine.assess("我想卖银行卡，转到安全账户", now=NOW)
    assert (found.action, found.errors) == ("block", ("t.before",))
    assert [rule.id for rule in found.rules] == ["t.sell"]
    assert engine.assess("转到安全账户", now=NOW).action == "escalate"


def test_drafts_and_unapproved_rules_only_run_in_the_shadow(tmp_path: Path) -> None:
    engine = engine_of(tmp_path / "a", RULES.replace("id: t.sell", "id: t.sell\n    status: draft"))
    found = engine.assess("我想卖银行卡", now=NOW)
    assert (found.action, found.shadow) == ("none", ("t.sell",))
    known = frozenset(r.digest for r in engine.rules.rules if r.id == "t.before")
    half = engine_of(tmp_path / "b", approved=known)
    assert half.assess("安全账户", now=NOW).action == "warn"
    found = half.assess("我想卖银行卡", now=NOW)
    assert (found.action, found.shadow) == ("none", ("t.sell",))
    assert {rule.id for rule in half.unapproved()} == {"t.after", "t.abroad", "t.sell", "t.code"}


def test_rules_of_another_time_or_place_dont_run(tmp_path: Path) -> None:
    future = engine_of(tmp_path / "a", RULES.replace("2020-01-01", "2027-01-01"))
    assert future.assess("安全账户", now=NOW).action == "none"
    elsewhere = engine_of(tmp_path / "b", RULES, jurisdiction="US")
    assert elsewhere.assess("安全账户", now=NOW).action == "none"


def test_the_examples_find_a_rule_that_does_what_it_shouldnt(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    assert run_examples(engine.rules) == (10, [])
    worse = engine_of(tmp_path / "b", RULES.replace("quiet: [买卖]", "quiet: [我想卖银行卡]"))
    count, [failure] = run_examples(worse.rules)
    assert count == 10
    assert not failure.wanted
    assert "t.sell fires but shouldn't" in str(failure)


def test_a_hundred_kilobytes_are_read_in_part(engine: RuleEngine) -> None:
    assert engine.assess("啊" * 100_000 + "安全账户", now=NOW).action == "none"
    assert engine.assess("安全账户" + "啊" * 100_000, now=NOW).action == "warn"
