"""Folding: one way of writing for what can be written in many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.rules.folding import fold, sound, trace


@pytest.mark.parametrize(
    "written",
    [
        "安全账户", "安 全 账 户", "安全*帐-户", "安全🔒账户", "安\u200b全账户", "安,全,账,户",
        "安全帳戶", "【安全账户】"[1:-1],
        "安.全.账.户", "安|全|账|户", "安、全、账、户",
    ],
)  # fmt: skip
def test_ways_to_write_one_word_fold_to_it(written: str) -> None:
    assert fold(written) == "安全账户"


@pytest.mark.parametrize(
    "written", ["password", "P@ssw0rd", "ｐａｓｓｗｏｒｄ", "раssword", "p.a.s.s.w.o.r.d", "PASSWORD"]
)
def test_latin_disguises_fold_too(written: str) -> None:
    assert fold(written) == "password"


@pytest.mark.parametrize(
    "written", ["安全账户", "安全帐互", "安quan账户", "an quan zhang hu", "AnQuanZhangHu"]
)
def test_words_that_sound_alike_sound_alike(written: str) -> None:
    assert sound(fold(written)) == "anquanzhanghu"


def test_clauses_stay_apart() -> None:
    assert fold("我不转，安全第一。账户没事") == "我不转,安全第一。账户没事"


def test_amounts_keep_their_digits() -> None:
    assert fold("１００，０００元 R3 3.45%") == "100,000元 r3 3.45%"


@given(st.text(max_size=60))
def test_the_trace_agrees_with_the_fold_and_points_into_the_text(text: str) -> None:
    folded, origins = trace(text)
    assert folded == fold(text)
    assert len(origins) == len(folded)
    assert origins == sorted(origins)
    assert all(0 <= at < len(text) for at in origins)


@given(st.text(alphabet="安全账户转钱 *,.。abc019@\u200b🔒", max_size=40))
def test_folding_twice_is_folding_once(text: str) -> None:
    once = fold(text)
    assert fold(once) in (once, fold(once))
    assert "\u200b" not in once
    assert "🔒" not in once
