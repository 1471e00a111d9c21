"""The `teller` command and its groups."""

from __future__ import annotations

import typer

from bot.cli import (
    ask,
    audit,
    check,
    customer,
    dlq,
    evaluate,
    feedback,
    keys,
    knowledge,
    prepare,
    profile,
    rules,
    run,
    store,
    tickets,
    train,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="teller",
    help="A bank's counter inside chat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("ask")(ask.ask)
app.command("chat")(ask.chat)
app.command("check")(check.check)
app.command("prepare")(prepare.prepare)
app.command("schema", hidden=True)(check.schema)
app.add_typer(knowledge.app, name="kb")
app.add_typer(evaluate.app, name="eval")
app.add_typer(dlq.app, name="dlq")
app.add_typer(store.app, name="db")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.add_typer(customer.app, name="customer")
app.add_typer(customer.vault_app, name="vault")
customer.app.add_typer(profile.app, name="profile")
app.add_typer(rules.app, name="rules")
app.add_typer(tickets.app, name="tickets")
app.add_typer(train.app, name="train")
app.add_typer(feedback.app, name="feedback")


def main() -> None:
    """Entry point of the `teller` script."""
    app()
