"""The rule engine: a message in, what must be done about it out. Deterministic, no model, no network.

    fold ─► concepts (one Aho-Corasick pass, and one by sound) ─► facts ─► conditions (CEL) of the rules
    that any of these facts could fire ─► the strictest action

A rule is evaluated only if its gate (`inference.rules.gate`) is open: some fact that it needs differs from
"nothing known". With all facts at that value no condition is true (the loader has tried).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from bot.types import Assessment, Fired, RiskAction
from inference.rules.amounts import find_amounts
from inference.rules.facts import Value, facts_of_kinds, money_facts
from inference.rules.folding import fold, trace
from inference.rules.lexicon import QUESTION, Found, Span
from inference.rules.schema import ACTIONS

if TYPE_CHECKING:
    from inference.rules.loader import Rule, RuleSet

__all__ = ["Memory", "RuleEngine"]

Memory = Mapping[str, Any]
"""What is kept of a conversation between messages; plain JSON. Empty at its start."""

WINDOW_S = 1800.0
"""How long something said counts as recent."""
JOIN_S = 180.0
"""How long after a message the next one may go on with its sentence."""
TAIL = 24
"""Characters of a message that the next one may go on from."""
_ASKED = f"said.{QUESTION}"
_LONG_NUMBER = re.compile(r"\d{4,}")
_ORDER = {action: n for n, action in enumerate(ACTIONS)}
_RAW_LIMIT = 8000
"""Characters of a message that are read."""


class RuleEngine:
    """Runs one rule set.

    Args:
        rules: the compiled set.
        approved: digests of the rules that two people have approved; None approves all (tools, tests).
            An active rule that isn't approved, and every draft, only runs in the shadow.
        jurisdiction: where the bank is; rules of others aren't run.
    """

    def __init__(
        self, rules: RuleSet, *, approved: frozenset[str] | None = None, jurisdiction: str = "CN"
    ) -> None:
        self.rules = rules
        self.approved = approved
        self._lexicon = rules.lexicon
        self._candidates: dict[str, list[int]] = {}
        self._rules = [
            rule
            for rule in rules.rules
            if rule.spec.status != "retired"
            and (jurisdiction in rule.spec.jurisdiction or "ALL" in rule.spec.jurisdiction)
        ]
        self._shadow = [not self._is_live(rule) for rule in self._rules]
        self._named = {rule.id: _concepts_of(rule) for rule in self._rules}
        recalled = set()
        for number, rule in enumerate(self._rules):
            names = set(rule.condition.names)
            # Under the facts of the set that is met least; a fact of the text's own is nearly always there.
            gate = sorted(rule.condition.gate, key=lambda s: (any(n.startswith("text.") for n in s), len(s)))
            for name in gate[0] if gate else names:
                self._candidates.setdefault(name, []).append(number)
            names |= set(rule.unless.names) if rule.unless else set()
            recalled |= {n.removeprefix("recently.") for n in names if n.startswith("recently.")}
        self._recalled = {f"said.{concept}": concept for concept in recalled}
        """Facts that are remembered, with their concepts."""

    @property
    def version(self) -> str:
        return self.rules.version

    def _is_live(self, rule: Rule) -> bool:
        if rule.spec.status != "active":
            return False
        return self.approved is None or rule.digest in self.approved

    def unapproved(self) -> list[Rule]:
        """Active rules that only run in the shadow, since two people haven't approved them."""
        return [r for r in self._rules if r.spec.status == "active" and not self._is_live(r)]

    def acting(self) -> list[Rule]:
        """The rules that act rather than run in the shadow."""
        return [rule for rule, shadow in zip(self._rules, self._shadow, strict=True) if not shadow]

    # ── one message ──

    def assess(
        self,
        text: str,
        *,
        facts: Mapping[str, Value] | None = None,
        pasted: Iterable[str] = (),
        memory: Memory | None = None,
        now: datetime | None = None,
        kept: str | None = None,
    ) -> Assessment:
        """What a message calls for.

        Args:
            text: the message, personal data masked or not.
            facts: what else is known (`inference.rules.facts`).
            pasted: kinds of personal data in it (`inference.privacy`).
            memory: the last assessment's `memory` in this conversation.
            kept: the text as its end may be remembered, personal data masked; by default `text`.
        """
        at = now.timestamp() if now else time.time()
        today = now.date() if now else date.today()
        folded = fold(text[:_RAW_LIMIT])
        memory = memory or {}
        tail = memory.get("tail", "") if at - memory.get("at", 0.0) <= JOIN_S else ""
        joined = f"{tail}{folded}"
        given = {**(facts or {}), **facts_of_kinds(pasted)}
        known, found = self._facts(joined, len(tail), folded, given)
        remembered = self._remember(known, folded if kept is None else _end(kept), memory, at)
        get = self._candidates.get
        numbers = {n for name in known for n in get(name, ())}
        shared: dict[str, bool] = {}
        fired: list[tuple[Rule, bool]] = []
        broken: list[Rule] = []
        for number in sorted(numbers):
            rule = self._rules[number]
            try:
                if not rule.condition.holds(known, shared) or not rule.in_force(today):
                    continue
                if rule.unless is None or not rule.unless.holds(known, shared):
                    fired.append((rule, self._shadow[number]))
            except Exception:  # whatever it is: this rule's trouble mustn't take the others' findings along
                if not self._shadow[number]:
                    broken.append(rule)
        return self._assessment(text, len(tail), fired, broken, found, remembered)

    def _facts(
        self, joined: str, tail: int, folded: str, given: Mapping[str, Value]
    ) -> tuple[dict[str, Value], Found]:
        known: dict[str, Value] = {name: value for name, value in given.items() if value}
        found = self._lexicon.find(joined, tail)
        for concept in found.said:
            known[f"said.{concept}"] = True
        for concept in found.denied:
            if concept not in found.said:
                known[f"denied.{concept}"] = True
        for concept in self._lexicon.hear(joined, found.excepted):
            if concept not in found.denied:
                known[f"said.{concept}"] = True
        for name, value in money_facts(find_amounts(folded)).items():
            known.setdefault(name, value)
        known["text.length"] = len(folded)
        if known.pop(_ASKED, False) or "?" in folded:
            known["text.question"] = True
        if folded.isascii():
            known["text.english"] = True
        return known, found

    def _remember(self, known: dict[str, Value], kept: str, memory: Memory, at: float) -> dict[str, Any]:
        """Add `recently.*` to what is known; what to keep for the next message: the end of `kept`, folded."""
        earlier: Mapping[str, float] = memory.get("said", {})
        said = {name: when for name, when in earlier.items() if at - when <= WINDOW_S}
        for name in known.keys() & self._recalled.keys():
            said[self._recalled[name]] = at
        for concept in said:
            known[f"recently.{concept}"] = True
        return {"tail": _LONG_NUMBER.sub("#", kept[-TAIL:]), "at": at, "said": said}

    def _assessment(
        self,
        text: str,
        tail: int,
        fired: Sequence[tuple[Rule, bool]],
        broken: Sequence[Rule],
        read: Found,
        memory: dict[str, Any],
    ) -> Assessment:
        live = [rule for rule, shadow in fired if not shadow]
        live.sort(key=lambda rule: (-_ORDER[rule.spec.action], rule.spec.severity))
        shadow = tuple(rule.id for rule, is_shadow in fired if is_shadow)
        errors = tuple(rule.id for rule in broken)
        if not live:
            # A rule that can't be evaluated must not let a message through: a person looks at it.
            failed: RiskAction = "escalate" if broken else "none"
            return Assessment(
                action=failed,
                shadow=shadow,
                errors=errors,
                memory=memory,
                version=self.version,
                severity="P2" if broken else "",
                department="fraud_risk" if broken else "",
                reason="rule_error" if broken else "",
            )
        spans = _Spans(text, tail, read.said)
        found = tuple(
            Fired(
                rule.id,
                rule.spec.version,
                rule.spec.action,
                rule.spec.reason,
                rule.spec.template,
                spans.of(self._named[rule.id]),
            )
            for rule in live
        )
        first = live[0].spec
        action: RiskAction = first.action
        if broken and _ORDER[action] < _ORDER["escalate"]:
            action = "escalate"
        return Assessment(
            action=action,
            rules=found,
            severity=first.severity,
            department=first.department,
            reason=first.reason,
            template=first.template,
            shadow=shadow,
            errors=errors,
            memory=memory,
            version=self.version,
        )

    def says(self, template: str, language: str, **values: str) -> str:
        """A template's text, filled in."""
        written = self.rules.templates[template]
        return (written.zh if language == "zh" else written.en).format(**values)

    # ── for tools and tests ──

    def remember(self, text: str, memory: Memory, now: datetime) -> dict[str, Any]:
        """The memory after one more message."""
        return self.assess(text, memory=memory, now=now).memory

    def fires(
        self, rule: Rule, text: str, *, facts: Mapping[str, Value], memory: Memory, now: datetime
    ) -> bool:
        """Whether one rule's condition holds for a message, in force or not."""
        at = now.timestamp()
        folded = fold(text[:_RAW_LIMIT])
        tail = memory.get("tail", "") if at - memory.get("at", 0.0) <= JOIN_S else ""
        known, _ = self._facts(f"{tail}{folded}", len(tail), folded, facts)
        self._remember(known, folded, memory, at)
        return rule.condition.holds(known) and not (rule.unless is not None and rule.unless.holds(known))

    def explain(self, text: str, facts: Mapping[str, Value] | None = None) -> dict[str, Any]:
        """How a message is read: its folded text, the facts seen, and what they fired."""
        folded = fold(text[:_RAW_LIMIT])
        known, found = self._facts(folded, 0, folded, facts or {})
        assessment = self.assess(text, facts=facts)
        return {
            "folded": folded,
            "concepts": [
                {"concept": concept, "found": folded[start:end], "negated": negated}
                for negated, places in ((False, found.said), (True, found.denied))
                for concept, spans in places.items()
                for start, end in spans
            ],
            "facts": dict(sorted(known.items())),
            "action": assessment.action,
            "rules": [fired.id for fired in assessment.rules],
            "shadow": list(assessment.shadow),
            "version": self.version,
        }


