"""`teller train pretrain`: the base goes on learning from plain texts of the field, before it learns to
answer.

The last line of the report is its perplexity on held-out texts, before and after. What is left is a whole
model, for `base` of `teller train sft` or for `inference.model`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from bot.errors import TellerError
from bot.types import Language
from inference.generator.model import LanguageModel
from inference.generator.prompt import spoken
from inference.training.causal_run import CausalRun, Examples, trained
from inference.training.generator_config import PretrainConfig
from inference.training.sequences import Blocks
from inference.training.split import held_out_by

__all__ = ["read_texts", "run"]

_SHORTEST = 16
"""Characters of a text that is worth reading."""


class _Message(msgspec.Struct):
    role: Literal["user", "assistant"]
    content: str


class _Row(msgspec.Struct):
    """A text, or a conversation of `teller train prepare`."""

    text: str | None = None
    messages: tuple[_Message, ...] = ()
    language: Literal["zh", "en", "other"] | None = None

    def said(self) -> str:
        """One text. A line a turn, with who speaks in Chinese or in English."""
        if self.text is not None:
            return self.text.strip()
        if not self.messages:
            raise msgspec.ValidationError("neither `text` nor `messages`")
        if self.language is None:
            raise msgspec.ValidationError("`messages` need a `language`: zh, en, or other")
        language: Language = "zh" if self.language == "zh" else "en"
        return "\n".join(
            spoken(language, " ".join(one.content.split()), by_customer=one.role == "user")
            for one in self.messages
        )


def read_texts(path: Path) -> list[str]:
    """The texts of a file: paragraphs of `.txt` and `.md`; of each line of `.jsonl` the `text`, or the
    conversation of `messages`.

    Raises:
        TellerError: it can't be read, or a line has neither; names the line.
    """
    try:
        whole = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TellerError(f"{path} can't be read ({error}): give texts in UTF-8") from error
    if path.suffix != ".jsonl":
        return [text for part in whole.split("\n\n") if len(text := part.strip()) >= _SHORTEST]
    texts = []
    for number, line in enumerate(whole.split("\n"), 1):
        if not line.strip():
            continue
        try:
            text = msgspec.json.decode(line, type=_Row).said()
        except msgspec.MsgspecError as error:
            raise TellerError(
                f'{path}:{number}: a line is {{"text": "…"}}, or one of `teller train prepare`: {error}'
            ) from error
        if len(text) >= _SHORTEST:
            texts.append(text)
    return texts


def run(
    config: PretrainConfig, cache: Path, now: datetime, command: str, *, fresh: bool = False
) -> CausalRun:
    """Train as a configuration says, or go on where an earlier try was stopped.

    Raises:
        TellerError: texts or a base that can't be read, a folder that can't be written to.
    """
    if config.method == "prefix":
        raise TellerError("a prefix can't be merged into a model: use `method: full`, `lora` or `adalora`")
    texts = list(dict.fromkeys(text for path in config.files() for text in read_texts(path)))
    learnt, held = held_out_by(texts, lambda text: text, config.held_out, config.pace.seed)
    if not learnt or not held:
        raise TellerError(f"of {len(texts)} texts {len(held)} are held out: change `held_out`, or add texts")
    counts = {"texts": len(texts), "held_out_texts": len(held), "characters": sum(map(len, texts))}

    def examples(model: LanguageModel) -> Examples:
        eos = min(model.stop_ids)

        def blocks(part: list[str]) -> Blocks:
            return Blocks(part, model.tokenizer, model.bos_id, eos, config.pace.longest)

        return Examples(blocks(learnt), blocks(held), None)

    return trained(config, examples, counts, cache, now, command, kind="pretrain", fresh=fresh, tuned=False)
