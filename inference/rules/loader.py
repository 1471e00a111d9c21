"""Reads a folder of rule files into one rule set, or says everything that is wrong with them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bot.config.source import Document, Where, load_yaml, parse
from bot.errors import ConfigError, Problem
from inference.rules.conditions import Condition, ConditionError, Conditions
from inference.rules.facts import CONCEPTUAL, check_context, check_facts, facts_of_context
from inference.rules.lexicon import Concept, Lexicon
from inference.rules.schema import ConceptIn, RuleIn, RulesFile, TemplateIn
from inference.rules.terms import TermError, read_term

__all__ = ["PLACEHOLDERS", "TEXTS", "Rule", "RuleSet", "SharedTexts", "digest_of", "load_rules"]

TEXTS = "templates.attention"
"""Under this id what the classifier says is approved: templates that no rule uses, named `attention_…`."""
_SPOKEN = "attention_"
PLACEHOLDERS = frozenset({"hotline", "reference", "bank"})
"""What a template may fill in."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that can be run."""

    spec: RuleIn
    condition: Condition
    unless: Condition | None
    where: str
    """file:line"""
    digest: str
    """SHA-256 over all of it but its tests, and over the conditions and concepts it is built on: what two
    people approve. A rule that is retired, or a draft again, has another one than while it was active."""

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def version(self) -> int:
        return self.spec.version

    @property
    def retired(self) -> bool:
        return self.spec.status == "retired"

    def in_force(self, day: date) -> bool:
        spec = self.spec
        return spec.effective_from <= day and (spec.effective_to is None or day <= spec.effective_to)


