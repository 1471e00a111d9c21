"""`teller rules`: try, explain, replay and approve the risk rules."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import (
    DEFAULT_CONFIG,
    ConfigOption,
    ends_cleanly,
    fail,
    open_config,
    open_store,
    run_async,
    say_line,
)

if TYPE_CHECKING:
    from bot.config import LiveConfig
    from inference.rules.loader import Rule, RuleSet, SharedTexts

__all__ = ["app"]

app = typer.Typer(help="Risk rules: test, explain, replay, approve.", no_args_is_help=True)

ByOption = Annotated[str, typer.Option("--by", help="Your id in staff.yaml.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of rules, or how they begin; none means all.")]


@app.command("test")
def run_tests(
    rules: Annotated[str, typer.Argument(help="Only rules whose id begins so.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Run the examples that the rules carry. Exit code 1 if one fails."""
    from inference.rules.examples import run_examples

    live = open_config(config)
    with ends_cleanly():
        loaded = _load(live)
        count, failures = run_examples(loaded, rules)
    for failure in failures:
        say_line(str(failure))
    say_line(f"{len(loaded.rules)} rules, {count} examples, {len(failures)} failed")
    if failures or not count:
        raise typer.Exit(1)


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="A customer's message.")],
    context: Annotated[
        str, typer.Option(help='JSON: {"amount": 60000, "payee": "new", "customer": {"age": 70}} …')
    ] = "{}",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """How the rules read a message: its folded text, the concepts found, the facts, what fired and why."""
    from inference.privacy import find
    from inference.rules import RuleEngine
    from inference.rules.approvals import approved_digests
    from inference.rules.facts import facts_of_context, facts_of_kinds

    live = open_config(config)
    try:
        given = facts_of_context(json.loads(context))
    except (ValueError, TypeError, AttributeError) as error:
        raise fail(f"--context: {error}", 2) from None
    with ends_cleanly():
        approved = approved_digests(live.current.rules_path)
        jurisdiction = live.config.bank.jurisdiction
        engine = RuleEngine(_load(live), approved=approved, jurisdiction=jurisdiction)
    facts = {**given, **facts_of_kinds(span.type for span in find(text))}
    say_line(json.dumps(engine.explain(text, facts), ensure_ascii=False, indent=2))


@app.command()
def replay(
    rules: Ids = None,
    days: Annotated[int, typer.Option(help="How far back.", min=1)] = 7,
    show: Annotated[int, typer.Option(help="Show that many messages for each rule (masked).")] = 5,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Dry-run rules, drafts above all, over the messages of the last days: how often each would fire."""
    from inference.rules import RuleEngine

    live = open_config(config)
    now = datetime.now(UTC)

    async def read() -> list[str]:
        store = await open_store(live)
        try:
            return await store.customer_texts(since=now.timestamp() - days * 86400)
        finally:
            await store.close()

    with ends_cleanly():
        loaded = _load(live)
        chosen = _chosen(loaded, rules)
    texts = run_async(read())
    engine = RuleEngine(loaded, jurisdiction=live.config.bank.jurisdiction)
    counts: Counter[str] = Counter()
    for text in texts:
        for rule in chosen:
            if engine.fires(rule, text, facts={}, memory={}, now=now):
                counts[rule.id] += 1
                if counts[rule.id] <= show:
                    say_line(f"{rule.id}: {text}")
    report = {rule.id: counts[rule.id] for rule in chosen}
    say_line(json.dumps({"messages": len(texts), "days": days, "fired": report}, ensure_ascii=False))


@app.command("list")
def show_all(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """All rules: action, status, whether two people have approved them."""
    from inference.rules.approvals import approved_digests

    live = open_config(config)
    with ends_cleanly():
        loaded = _load(live)
        approved = approved_digests(live.current.rules_path)
    for rule in loaded.rules:
        spec = rule.spec
        state: str = spec.status
        if state != "draft" and rule.digest not in approved:
            state = "shadow: not approved" if state == "active" else f"{state}: not approved"
        say_line(f"{spec.id:<44} v{spec.version:<3} {spec.action:<9} {spec.severity}  {state}")
    if (texts := loaded.texts) is not None:
        state = "active" if texts.digest in approved else "not approved"
        say_line(f"{texts.id:<44} v{texts.version:<3} {'texts':<9}     {state}")


@app.command()
def propose(
    by: ByOption,
    rules: Ids = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put new, changed or retired rules, and the classifier's words, up for approval."""
    from inference.rules import approvals
    from inference.rules.examples import run_examples

    live = open_config(config)
    with ends_cleanly():
        loaded = _load(live)
        chosen = _to_approve(loaded, rules)
        _may(live, by, "rules.write")
        failures = [failure for item in chosen for failure in run_examples(loaded, item.id)[1]]
        if failures:
            raise fail("\n".join(map(str, failures)))
        new = approvals.propose(live.current.rules_path, chosen, by, datetime.now(UTC))
    for approval in new:
        say_line(f"{approval.rule} v{approval.version} waits for approval")
    say_line(f"{len(new)} proposed by {by}")


@app.command()
def approve(
    by: ByOption,
    rules: Ids = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Approve what somebody else has proposed; a running Teller takes it up at once."""
    from inference.rules import approvals

    live = open_config(config)
    with ends_cleanly():
        _may(live, by, "rules.activate")
        chosen = _to_approve(_load(live), rules)
        done = approvals.approve(live.current.rules_path, chosen, by, datetime.now(UTC))
    say_line(f"{len(done)} approved by {by}")


def _load(live: LiveConfig) -> RuleSet:
    from inference.rules import load_rules

    return load_rules(live.current.rules_path, today=datetime.now(UTC).date())


def _chosen(loaded: RuleSet, ids: list[str] | None) -> list[Rule]:
    chosen = [rule for rule in loaded.rules if not ids or any(rule.id.startswith(id) for id in ids)]
    if ids and not chosen:
        raise fail(f"no rule's id begins with {', '.join(ids)}; `teller rules list` shows them all")
    return chosen


def _to_approve(loaded: RuleSet, ids: list[str] | None) -> list[Rule | SharedTexts]:
    """What of it can be approved; drafts can't."""
    items = loaded.to_approve()
    chosen = [item for item in items if not ids or any(item.id.startswith(id) for id in ids)]
    if not chosen and ids:
        _chosen(loaded, ids)
    return chosen


def _may(live: LiveConfig, by: str, permission: str) -> None:
    """Who isn't in staff.yaml, or has no role for it, ends here. While it names nobody, everybody may."""
    staff = live.current.staff
    if staff.file.people and not staff.may(by, permission):
        raise fail(f"{by!r} may not: staff.yaml has no person of that id with the permission {permission}")
