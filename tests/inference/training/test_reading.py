"""The weights that find answers, fitted."""

from __future__ import annotations

import numpy as np

from inference.reading.features import LEXICAL
from inference.retrieval.text import Analyser
from inference.training.dialogues import Dialogue, Quoted, Turn
from inference.training.reading import asked, fit, long_documents

ANALYSER = Analyser()


def dialogue(id: str, service: str, fee: str) -> Dialogue:
    text = f"{service}须本人到网点办理。每次收费{fee}元。次日生效，可随时取消。"
    turns = (
        Turn("answer", f"{service}多少钱", f"每次{fee}元。"),
        Turn("refuse", "能打折吗", "很抱歉，资料里没有提到。", None),
        Turn("clarify", "那个呢", "您问的是哪一种？"),
    )
    return Dialogue(id, "zh", id, (Quoted(service, text),), turns)


SOME = [dialogue("a", "保管箱租用", "35"), dialogue("b", "印鉴变更", "12"), dialogue("c", "账户冻结", "8")]


def test_the_gold_clause_is_the_one_that_the_reply_stands_on() -> None:
    rows = asked(SOME, ANALYSER)
    assert len(rows) == 3
    row = rows[1]
    piece = row.passage.clauses[row.gold].piece
    assert row.passage.text[piece.start : piece.end] == "每次收费12元"


def test_a_long_document_has_the_same_answer() -> None:
    rows = asked(SOME, ANALYSER)
    for row, long in zip(rows, long_documents(rows, ANALYSER), strict=True):
        short, found = row.passage.clauses[row.gold].piece, long.passage.clauses[long.gold].piece
        assert len(long.passage.text) > len(row.passage.text)
        assert long.passage.text[found.start : found.end] == row.passage.text[short.start : short.end]


def test_what_tells_the_right_clause_gets_weight_and_what_never_varies_none() -> None:
    chance = np.random.default_rng(0)
    examples = []
    for _ in range(60):
        features = chance.normal(size=(5, 3))
        features[:, 2] = 1.0
        examples.append((features, int(features[:, 0].argmax())))
    weights = fit([examples], LEXICAL[:3])
    assert weights[LEXICAL[0]] > 0.5
    assert abs(weights.get(LEXICAL[1], 0.0)) < 0.3
    assert LEXICAL[2] not in weights


def test_a_step_that_would_make_it_worse_is_shortened() -> None:
    # One example that a single feature separates completely: without a shorter step the weights run away.
    far = np.array([[1000.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    weights = fit([[(far, 0)] * 5, [(far[:2], 0)] * 5], LEXICAL[:2])
    assert all(np.isfinite(value) for value in weights.values())
    assert weights[LEXICAL[0]] > 0
