"""The bag of words as it is fitted and as it is served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.classify.words import BAGS, WordHead, characters, mixed, words
from inference.training.words import WordModel

TEXTS = [
    "卡丢了怎么挂失", "我的卡不见了", "lost my card today", "my card is lost lost",
    "贷款利率多少", "房贷利率是几个点", "what is the loan rate", "loan rate today",
    "今天天气怎么样", "明天下雨吗", "is it sunny today", "will it rain today",
]  # fmt: skip
LABELS = [0] * 4 + [1] * 4 + [2] * 4


def test_served_probabilities_are_scikit_learns() -> None:
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    bags = [TfidfVectorizer(analyzer=split, sublinear_tf=True, min_df=2) for split in BAGS.values()]
    features = hstack([bag.fit_transform(TEXTS) for bag in bags])
    regression = LogisticRegression(C=20.0, max_iter=300).fit(features, LABELS)
    asked = [*TEXTS, "card card card loan", "完全没见过的话", ""]
    expected = regression.predict_proba(hstack([bag.transform(asked) for bag in bags]))
    found = WordModel.fit(TEXTS, LABELS, 3, fewest=2).probabilities(asked)
    assert np.allclose(found, expected, atol=0.02)  # weights are kept in eight bits


def test_characters_are_what_scikit_learn_cuts() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    cut = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4)).build_analyzer()
    for text in [*TEXTS, "a", "x yz", "卡 丢"]:
        assert sorted(characters(text)) == sorted(cut(text))
    assert words("lost my card") == ["lost", "my", "card", "lost my", "my card"]


def test_a_label_that_was_not_seen_is_never_given() -> None:
    found = WordModel.fit(TEXTS[:8], LABELS[:8], 4).probabilities(["is it sunny today", "my card"])
    assert (found[:, 2:] < 1e-6).all()
    assert found[1, 0] > 0.5


def test_two_labels_are_told_apart() -> None:
    model = WordModel.fit(TEXTS[:8], LABELS[:8], 2)
    assert model.probabilities(TEXTS[:8]).argmax(axis=1).tolist() == LABELS[:8]


def test_the_file_gives_the_same(tmp_path: Path) -> None:
    model = WordModel.fit(TEXTS, LABELS, 3)
    np.savez_compressed(tmp_path / "bag.npz", **model.arrays)
    with np.load(tmp_path / "bag.npz") as arrays:
        head = WordHead({name: arrays[name] for name in arrays.files})
    assert np.allclose(head.probabilities(TEXTS), model.probabilities(TEXTS))
    assert head.probabilities([]).shape == (0, 3)


def test_the_mean_is_geometric() -> None:
    even, sure = np.array([[0.5, 0.5]], np.float32), np.array([[1.0, 0.0]], np.float32)
    assert mixed([(even, 1.0)])[0] == pytest.approx([0.5, 0.5], abs=1e-3)
    assert mixed([(even, 0.5), (sure, 0.5)])[0, 0] > 0.99
