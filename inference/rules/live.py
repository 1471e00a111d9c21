"""The rule set that is running: read again when its files change, and kept when they have become wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import ConfigError, Problem
from bot.types import Assessment, Language
from inference.rules.approvals import Approval, out_of_force, read_approvals, retired_ids
from inference.rules.engine import Memory, RuleEngine
from inference.rules.examples import run_examples
from inference.rules.facts import Value
from inference.rules.loader import Rule, SharedTexts, load_rules

__all__ = ["LiveRules"]

_ASK = "run `teller rules propose`, and somebody else `teller rules approve`"
_ENDED = {"draft": "a draft, which can't be approved: retire it", "retired": "retired without approval"}


class LiveRules:
    """Implements `bot.ports.RiskRules`.

    Raises:
        ConfigError: at construction, if the rules can't be used at all.
    """

    def __init__(self, folder: Path, *, jurisdiction: str) -> None:
        self._folder = folder
        self._jurisdiction = jurisdiction
        self._engine, self._approvals = self._build()

    @property
    def version(self) -> str:
        return self._engine.version

    @property
    def engine(self) -> RuleEngine:
        return self._engine

    def unapproved(self) -> list[str]:
        """Ids of active rules that only run in the shadow, of those that were approved and no longer act (one
        that changed is both), and of the classifier's words if nobody approved them."""
        gone = out_of_force(self._approvals, self._engine.rules.to_approve())
        return sorted(_unapproved(self._engine).union(gone))

    def assess(
        self,
        text: str,
        *,
        facts: Mapping[str, Value],
        pasted: Iterable[str],
        memory: Memory,
        now: datetime,
        kept: str | None = None,
    ) -> Assessment:
        return self._engine.assess(text, facts=facts, pasted=pasted, memory=memory, now=now, kept=kept)

    def says(self, template: str, language: Language, **values: str) -> str:
        return self._engine.says(template, language, **values)

    async def reload(self) -> bool:
        """Read the folder again; whether anything changed.

        Raises:
            ConfigError: it is wrong, an example fails, or what acts or is said would change or end without
                approval; the running set stays.
        """
        engine, approvals = await asyncio.to_thread(self._build)
        if engine.version == self._engine.version and engine.approved == self._engine.approved:
            return False
        await asyncio.to_thread(self._refuse_worse, engine, approvals)
        self._engine, self._approvals = engine, approvals
        return True

    def _build(self) -> tuple[RuleEngine, list[Approval]]:
        rules = load_rules(self._folder, today=datetime.now(UTC).date())
        approvals = read_approvals(self._folder)
        approved = frozenset(approval.digest for approval in approvals if approval.approved_by)
        return RuleEngine(rules, approved=approved, jurisdiction=self._jurisdiction), approvals

    def _refuse_worse(self, engine: RuleEngine, approvals: list[Approval]) -> None:
        _, failures = run_examples(engine.rules)
        problems = [Problem(*_place(f.where), f"{f.rule}: an example fails: {f.text!r}") for f in failures]
        there = {rule.id: rule for rule in engine.rules.rules}
        acts = {rule.id for rule in engine.acting()}
        retired = retired_ids(approvals)
        for old in self._engine.acting():
            new = there.get(old.id)
            if old.id in acts or (old.id in retired if new is None else _is_approved(new, engine)):
                continue
            if new is None:
                what = "was deleted while it acts: put it back with status: retired"
            elif new.spec.status == "active":
                what = "was changed and isn't approved"
            else:
                what = f"acts and was made {_ENDED[new.spec.status]}"
            where = _place(new.where) if new else (str(self._folder), 0)
            problems.append(Problem(*where, f"{old.id} {what}; {_ASK}"))
        old_texts, texts = self._engine.rules.texts, engine.rules.texts
        if texts is None and old_texts is not None:
            problems.append(
                Problem(str(self._folder), 0, f"{old_texts.id}: what the classifier says is gone")
            )
        elif texts and not _is_approved(texts, engine) and texts.digest != (old_texts and old_texts.digest):
            what = "what the classifier says was changed and isn't approved"
            problems.append(Problem(*_place(texts.where), f"{texts.id}: {what}; {_ASK}"))
        if problems:
            raise ConfigError(problems)


def _is_approved(item: Rule | SharedTexts, engine: RuleEngine) -> bool:
    return engine.approved is None or item.digest in engine.approved


def _unapproved(engine: RuleEngine) -> set[str]:
    texts = engine.rules.texts
    rules = {rule.id for rule in engine.unapproved()}
    return rules if texts is None or _is_approved(texts, engine) else rules | {texts.id}


def _place(where: str) -> tuple[str, int]:
    file, _, line = where.rpartition(":")
    return file, int(line)
