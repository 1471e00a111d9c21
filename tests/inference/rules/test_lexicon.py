"""Concepts in messages: words, alternatives, gaps, negation, exceptions, sound."""

from __future__ import annotations

import pytest

from inference.rules.folding import fold
from inference.rules.lexicon import QUESTION, Concept, Lexicon
from inference.rules.terms import TermError, read_term


def said(lexicon: Lexicon, text: str) -> set[str]:
    return set(lexicon.find(fold(text)).said) - {QUESTION}


def denied(lexicon: Lexicon, text: str) -> set[str]:
    return set(lexicon.find(fold(text)).denied)


LEXICON = Lexicon(
    [
        Concept("transfer", ("(转|汇)(钱|款|了|)", "transfer*", "send money")),
        Concept("told", ("让我…安全账户", "told me to…account")),
        Concept("code", ("验证码",), ("验证码收不到",), sounds=True),
        Concept("otp", ("otp",)),
    ]
)


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("我转了", {"transfer"}),
        ("I transferred it", {"transfer"}),
        ("please send  money", {"transfer"}),
        ("SENDMONEY", {"transfer"}),
        ("他让我把钱转到那个安全账户", {"told", "transfer"}),
        ("让我。安全账户", set()),
        ("he told me to move it to this account", {"told"}),
        ("把验证码给他", {"code"}),
        ("验证码收不到", set()),
        ("otp", {"otp"}),
        ("potpourri", set()),
        ("OTP是什么", {"otp"}),
    ],
)
def test_what_is_found(text: str, concepts: set[str]) -> None:
    assert said(LEXICON, text) == concepts


@pytest.mark.parametrize(
    "text",
    [
        "我没转钱",
        "我没有给他转款",
        "别转",
        "I didn't send money",
        "never transfer",
        "还没汇款呢",
        "I have not sent or transferred",
    ],
)
def test_negation_reaches_what_follows_in_its_clause(text: str) -> None:
    assert "transfer" not in said(LEXICON, text)
    assert "transfer" in denied(LEXICON, text)


@pytest.mark.parametrize(
    "text",
    [
        "不小心转了",
        "我没想到，转了",
        "不转钱就冻结我",
        "是不是要转钱",
        "没办法只好转款",
        "I don't know, transferred it",
        "没多想就汇了",
    ],
)
def test_what_only_looks_like_negation_or_belongs_elsewhere_negates_nothing(text: str) -> None:
    assert "transfer" in said(LEXICON, text)


@pytest.mark.parametrize("text", ["yan zheng ma", "验正码", "yanzhengma 多少", "演证码"])
def test_sound_finds_homophones_and_pinyin(text: str) -> None:
    assert LEXICON.hear(fold(text)) == {"code"}


def test_only_what_ends_in_the_new_message_counts() -> None:
    tail = fold("把验证")
    assert set(LEXICON.find(tail + fold("码给我"), len(tail)).said) == {"code"}
    whole = fold("把验证码")
    assert not LEXICON.find(whole + fold("给我"), len(whole)).said


@pytest.mark.parametrize(
    "wrong",
    [
        "(a",
        "a)",
        "a|b",
        "a((b)",
        "…",
        "((a|b|c|d|e|f|g|h|i)(a|b|c|d|e|f|g|h|i)(a|b|c|d|e|f|g|h|i)(a|b|c|d|e|f|g|h|i)(a|b|c|d|e|f|g|h|i))",
        "🙂",
    ],
)
def test_a_word_that_cant_be_read_is_refused_with_a_reason(wrong: str) -> None:
    with pytest.raises(TermError, match=r"\w"):
        read_term(wrong)


def test_brackets_may_stand_inside_brackets_and_hold_gaps() -> None:
    lexicon = Lexicon([Concept("gone", ("(转(钱|款)|汇…出去)了",))])
    for text in ("转钱了", "转款了", "汇了十万出去了"):
        assert said(lexicon, text) == {"gone"}
    assert said(lexicon, "转了，汇出去") == set()


def test_many_alternatives_side_by_side_are_looked_for_place_by_place() -> None:
    digits = "|".join("甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉")
    lexicon = Lexicon(
        [
            Concept("four", (f"({digits})({digits})({digits}|)(完|结束)",)),
            Concept("en", (f"(aa|bb) ({digits}) (cc|dd)",)),
        ]
    )
    assert lexicon.size < 1000
    assert said(lexicon, "这是甲酉子完") == {"four"}
    assert said(lexicon, "甲酉结束") == {"four"}
    assert said(lexicon, "甲酉，完") == set()
    assert said(lexicon, "甲完") == set()
    assert said(lexicon, "aa 甲 dd") == {"en"}
    assert said(lexicon, "aaa 甲 dd") == set()


@pytest.mark.parametrize(
    "written", ["(a…b|c…d|e…f|g…h)" * 8, "(" * 1000 + "a" + ")" * 1000], ids=["gaps", "brackets"]
)
def test_terms_without_end_are_refused(written: str) -> None:
    with pytest.raises(TermError, match=r"terms|levels"):
        read_term(written)


def test_an_exception_covers_a_word_wherever_it_stands() -> None:
    lexicon = Lexicon([Concept("code", ("验证码",), ("收验证码的机器", "验证码是什么"))])
    assert said(lexicon, "收验证码的机器，验证码是什么") == set()
    assert said(lexicon, "收验证码的机器，验证码给了") == {"code"}
    assert said(lexicon, "验证码给了，收验证码的机器") == {"code"}


def test_an_exception_may_have_a_gap() -> None:
    lexicon = Lexicon([Concept("code", ("验证码",), ("验证码…收不到",))])
    assert said(lexicon, "验证码一直收不到") == set()
    assert said(lexicon, "验证码给他了") == {"code"}


def test_a_word_inside_a_longer_one_may_begin_a_chain() -> None:
    lexicon = Lexicon([Concept("c", ("(abcde|bc)…de",))])
    assert "c" in lexicon.find(fold("我们的abcde bc再de")).said
    lexicon = Lexicon([Concept("c", ("(银行卡户|行卡)…户",))])
    assert "c" in lexicon.find(fold("银行卡户")).said
