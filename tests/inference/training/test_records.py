"""What a generator reads and learns of a dialogue."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from bot.errors import TellerError
from bot.types import Exchange, GenerateRequest
from inference.generator import prompt
from inference.guard import ReplyGuard
from inference.training.dialogues import Dialogue, problems
from inference.training.figures import with_other_figures
from inference.training.sequences import IGNORED, Blocks, Example, Records, collate
from inference.training.split import held_out_by

DIALOGUE = msgspec.convert(
    {
        "id": "d1",
        "lang": "zh",
        "family": "f",
        "passages": [
            {
                "title": "补卡",
                "text": "补办借记卡每张15元，5个工作日寄到；R3级产品T+1到账，单日限额50,000元。",
            }
        ],
        "turns": [
            {"kind": "answer", "question": "补卡多少钱", "reply": "每张15元。"},
            {"kind": "follow_up", "question": "多久", "reply": "5个工作日寄到。"},
        ],
    },
    Dialogue,
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({symbol: at + 1 for at, symbol in enumerate(symbols)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    from tokenizers import decoders

    made.decoder = decoders.ByteLevel()
    return made


def test_only_replies_are_learnt_each_to_its_line_end(tokenizer: Tokenizer) -> None:
    example = Records([DIALOGUE], tokenizer, 0, longest=2000, varied=False)[0]
    learnt = tokenizer.decode([label for label in example.labels if label != IGNORED])
    assert learnt == "每张15元。\n5个工作日寄到。\n"
    assert len(example.ids) == len(example.labels)


def test_training_reads_what_serving_reads(tokenizer: Tokenizer) -> None:
    """The record up to the first reply is the prompt of the first question."""
    passages = (DIALOGUE.passage(0),)
    request = GenerateRequest(
        id="r",
        question="补卡多少钱",
        language="zh",
        passages=passages,
        history=(),
        max_tokens=9,
        deadline=9.0,
    )
    built = prompt.build(request, tuned=True)
    said = prompt.script("zh", passages, [Exchange("补卡多少钱", "每张15元。"), Exchange("多久", "5天。")])
    assert [piece.text for piece in said[:2]] == [built.beginning, built.rest]
    assert [piece.reply for piece in said] == [False, False, True, False, True]
    follow_up = prompt.build(
        msgspec.structs.replace(request, question="多久", history=(Exchange("补卡多少钱", "每张15元。"),)),
        tuned=True,
    )
    assert "".join(piece.text for piece in said[1:4]) == follow_up.rest


def test_other_figures_are_the_same_everywhere_and_spare_names(tokenizer: Tokenizer) -> None:
    changed = with_other_figures(DIALOGUE, random.Random(3))
    text, reply = changed.passages[0].text, changed.turns[0].reply
    fee = text.removeprefix("补办借记卡每张").split("元")[0]
    assert fee != "15"
    assert reply == f"每张{fee}元。"
    assert "R3级产品T+1到账" in text
    assert text.endswith(",000元。")
    assert not list(problems(changed, ReplyGuard()))


def test_a_reading_depends_on_seed_and_epoch_alone(tokenizer: Tokenizer) -> None:
    def readings(epoch: int) -> list[Example]:
        records = Records([DIALOGUE] * 2, tokenizer, 0, longest=2000, varied=True, seed=7)
        records.epoch = epoch
        return [records[0]]

    assert readings(1) == readings(1)
    assert len({readings(epoch)[0] for epoch in range(8)}) > 1


def test_a_record_without_room_for_a_reply_says_so(tokenizer: Tokenizer) -> None:
    with pytest.raises(TellerError, match=r"raise `pace\.longest`"):
        Records([DIALOGUE], tokenizer, 0, longest=20, varied=False)[0]


def test_blocks_hold_every_token_once(tokenizer: Tokenizer) -> None:
    blocks = Blocks(["abc", "defg"], tokenizer, 0, 1, 4)
    ids = [id for n in range(len(blocks)) for id in blocks[n].ids]
    assert tokenizer.decode([id for id in ids if id > 1]).replace("!", "") == "abcdefg"
    assert ids.count(0) == 2


def test_padding_is_neither_seen_nor_learnt() -> None:
    batch = collate([Example((1, 2, 3), (IGNORED, 2, 3)), Example((4,), (4,))])
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 2, 3], [4, IGNORED, IGNORED]]


def test_families_stay_on_one_side(tmp_path: Path) -> None:
    rows = [(family, n) for family in "abcdefghij" for n in range(3)]
    kept, held = held_out_by(rows, lambda row: row[0], 0.4)
    assert kept
    assert held
    assert not {family for family, _ in kept} & {family for family, _ in held}
    more, _ = held_out_by([*rows, ("z", 0)], lambda row: row[0], 0.4)
    assert set(kept) <= set(more)
