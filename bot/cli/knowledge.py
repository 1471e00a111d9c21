"""`teller kb`: look after the knowledge."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, ends_cleanly, open_config, run_async, say_line
from bot.config import LiveConfig

__all__ = ["app"]

app = typer.Typer(help="Look after the knowledge.", no_args_is_help=True)


@app.command()
def lint(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Find duplicates, dangling links, missing languages and figures that contradict each other."""
    from inference.lint import lint as find

    live = open_config(config)
    with ends_cleanly():
        findings = find(live.current.knowledge_path)
    for finding in findings:
        say_line(str(finding))
    errors = sum(finding.severity == "error" for finding in findings)
    say_line(f"{errors} errors, {len(findings) - errors} warnings")
    if errors:
        raise typer.Exit(2)


@app.command()
def search(
    question: str,
    config: ConfigOption = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(help="How many hits to show.")] = 5,
) -> None:
    """Show what a question finds, with scores."""
    run_async(_search(open_config(config), question, limit))


async def _search(live: LiveConfig, question: str, limit: int) -> None:
    from bot.assembly import make_retriever
    from bot.rails.normalise import detect_language

    retriever = make_retriever(live)
    await retriever.load()
    result = await retriever.search(question, language=detect_language(question), limit=limit)
    say_line(f"confidence {result.confidence:.3f}")
    for hit in result.hits:
        say_line(f"{hit.score:8.3f}  {hit.passage.id:<40} {hit.passage.title}")
    retriever.close()


@app.command()
def index(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Embed the knowledge now, so that the next start is quick."""
    run_async(_index(open_config(config)))


async def _index(live: LiveConfig) -> None:
    from bot.assembly import make_retriever

    retriever = make_retriever(live)
    await retriever.load()
    say_line(f"knowledge {retriever.version} is indexed")
    retriever.close()
