"""`teller check`: is everything an operator edits right? And the JSON schemas for their editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, ends_cleanly, fail, open_config, say_line
from bot.config import Config

__all__ = ["check", "schema", "schemas"]


def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check the configuration and the knowledge. Exit code 2 and one line a problem if it is wrong."""
    from inference.lint import lint
    from inference.retrieval.knowledge import load_knowledge

    live = open_config(config)
    with ends_cleanly():
        knowledge = load_knowledge(live.current.knowledge_path)
    errors = [finding for finding in lint(live.current.knowledge_path) if finding.severity == "error"]
    if errors:
        raise fail("\n".join(str(finding) for finding in errors), 2)
    say_line(
        f"ok: {live.current.path.name} (version {live.current.version}), knowledge {knowledge.version} "
        f"with {len(knowledge.items('zh'))} passages in Chinese and {len(knowledge.items('en'))} in English"
    )


def schemas() -> dict[str, str]:
    """File name → JSON schema, for editors."""
    from inference.retrieval.knowledge import entry_schema

    found = {"teller.json": Config.model_json_schema(), "knowledge.json": entry_schema()}
    return {name: json.dumps(schema, ensure_ascii=False, indent=1) + "\n" for name, schema in found.items()}


def schema(
    folder: Annotated[Path, typer.Argument(help="Where to write them.")] = Path("config/schema"),
) -> None:
    """Write the JSON schemas that `# yaml-language-server: $schema=` lines name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")
        say_line(str(folder / name))
