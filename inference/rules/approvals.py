"""Two people for every rule that acts: `approvals.yaml` beside the rules says who proposed what and who
approved it. What is approved is a digest of the rule, its template, and the conditions and concepts that it
is built on, so any change needs both again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.config.source import load_yaml, parse
from bot.errors import TellerError
from inference.rules.loader import Rule

__all__ = ["APPROVALS", "Approval", "approve", "approved_digests", "propose", "read_approvals"]

APPROVALS = "approvals.yaml"
_HEAD = """\
# Written by `teller rules propose` and `teller rules approve`: who proposed each rule that acts, and who else
# approved it. A rule that has changed since (its text, its template, a condition or a concept it is built on)
# only runs in the shadow until both have been done again.
"""


class Approval(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str
    version: int
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


def propose(folder: Path, rules: list[Rule], by: str, now: datetime) -> list[Approval]:
    """Put rules up for approval; those that already are, or are approved, stay as they are."""
    known = read_approvals(folder)
    digests = {approval.digest for approval in known}
    new = [
        Approval(
            rule=rule.id,
            version=rule.spec.version,
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


def approve(folder: Path, rules: list[Rule], by: str, now: datetime) -> list[Approval]:
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
