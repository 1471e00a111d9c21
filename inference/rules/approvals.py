"""Two people for every rule that acts: `approvals.yaml` beside the rules says who proposed what and who
approved it. What is approved is a digest of the rule, its status, its template, and the conditions and
concepts that it is built on, so any change needs both again, and so does its end. What the
classifier says is approved as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.config.source import load_yaml, parse
from bot.errors import TellerError

__all__ = [
    "APPROVALS",
    "Approvable",
    "Approval",
    "approve",
    "approved_digests",
    "out_of_force",
    "propose",
    "read_approvals",
    "retired_ids",
]

APPROVALS = "approvals.yaml"
_HEAD = """\
# Written by `teller rules propose` and `teller rules approve`: who proposed each rule that acts, and who else
# approved it. A rule that has changed since (its text, its template, a condition or a concept it is built on)
# only runs in the shadow until both have been done again. To end a rule that acts, retire it the same way.
"""


class Approvable(Protocol):
    """A rule, or what the classifier says."""

    @property
    def id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def retired(self) -> bool: ...


class Approval(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str
    version: int
    status: Literal["active", "retired"] = "active"
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    proposed_by: str = Field(min_length=1)
    proposed_at: str
    approved_by: str = ""
    """Empty: not yet."""
    approved_at: str = ""

    @model_validator(mode="after")
    def _two_people(self) -> Approval:
        if self.approved_by and self.approved_by == self.proposed_by:
            raise ValueError("proposed and approved by the same person; another one must approve")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    approvals: tuple[Approval, ...] = ()


def read_approvals(folder: Path) -> list[Approval]:
    """All approvals of a folder of rules; none if it has no such file. Raises ConfigError."""
    path = folder / APPROVALS
    if not path.exists():
        return []
    return list(parse(load_yaml(path), _File).approvals)


def approved_digests(folder: Path) -> frozenset[str]:
    """Digests that two people have approved."""
    return frozenset(a.digest for a in read_approvals(folder) if a.approved_by)


def retired_ids(approvals: Iterable[Approval]) -> frozenset[str]:
    """Rules that two people have retired; these may be deleted."""
    return frozenset(a.rule for a in approvals if a.approved_by and a.status == "retired")


def out_of_force(approvals: Iterable[Approval], there: Iterable[Approvable]) -> list[str]:
    """Ids that two people have put in force, and that aren't there as they approved them: changed, made a
    draft, retired or deleted since."""
    digests = {item.digest for item in there}
    approved = [a for a in approvals if a.approved_by and a.status == "active"]
    return sorted({a.rule for a in approved} - {a.rule for a in approved if a.digest in digests})


def propose(folder: Path, rules: Sequence[Approvable], by: str, now: datetime) -> list[Approval]:
    """Put rules up for approval; those that already are, or are approved, stay as they are."""
    known = read_approvals(folder)
    digests = {approval.digest for approval in known}
    new = [
        Approval(
            rule=rule.id,
            version=rule.version,
            status="retired" if rule.retired else "active",
            digest=rule.digest,
            proposed_by=by,
            proposed_at=now.isoformat(timespec="seconds"),
        )
        for rule in rules
        if rule.digest not in digests
    ]
    ids = {approval.rule for approval in new}
    # An older proposal of the same rule is replaced; what is in force stays until the new one is approved.
    kept = [a for a in known if a.approved_by or a.rule not in ids]
    if new:
        _write(folder, kept + new)
    return new


def approve(folder: Path, rules: Sequence[Approvable], by: str, now: datetime) -> list[Approval]:
    """Approve what somebody else has proposed.

    Raises:
        TellerError: nothing of it is proposed, or it was proposed by the same person.
    """
    known = read_approvals(folder)
    digests = {rule.digest for rule in rules}
    waiting = [a for a in known if a.digest in digests and not a.approved_by]
    if not waiting:
        raise TellerError("nothing of this waits for approval; run `teller rules propose` first")
    own = sorted(a.rule for a in waiting if a.proposed_by == by)
    if own:
        raise TellerError(f"{by} has proposed {', '.join(own[:5])}; somebody else must approve")
    stamp = {"approved_by": by, "approved_at": now.isoformat(timespec="seconds")}
    done = [approval.model_copy(update=stamp) for approval in waiting]
    ids = {approval.rule for approval in done}
    kept = [a for a in known if a not in waiting and not (a.rule in ids and a.approved_by)]
    _write(folder, kept + done)
    return done


def _write(folder: Path, approvals: list[Approval]) -> None:
    rows = [a.model_dump(exclude_defaults=True) for a in sorted(approvals, key=lambda a: (a.rule, a.version))]
    text = _HEAD + yaml.safe_dump({"approvals": rows}, sort_keys=False, allow_unicode=True, width=120)
    path = folder / APPROVALS
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
