"""How rules are written: the YAML under `config/rules/`. Unknown keys are refused."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from inference.rules.jurisdictions import EVERYWHERE, JURISDICTIONS

__all__ = [
    "ACTIONS",
    "Action",
    "ConceptIn",
    "Department",
    "ExampleIn",
    "RuleIn",
    "RulesFile",
    "Severity",
    "TemplateIn",
]

Action = Literal["block", "escalate", "confirm", "warn", "none"]
ACTIONS: tuple[Action, ...] = ("none", "warn", "confirm", "escalate", "block")
"""From the mildest to the strictest."""
Severity = Literal["P1", "P2", "P3", "P4"]
Department = Literal[
    "branch", "cards", "collections", "compliance", "consumer_protection", "contact_center", "corporate",
    "ebank_it",
    "fraud_risk", "loans", "payments_ops", "pr", "privacy", "retail", "wealth",
]  # fmt: skip
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


def _known(code: str) -> str:
    if code not in JURISDICTIONS:
        raise ValueError(f"is no known country; write a code of ISO 3166-1, such as CN, or {EVERYWHERE}")
    return code


Jurisdiction = Annotated[str, AfterValidator(_known)]
Words = tuple[Annotated[str, Field(min_length=1)], ...]


class Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConceptIn(Written):
    """Words for one thing that can be spoken of (`inference/rules/terms.py` says how they are written)."""

    about: str = ""
    zh: Words = ()
    en: Words = ()
    sounds: bool = False
    """Longer Chinese words are also known by their sound: homophones and typed pinyin."""
    but_not: Words = ()
    """Words that hold one of these and mean something else."""

    @model_validator(mode="after")
    def _has_words(self) -> ConceptIn:
        if not self.zh and not self.en:
            raise ValueError("has no words; list some under zh or en")
        return self


class ExampleIn(Written):
    """A message that must, or must not, fire a rule."""

    text: str = Field(min_length=1)
    before: tuple[str, ...] = ()
    """Earlier messages of the same customer, oldest first."""
    context: dict[str, Any] = {}
    facts: dict[str, bool | int | str] = {}


class Tests(Written):
    fire: tuple[ExampleIn, ...] = Field(min_length=1)
    quiet: tuple[ExampleIn, ...] = Field(min_length=1)

    @field_validator("fire", "quiet", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        """A bare text is an example too."""
        if not isinstance(value, list | tuple):
            return value
        return [{"text": item} if isinstance(item, str) else item for item in value]


class RuleIn(Written):
    id: str = Field(pattern=r"^[a-z0-9_]+(?:\.[a-z0-9_]+)+$")
    version: int = Field(default=1, ge=1)
    status: Literal["draft", "active", "retired"] = "active"
    effective_from: date
    effective_to: date | None = None
    """The last day it holds."""
    jurisdiction: tuple[Jurisdiction, ...] = Field(default=("CN",), min_length=1)
    severity: Severity
    action: Literal["block", "escalate", "confirm", "warn"]
    department: Department
    reason: Name
    """What kind of case this is, for tickets and the digest (a scam type, say)."""
    when: str = Field(min_length=1)
    unless: str = ""
    template: Name
    source: str = Field(min_length=4)
    tests: Tests

    @model_validator(mode="after")
    def _dates(self) -> RuleIn:
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValueError("effective_to lies before effective_from")
        return self


class TemplateIn(Written):
    """What the customer is told, in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class RulesFile(Written):
    """One file. All files make up one rule set."""

    concepts: dict[Name, ConceptIn] = {}
    conditions: dict[Name, str] = {}
    templates: dict[Name, TemplateIn] = {}
    rules: tuple[RuleIn, ...] = ()
