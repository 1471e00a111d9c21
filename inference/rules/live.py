"""The rule set that is running: read again when its files change, and kept when they have become wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import ConfigError, Problem
from bot.types import Assessment, Language
from inference.rules.approvals import approved_digests
from inference.rules.engine import Memory, RuleEngine
from inference.rules.examples import run_examples
from inference.rules.facts import Value
from inference.rules.loader import load_rules

__all__ = ["LiveRules"]


class LiveRules:
    """Implements `bot.ports.RiskRules`.

    Raises:
        ConfigError: at construction, if the rules can't be used at all.
    """

    def __init__(self, folder: Path, *, jurisdiction: str) -> None:
        self._folder = folder
        self._jurisdiction = jurisdiction
        self._engine = self._build()

    @property
    def version(self) -> str:
        return self._engine.version

    @property
    def engine(self) -> RuleEngine:
        return self._engine

    def unapproved(self) -> list[str]:
        """Ids of active rules that only run in the shadow."""
        return [rule.id for rule in self._engine.unapproved()]

    def assess(
        self,
        text: str,
        *,
        facts: Mapping[str, Value],
        pasted: Iterable[str],
        memory: Memory,
        now: datetime,
    ) -> Assessment:
        return self._engine.assess(text, facts=facts, pasted=pasted, memory=memory, now=now)

    def says(self, template: str, language: Language, **values: str) -> str:
        return self._engine.says(template, language, **values)

    async def reload(self) -> bool:
        """Read the folder again; whether anything changed.

        Raises:
            ConfigError: it is wrong, an example fails, or a rule in force was changed without approval;
                the running set stays.
        """
        engine = await asyncio.to_thread(self._build)
        if engine.version == self._engine.version and engine.approved == self._engine.approved:
            return False
        await asyncio.to_thread(self._refuse_worse, engine)
        self._engine = engine
        return True

    def _build(self) -> RuleEngine:
        rules = load_rules(self._folder, today=datetime.now(UTC).date())
        return RuleEngine(rules, approved=approved_digests(self._folder), jurisdiction=self._jurisdiction)

    def _refuse_worse(self, engine: RuleEngine) -> None:
        _, failures = run_examples(engine.rules)
        problems = [Problem(*_place(f.where), f"{f.rule}: an example fails: {f.text!r}") for f in failures]
        acting = {rule.id for rule in self._engine.acting()}
        problems += [
            Problem(
                *_place(rule.where),
                f"{rule.id} was changed and isn't approved: run `teller rules propose`, and somebody else "
                "`teller rules approve`",
            )
            for rule in engine.unapproved()
            if rule.id in acting
        ]
        if problems:
            raise ConfigError(problems)


def _place(where: str) -> tuple[str, int]:
    file, _, line = where.rpartition(":")
    return file, int(line)
