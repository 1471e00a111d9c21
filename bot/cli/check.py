"""`teller check`: is everything an operator edits right, and do the platforms agree? And JSON schemas."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.base import Adapter, Finding
from bot.accounts import make_adapters
from bot.cli.common import DEFAULT_CONFIG, ConfigOption, ends_cleanly, fail, open_config, run_async, say_line
from bot.config import Config, LiveConfig
from bot.config.source import load_yaml
from bot.config.staff import Staff, StaffFile
from bot.errors import ConfigError, Problem
from bot.ids import utc_now
from bot.suitability.products import check_facts
from bot.suitability.shelf import LiveCounter
from bot.tickets.ticket import DEPARTMENTS

if TYPE_CHECKING:
    from inference.rules import RuleSet

__all__ = ["ask_platforms", "check", "schema", "schemas"]

PATIENCE_S = 30.0
"""Longest wait for all that one platform is asked."""

Online = Annotated[
    bool,
    typer.Option(
        "--online", help="Also ask each enabled platform: tokens, scopes, callback, clock. Changes nothing."
    ),
]


def check(config: ConfigOption = DEFAULT_CONFIG, online: Online = False) -> None:
    """Check the configuration and the knowledge; with --online also the platforms.

    Exit code 2 and one line a problem if a file is wrong; 1 if a platform says that something is.
    """
    from inference.lint import lint
    from inference.retrieval.knowledge import load_knowledge

    live = open_config(config)
    with ends_cleanly():
        knowledge = load_knowledge(live.current.knowledge_path)
        _check_products(live)
        rules = _check_rules(live)
        adapters = make_adapters(live.config)
    errors = [finding for finding in lint(live.current.knowledge_path) if finding.severity == "error"]
    if errors:
        raise fail("\n".join(str(finding) for finding in errors), 2)
    say_line(
        f"ok: {live.current.path.name} (version {live.current.version}), knowledge {knowledge.version} "
        f"with {len(knowledge.items('zh'))} passages in Chinese and {len(knowledge.items('en'))} in English, "
        f"rules {rules.version} with {len(rules.rules)}"
    )
    _tell_of_staff(live.current.staff)
    if online:
        _check_online(adapters, str(live.config.server.public_url or "").rstrip("/"))


def _check_rules(live: LiveConfig) -> RuleSet:
    """The rules can be used, and what acts is approved. Raises ConfigError."""
    from inference.rules import RuleEngine, load_rules
    from inference.rules.approvals import APPROVALS, out_of_force, read_approvals

    folder = live.current.rules_path
    rules = load_rules(folder, today=utc_now().date())
    approvals = read_approvals(folder)
    approved = frozenset(approval.digest for approval in approvals if approval.approved_by)
    engine = RuleEngine(rules, approved=approved, jurisdiction=live.config.bank.jurisdiction)
    problems = []
    for rule in engine.unapproved():
        file, _, line = rule.where.rpartition(":")
        what = "is active, but two people haven't approved it: `teller rules propose`, then `approve`"
        problems.append(Problem(file, int(line), f"{rule.id} {what}"))
    if (texts := rules.texts) is not None and texts.digest not in approved:
        file, _, line = texts.where.rpartition(":")
        what = "the classifier says this, and two people haven't approved it: `teller rules propose`"
        problems.append(Problem(file, int(line), f"{texts.id}: {what}, then `approve`"))
    known = {rule.id for rule in engine.unapproved()} | {rules.texts.id if rules.texts else ""}
    for id in out_of_force(approvals, rules.to_approve()):
        if id not in known:
            what = "was approved and no longer acts: restore it, or retire it with `propose` and `approve`"
            problems.append(Problem(str(folder / APPROVALS), 0, f"{id} {what}"))
    if problems:
        raise ConfigError(problems)
    return rules


def _check_products(live: LiveConfig) -> None:
    """Questionnaire and products, and that these state the knowledge's figures. Raises ConfigError."""
    if not live.config.suitability.enabled:
        return
    counter = LiveCounter(live)
    _, products = counter.paths
    facts: dict[str, object] = {}
    for path in sorted((live.current.knowledge_path / "facts").glob("*.yaml")):
        found = load_yaml(path).data or {}
        facts |= {name: fact["value"] for name, fact in found.get("facts", {}).items()}
    if problems := check_facts(counter.current.shelf, products, facts):
        raise ConfigError(problems)


def _tell_of_staff(staff: Staff) -> None:
    """Who is told of tickets, and how long the calendar lasts."""
    told = [name for name in DEPARTMENTS if staff.channel(name) is not None]
    if not staff.present:
        say_line("note: there is no staff.yaml, so nobody is told of tickets (docs/tickets.md)")
    elif len(told) < len(DEPARTMENTS):
        untold = ", ".join(name for name in DEPARTMENTS if name not in told)
        say_line(f"note: staff.yaml gives no channel for {untold}: their tickets wait in the store")
    out = staff.runs_out(utc_now().date())
    if out:
        say_line(f"note: {out}")


def _check_online(adapters: Sequence[Adapter], public_url: str) -> None:
    found = run_async(ask_platforms(adapters, public_url))
    if not found:
        say_line("no platform to ask: none besides the web chat is enabled")
    for label, finding in found:
        say_line(f"{'ok   ' if finding.ok else 'WRONG'} {label}: {finding.what}: {finding.detail}")
    wrong = sum(not finding.ok for _, finding in found)
    if wrong:
        raise fail(f"{wrong} of {len(found)} checks failed")


async def ask_platforms(adapters: Sequence[Adapter], public_url: str) -> list[tuple[str, Finding]]:
    """(platform/account, what was found), for all adapters, asked side by side."""

    async def ask(adapter: Adapter) -> list[Finding]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await adapter.check(public_url)
        except TimeoutError:
            return [Finding("answer", False, f"none within {PATIENCE_S:.0f} s; is the network open?")]
        except Exception as error:  # one platform's surprise must not hide what the others say
            return [Finding("answer", False, f"{type(error).__name__}: {error}")]
        finally:
            await adapter.close()

    answers = await asyncio.gather(*(ask(adapter) for adapter in adapters))
    return [
        (f"{adapter.name}/{adapter.account}", finding)
        for adapter, findings in zip(adapters, answers, strict=True)
        for finding in findings
    ]


def schemas() -> dict[str, str]:
    """File name → JSON schema, for editors."""
    from inference.retrieval.knowledge import entry_schema

    found = {
        "teller.json": Config.model_json_schema(),
        "knowledge.json": entry_schema(),
        "staff.json": StaffFile.model_json_schema(),
    }
    return {name: json.dumps(schema, ensure_ascii=False, indent=1) + "\n" for name, schema in found.items()}


def schema(
    folder: Annotated[Path, typer.Argument(help="Where to write them.")] = Path("config/schema"),
) -> None:
    """Write the JSON schemas that `# yaml-language-server: $schema=` lines name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")
        say_line(str(folder / name))