def _end(text: str) -> str:
    """The end of a text, folded; a little more than `TAIL`, for folding shortens."""
    return fold(text[:_RAW_LIMIT][-4 * TAIL :])


class _Spans:
    """Where in the message as it was written the words stand that fired a rule."""

    def __init__(self, text: str, tail: int, places: Mapping[str, Sequence[Span]]) -> None:
        self._text, self._tail, self._places = text[:_RAW_LIMIT], tail, places
        self._origins: list[int] | None = None

    def of(self, concepts: Iterable[str]) -> tuple[tuple[int, int], ...]:
        """For concepts that a rule names, without those of an earlier message."""
        found = [place for concept in concepts for place in self._places.get(concept, ())]
        if not found:
            return ()
        if self._origins is None:
            self._origins = trace(self._text)[1]
        origins, spans = self._origins, set()
        for begin, stop in found:
            start, end = max(0, begin - self._tail), stop - self._tail
            if 0 < end <= len(origins):
                spans.add((origins[start], origins[end - 1] + 1))
        return tuple(sorted(spans))


def _concepts_of(rule: Rule) -> tuple[str, ...]:
    """What a rule's condition needs to be said."""
    kinds = ("said.", "recently.")
    return tuple({name.split(".", 1)[1] for name in rule.condition.names if name.startswith(kinds)})
