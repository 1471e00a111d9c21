"""`teller kb lint`: what a knowledge folder says wrongly, twice, or in one language only."""

from __future__ import annotations

from pathlib import Path

from bot.errors import ConfigError
from inference.lint.figures import check_documents, check_facts, check_languages
from inference.lint.finding import Finding, Severity
from inference.lint.injection import check_injection
from inference.lint.questions import check_questions
from inference.lint.source import entries
from inference.lint.wording import check_addresses, check_completeness, check_promises
from inference.retrieval.knowledge import load_knowledge

__all__ = ["Finding", "Severity", "lint"]


def lint(knowledge_folder: Path) -> list[Finding]:
    """Everything to mend in a knowledge folder, by file and line; errors are what would mislead a customer.

    What keeps the folder from being loaded at all (unknown keys and facts, ids that occur twice, dangling
    `related`) comes alone, since nothing else can be judged before it is mended.
    """
    try:
        knowledge = load_knowledge(knowledge_folder)
    except ConfigError as error:
        return [Finding(problem, "error") for problem in error.problems]
    placed = entries(knowledge_folder)
    findings = [
        *check_completeness(placed),
        *check_questions(placed),
        *check_languages(placed),
        *check_documents(knowledge_folder),
        *check_facts(placed, knowledge.facts),
        *check_promises(placed, knowledge_folder),
        *check_injection(placed, knowledge_folder),
        *check_addresses(placed, knowledge_folder, knowledge.facts),
    ]
    return sorted(
        findings, key=lambda finding: (finding.problem.file, finding.problem.line, finding.problem.message)
    )
