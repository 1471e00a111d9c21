"""Repetitions, families, and which side of the split they go to."""

from __future__ import annotations

import random
import sys
from collections import Counter

import pytest

from bot.errors import TellerError
from inference.training.prepare.config import NearDuplicates, SplitSettings
from inference.training.prepare.dedup import Duplicates, Found, digest_of, jaccard, shingles
from inference.training.prepare.split import Families, assign

HAN = "存取转汇借贷卡折息率期限额度账户密码柜台网点电话手机银行信用还款分期挂失补办理财基金保险外币"


def text(seed: int, length: int = 200) -> str:
    chance = random.Random(seed)
    return "".join(chance.choice(HAN) for _ in range(length))


def duplicates(threshold: float = 0.85, sibling: float = 0.7) -> Duplicates:
    return Duplicates(NearDuplicates(threshold=threshold, sibling=sibling), 1)


def look(found_by: Duplicates, words: str) -> Found:
    return found_by.look(words, digest_of(words))


def test_exact_near_and_sibling_are_told_apart() -> None:
    seen, base = duplicates(), text(1)
    assert look(seen, base) == Found("new", 0)
    assert look(seen, text(2)) == Found("new", 1)
    assert look(seen, base) == Found("exact", 0)
    near = base[:100] + "款" + base[101:]
    assert look(seen, near) == Found("near", 0)
    assert look(seen, near) == Found("exact", 0)
    assert look(seen, base[:170] + text(3, 30)) == Found("new", 2, (0,))


def test_a_threshold_of_one_drops_only_what_has_the_same_shingles() -> None:
    seen, base = duplicates(1.0, 1.0), text(1)
    look(seen, base)
    assert look(seen, base[:-1]).kind == "new"


@pytest.mark.parametrize("words", ["", "a", "ab", "abc", "abcd"])
def test_texts_shorter_than_a_shingle_are_compared_whole(words: str) -> None:
    seen = duplicates()
    assert look(seen, words).kind == "new"
    assert look(seen, words).kind == "exact"
    assert look(seen, words + "款").kind == "new"


def test_similarity_is_the_share_of_common_shingles() -> None:
    assert jaccard(shingles("abcde", 2), shingles("abcdf", 2)) == 3 / 5
    assert jaccard(shingles("abab", 2), shingles("baba", 2)) == 1
    assert jaccard(shingles("", 2), shingles("", 2)) == 1


def test_a_crowd_of_siblings_stays_one_family_and_is_not_compared_with_all_of_it() -> None:
    seen, base = duplicates(), text(1, 170)
    families = Families()
    compared = 0
    for n in range(300):
        found = look(seen, base + text(1000 + n, 30))
        assert found.kind == "new"
        number = families.add()
        compared = max(compared, len(found.siblings))
        for sibling in found.siblings:
            families.join(sibling, number)
    assert len(set(families.roots())) == 1
    assert compared < 150
    assert seen.unindexed > 100


def test_near_repetitions_are_found_among_strangers_with_one_greeting_and_farewell() -> None:
    seen, greeting, farewell = duplicates(), text(1, 80), text(2, 80)
    strangers = [greeting + text(100 + n, 90) + farewell for n in range(700)]
    assert 0.4 < jaccard(shingles(strangers[0], 4), shingles(strangers[1], 4)) < 0.6
    assert {look(seen, words).kind for words in strangers} == {"new"}
    retold = [words[:100] + "。" + words[100:] for words in strangers[-200:]]
    found = [look(seen, words) for words in retold]
    assert [(one.kind, one.of) for one in found] == [("near", n) for n in range(500, 700)]
    assert seen.unindexed == 0


def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasketch", None)
    with pytest.raises(TellerError, match=r"pip install 'teller\[train\]'"):
        duplicates()


def alone(count: int) -> Families:
    families = Families()
    for _ in range(count):
        families.add()
    return families


def keys(count: int) -> list[bytes]:
    return [f"k{n}".encode() for n in range(count)]


def test_shares_are_kept_and_the_seed_decides() -> None:
    settings = SplitSettings(train=0.8, dev=0.1, test=0.1)
    sides = assign(keys(5000), alone(5000), settings, 1)
    counts = Counter(sides)
    assert abs(counts["train"] - 4000) < 150
    assert abs(counts["dev"] - 500) < 100
    assert sides == assign(keys(5000), alone(5000), settings, 1)
    assert sides != assign(keys(5000), alone(5000), settings, 2)


def test_more_data_moves_nothing_that_was_there() -> None:
    settings = SplitSettings()
    assert assign(keys(900), alone(900), settings, 1)[:300] == assign(keys(300), alone(300), settings, 1)


def test_a_family_is_never_divided() -> None:
    families = alone(400)
    for n in range(0, 400, 4):
        families.join(n + 3, n + 1)
        families.join(n, n + 2)
        families.join(n + 2, n + 3)
    sides = assign(keys(400), families, SplitSettings(train=0.4, dev=0.3, test=0.3), 5)
    assert all(len(set(sides[n : n + 4])) == 1 for n in range(0, 400, 4))
    assert set(sides) == {"train", "dev", "test"}


@pytest.mark.parametrize("seed", range(8))
def test_train_is_never_empty(seed: int) -> None:
    settings = SplitSettings(train=0.01, dev=0.5, test=0.49)
    assert assign([b"one"], alone(1), settings, seed) == ["train"]
    assert assign([], alone(0), settings, seed) == []
