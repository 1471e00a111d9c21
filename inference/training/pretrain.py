"""`teller train pretrain`: the base goes on learning from plain texts of the field, before it learns to
answer.

The last line of the report is its perplexity on held-out texts, before and after. What is left is a whole
model, for `base` of `teller train sft` or for `inference.model`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from bot.errors import TellerError
from inference.generator.model import LanguageModel
from inference.training.causal_run import CausalRun, Examples, trained
from inference.training.generator_config import PretrainConfig
from inference.training.sequences import Blocks
from inference.training.split import held_out_by

__all__ = ["read_texts", "run"]

_SHORTEST = 16
"""Characters of a text that is worth reading."""


class _Row(msgspec.Struct):
    text: str


def read_texts(path: Path) -> list[str]:
    """The texts of a file: paragraphs of `.txt` and `.md`, the `text` of each line of `.jsonl`.

    Raises:
        TellerError: it can't be read, or a line has no text; names the line.
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
            row = msgspec.json.decode(line, type=_Row)
        except msgspec.MsgspecError as error:
            raise TellerError(f'{path}:{number}: a line is {{"text": "…"}}: {error}') from error
        if len(text := row.text.strip()) >= _SHORTEST:
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
