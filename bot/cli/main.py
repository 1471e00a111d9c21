"""The `teller` command and its groups."""

from __future__ import annotations

import typer

from bot.cli import ask, check, dlq, evaluate, knowledge, prepare, run, store

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


def main() -> None:
    """Entry point of the `teller` script."""
    app()
