"""`teller train sft`: the generator learns to answer from passages, in the counter's voice.

dialogues ─► held out by family ─► records, varied at each reading ─► adapter or weights ─► one folder
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from bot.errors import TellerError
from inference.generator.model import LanguageModel
from inference.generator.vocabulary import Vocabulary
from inference.training.causal_run import CausalRun, Examples, trained
from inference.training.dialogues import Dialogue, read_dialogues
from inference.training.generator_config import SftConfig
from inference.training.sequences import IGNORED, Records
from inference.training.split import held_out_by

__all__ = ["run"]


def run(config: SftConfig, cache: Path, now: datetime, command: str, *, fresh: bool = False) -> CausalRun:
    """Train as a configuration says, or go on where an earlier try was stopped.

    Raises:
        TellerError: data or a base that can't be read, a folder that can't be written to.
    """
    dialogues = [dialogue for path in config.files() for dialogue in read_dialogues(path)]
    doubled = [id for id, count in Counter(dialogue.id for dialogue in dialogues).items() if count > 1]
    if doubled:
        raise TellerError(f"dialogues have the same id: {', '.join(doubled[:10])}")
    learnt, held = held_out_by(dialogues, lambda dialogue: dialogue.family, config.held_out, config.pace.seed)
    if not learnt or not held:
        raise TellerError(
            f"of {len(dialogues)} dialogues {len(held)} are held out: change `held_out`, or add families"
        )
    counts = {
        "dialogues": len(dialogues),
        "turns": sum(len(dialogue.turns) for dialogue in dialogues),
        "held_out_dialogues": len(held),
        "kinds": dict(Counter(turn.kind for dialogue in dialogues for turn in dialogue.turns)),
    }

    def examples(model: LanguageModel) -> Examples:
        def records(part: Sequence[Dialogue], varied: bool) -> Records:
            return Records(
                part,
                model.tokenizer,
                model.bos_id,
                longest=config.pace.longest,
                varied=varied,
                seed=config.pace.seed,
            )

        ids = None
        if config.trim_vocabulary:
            size = model.network.get_output_embeddings().weight.shape[0]
            writable = Vocabulary(model.tokenizer, model.stop_ids, size).ids
            every = [records(dialogues, varied=False), records(dialogues, varied=config.varied)]
            said = {label for part in every for at in range(len(part)) for label in part[at].labels}
            ids = sorted({*writable, *said} - {IGNORED})
        return Examples(records(learnt, config.varied), records(held, False), ids)

    return trained(config, examples, counts, cache, now, command, kind="sft", fresh=fresh, tuned=True)