@dataclass(frozen=True, slots=True)
class SharedTexts:
    """What the classifier says, as one thing that two people approve."""

    where: str
    """file:line of the first of them"""
    digest: str
    id: str = TEXTS
    version: int = 1
    retired: bool = False


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of a folder, compiled together."""

    rules: tuple[Rule, ...]
    lexicon: Lexicon
    templates: Mapping[str, TemplateIn]
    concepts: Mapping[str, ConceptIn]
    version: str
    """Hash of all files."""
    texts: SharedTexts | None = None
    """None if the classifier has no words."""

    def to_approve(self) -> list[Rule | SharedTexts]:
        """All that two people must approve: what acts or is said, and that a rule no longer does."""
        rules = [rule for rule in self.rules if rule.spec.status != "draft"]
        return [*rules, self.texts] if self.texts else [*rules]


def load_rules(folder: Path, *, today: date) -> RuleSet:
    """Read all `*.yaml` under `folder`, files in order of their names.

    Raises:
        ConfigError: everything wrong in any of them: an unknown key or name, a type error, an active
            rule that has expired, a template that is missing, a word that can't be read …
    """
    reader = _Reader(today)
    for path in sorted(folder.rglob("*.yaml")):
        if path.name != "approvals.yaml":
            reader.read(path)
    return reader.finish(folder)


class _Reader:
    def __init__(self, today: date) -> None:
        self._today = today
        self._problems: list[Problem] = []
        self._documents: list[tuple[Document, RulesFile]] = []
        self._seen: dict[tuple[str, str], str] = {("rules", TEXTS): "what the classifier says"}

    def read(self, path: Path) -> None:
        try:
            document = load_yaml(path)
            self._documents.append((document, parse(document, RulesFile)))
        except ConfigError as error:
            self._problems += error.problems

    def finish(self, folder: Path) -> RuleSet:
        concepts: dict[str, ConceptIn] = {}
        shared: dict[str, str] = {}
        templates: dict[str, TemplateIn] = {}
        for document, file in self._documents:
            for name, concept in file.concepts.items():
                if self._first(document, ("concepts", name), name):
                    concepts[name] = self._readable(document, name, concept)
            for name, text in file.conditions.items():
                if self._first(document, ("conditions", name), name):
                    shared[name] = text
            for name, template in file.templates.items():
                if self._first(document, ("templates", name), name):
                    self._check_template(document, name, template)
                    templates[name] = template
        if not self._documents and not self._problems:
            self._problems.append(
                Problem(str(folder), 0, "holds no rules; add *.yaml files or set rules.path")
            )
        conditions = self._conditions(concepts, shared)
        rules: list[Rule] = []
        for document, file in self._documents:
            for n, spec in enumerate(file.rules):
                if self._first(document, ("rules", n, "id"), spec.id, kind="rules") and conditions:
                    rule = self._rule(document, n, spec, conditions, concepts, templates)
                    if rule is not None:
                        rules.append(rule)
        if self._problems or conditions is None:
            raise ConfigError(sorted(self._problems, key=lambda p: (p.file, p.line)))
        lexicon = Lexicon(Concept(name, (*c.zh, *c.en), c.but_not, c.sounds) for name, c in concepts.items())
        version = hashlib.sha256("".join(d.digest for d, _ in self._documents).encode()).hexdigest()[:12]
        return RuleSet(tuple(rules), lexicon, templates, concepts, version, self._texts(templates))

    # ── parts ──

    def _first(self, document: Document, where: Where, name: str, kind: str = "") -> bool:
        """Whether a name is met for the first time in any file."""
        key = (kind or str(where[0]), name)
        here = f"{document.path.name}:{document.line(where)}"
        known = self._seen.setdefault(key, here)
        if known != here:
            self._problem(
                document, where, f"{name!r} is there already ({known}); give one of them another name"
            )
        return known == here

    def _texts(self, templates: Mapping[str, TemplateIn]) -> SharedTexts | None:
        spoken = {name: text.model_dump() for name, text in templates.items() if name.startswith(_SPOKEN)}
        for document, file in self._documents:
            for name in file.templates:
                if name in spoken:
                    return SharedTexts(f"{document.path}:{document.line(('templates', name))}", _hash(spoken))
        return None

    def _readable(self, document: Document, name: str, concept: ConceptIn) -> ConceptIn:
        for field in ("zh", "en", "but_not"):
            for n, word in enumerate(getattr(concept, field)):
                try:
                    read_term(word)
                except TermError as error:
                    self._problem(document, ("concepts", name, field, n), str(error))
        return concept

    def _check_template(self, document: Document, name: str, template: TemplateIn) -> None:
        for language in ("zh", "en"):
            written = getattr(template, language)
            if "{" in (rest := _PLACEHOLDER.sub("", written)) or "}" in rest:
                message = "a { or } stands alone: they belong round the name of what is filled in"
                self._problem(document, ("templates", name, language), message)
            for placeholder in _PLACEHOLDER.findall(written):
                if placeholder not in PLACEHOLDERS:
                    known = ", ".join(f"{{{p}}}" for p in sorted(PLACEHOLDERS))
                    message = f"{{{placeholder}}} can't be filled in; known: {known}"
                    self._problem(document, ("templates", name, language), message)

    def _conditions(self, concepts: Mapping[str, ConceptIn], shared: Mapping[str, str]) -> Conditions | None:
        try:
            conditions = Conditions(concepts, shared)
        except ConditionError as error:
            for document, file in self._documents:
                for name in file.conditions:
                    if f"is.{name} " in str(error):
                        self._problem(document, ("conditions", name), str(error))
            return None
        for document, file in self._documents:
            for name, text in file.conditions.items():
                try:
                    conditions.check(text)
                except ConditionError as error:
                    self._problem(document, ("conditions", name), str(error))
        return None if self._problems else conditions

    def _rule(
        self,
        document: Document,
        n: int,
        spec: RuleIn,
        conditions: Conditions,
        concepts: Mapping[str, ConceptIn],
        templates: Mapping[str, TemplateIn],
    ) -> Rule | None:
        before = len(self._problems)
        compiled: dict[str, Condition] = {}
        for field in ("when", "unless"):
            text = getattr(spec, field)
            if not text:
                continue
            try:
                compiled[field] = conditions.compile(text)
            except ConditionError as error:
                self._problem(document, ("rules", n, field), f"{spec.id}: {error}")
        if spec.template not in templates:
            self._problem(
                document, ("rules", n, "template"), f"{spec.id}: there is no template {spec.template!r}"
            )
        if spec.status == "active" and spec.effective_to is not None and spec.effective_to < self._today:
            message = f"{spec.id} expired on {spec.effective_to}; retire it or set a new date"
            self._problem(document, ("rules", n, "effective_to"), message)
        self._check_examples(document, n, spec)
        if len(self._problems) > before:
            return None
        where = f"{document.path}:{document.line(('rules', n))}"
        names = frozenset[str]().union(*(condition.names for condition in compiled.values()))
        spoken = {name.partition(".")[2] for name in names if name.partition(".")[0] in CONCEPTUAL}
        digest = digest_of(
            spec,
            templates[spec.template],
            conditions.written_out(spec.when, spec.unless),
            {name: concepts[name] for name in spoken},
        )
        return Rule(spec, compiled["when"], compiled.get("unless"), where, digest)

    def _check_examples(self, document: Document, n: int, spec: RuleIn) -> None:
        """A misspelt fact would leave an example that proves nothing."""
        for kind, examples in (("fire", spec.tests.fire), ("quiet", spec.tests.quiet)):
            for at, example in enumerate(examples):
                place: Where = ("rules", n, "tests", kind, at)
                for part, message in check_context(example.context):
                    where, at_key = (*place, "context", *part), message.startswith("unknown")
                    self._problem(document, where, f"{spec.id}: {message}", at_key=at_key)
                try:
                    check_facts(example.facts)
                    facts_of_context(example.context)
                except (ValueError, TypeError, AttributeError) as error:
                    self._problem(document, place, f"{spec.id}: {error}")

    def _problem(self, document: Document, where: Where, message: str, *, at_key: bool = False) -> None:
        self._problems.append(document.problem(where, message, at_key=at_key))


def digest_of(
    spec: RuleIn, template: TemplateIn, shared: Mapping[str, str], concepts: Mapping[str, ConceptIn]
) -> str:
    """What is approved when a rule is: everything it does and says, the conditions and words that it is
    built on included. Without these an approved rule could be emptied by one person."""
    data = spec.model_dump(mode="json", exclude={"tests", "status"}) | {
        "says": template.model_dump(),
        "conditions": dict(shared),
        "concepts": {name: c.model_dump(mode="json", exclude={"about"}) for name, c in concepts.items()},
    }
    # An active rule that one person could retire, or make a draft of, would need no approval to end.
    return _hash(data if spec.status == "active" else data | {"status": spec.status})


def _hash(data: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
