"""The rule set's speed on one core: ordinary questions and written risk cases, against a naive loop of `re`
patterns over the same words, and against `rule-engine` evaluating the same conditions on the same facts.

python -m benchmarks.rules [--seconds 3]
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inference.evaluation.risk import read_cases
from inference.retrieval.knowledge import load_knowledge
from inference.rules import RuleEngine, RuleSet, load_rules
from inference.rules.folding import fold
from inference.rules.terms import read_term

CASES = Path("inference/training/data/risk")


def rate(work: Callable[[str], object], texts: Sequence[str], seconds: float) -> float:
    """Texts a second of processor time."""
    for text in texts[:50]:
        work(text)
    count, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        for text in texts[count % 7 :: 7]:
            work(text)
            count += 1
    return round(count / (time.process_time() - started), 1)


def naive(rules: RuleSet) -> Callable[[str], object]:
    """One compiled pattern for each written word, tried one after the other: what a first version would do."""
    patterns: list[tuple[str, re.Pattern[str]]] = []
    for name, concept in rules.concepts.items():
        for written in (*concept.zh, *concept.en):
            for term in read_term(written):
                places = (
                    "(?:" + "|".join(re.escape(p.text) for p in slot.parts) + ")" for slot in term.slots
                )
                patterns.append((name, re.compile(".{0,16}?".join(places))))
    return lambda text: {name for name, pattern in patterns if pattern.search(fold(text))}


def by_rule_engine(engine: RuleEngine) -> Callable[[str], object] | None:
    """The same conditions in `rule-engine`, over the facts that ours are evaluated on."""
    try:
        import rule_engine
    except ImportError:
        return None

    def plain(text: str) -> str:
        text = re.sub(
            r"\b(said|denied|recently|is|amount|payee|customer|product|chat|text|pii)\.(\w+)", r"\1_\2", text
        )
        return (
            text.replace("&&", " and ")
            .replace("||", " or ")
            .replace("!=", "≠")
            .replace("!", " not ")
            .replace("≠", "!=")
        )

    rules = [rule for rule in engine.rules.rules if "is." not in rule.spec.when]
    compiled = []
    for rule in rules:
        try:
            compiled.append((rule, rule_engine.Rule(plain(rule.spec.when))))
        except rule_engine.errors.EngineError:
            continue

    def work(text: str) -> object:
        facts = engine.explain(text)["facts"]
        given = {name.replace(".", "_"): value for name, value in facts.items()}
        fired = []
        for rule, one in compiled:
            defaults: dict[str, Any] = {name.replace(".", "_"): False for name in rule.condition.names}
            try:
                if one.matches(defaults | given):
                    fired.append(rule.id)
            except rule_engine.errors.EngineError:
                continue
        return fired

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    rules = load_rules(Path("config/rules"), today=datetime.now(UTC).date())
    engine = RuleEngine(rules)
    now = datetime.now(UTC)
    knowledge = load_knowledge(Path("config/knowledge"))
    ordinary = [
        item.questions[0] for language in ("zh", "en") for item in knowledge.items(language) if item.questions
    ]  # type: ignore[arg-type]
    cases = [case.text for path in sorted(CASES.glob("*.jsonl")) for case in read_cases(path)]
    report: dict[str, Any] = {"rules": len(rules.rules), "words": rules.lexicon.size}
    for name, texts in (("ordinary", ordinary), ("cases", cases)):
        ours = rate(lambda text: engine.assess(text, now=now), texts, options.seconds)
        loop = rate(naive(rules), texts[:200], options.seconds)
        report[name] = {
            "characters": round(sum(map(len, texts)) / len(texts), 1),
            "msgs_per_s": ours,
            "naive_re_msgs_per_s": loop,
            "ratio_to_naive": round(ours / loop, 1),
        }
    other = by_rule_engine(engine)
    if other is not None:
        report["rule_engine_msgs_per_s"] = rate(other, cases, options.seconds)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
