"""What the linter reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.errors import Problem

__all__ = ["Finding", "Severity"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and whether it must be mended before the knowledge is served."""

    problem: Problem
    severity: Severity

    def __str__(self) -> str:
        place = f"{self.problem.file}:{self.problem.line}" if self.problem.line else self.problem.file
        return f"{place}: {self.severity}: {self.problem.message}"
