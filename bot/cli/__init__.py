"""`teller`: the command line. One module a group of commands."""

from bot.cli.main import app, main

__all__ = ["app", "main"]
