"""Noise, shape, language and masking of one conversation."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.training.prepare.clean import Cleaner
from inference.training.prepare.config import Cleaning, Limits
from inference.training.prepare.dialogue import Role, Turn
from inference.training.prepare.language import language_of
from inference.training.prepare.personal import mask_turns
from inference.training.prepare.shape import Reason, TurnReason, shape

clean = Cleaner(Cleaning(boilerplate=(r"^【澜湾银行】", r"^此致[\s\S]*$")))


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ("<p>您好&nbsp;&amp;欢迎</p><br/>请<b>稍等</b>", "您好 &欢迎\n请稍等"),
        ("a &amp;lt;br&amp;gt; b", "a\nb"),
        ("存款<5万且>1万；<客户姓名>；x < y and z > w", "存款<5万且>1万；<客户姓名>；x < y and z > w"),
        ("前<script>alert('<b>')</script>后<style>x{}", "前后"),
        ("前<!-- 内部 -->后", "前后"),
        ("卡\u200b号\u00ad是\ufeff\x07多\x00少\u202e", "卡号是多少"),
        (
            "[图片]看[捂脸]这个【语音】[文件：账单.pdf] [验证码已隐去] [1] [转账方式]",
            "看这个 [验证码已隐去] [1] [转账方式]",
        ),
        ("对方撤回了一条消息", ""),
        ("您撤回了一条消息\n在吗", "在吗"),
        ("This message was deleted.", ""),
        ("“王丽” 撤回了一条消息", ""),
        ("[对方撤回了一条消息]", ""),
        ("你撤回了一条消息 重新编辑", ""),
        ("我刚才撤回了消息，信用卡丢了怎么办", "我刚才撤回了消息，信用卡丢了怎么办"),
        ("怎么撤回消息", "怎么撤回消息"),
        ("Agent recalled a message", ""),
        ("I deleted this message by mistake", "I deleted this message by mistake"),
        ("如果利率a<b and c>d怎么算", "如果利率a<b and c>d怎么算"),
        ("a<p and q>b", "a<p and q>b"),
        ('<a href="x" target=_blank>看</a><input disabled><p class=x>这里', "看\n这里"),
        ("可以撤回转账吗", "可以撤回转账吗"),
        ("见 https://bank.example/a?b=1&c=2，谢谢", "见 ，谢谢"),
        ("See www.bank.example/x.", "See ."),
        ("急！！！！！怎么办？？？啊。。。。。。嗯......", "急！怎么办？啊…嗯..."),
        ("😭😭😭 好👨‍👩‍👧的", "😭 好👨的"),
        ("======\n正文\n————————", "正文"),
        ("138****8000 ***", "138****8000 ***"),
        ("  a \t b　c \r\n\r\n  d  ", "a b c\nd"),
        ("【澜湾银行】您好", "您好"),
        ("好的。\n此致\n敬礼\n小王", "好的。"),
    ],
)
def test_noise_goes_and_meaning_stays(raw: str, left: str) -> None:
    assert clean(raw) == left


def test_urls_can_be_kept() -> None:
    assert Cleaner(Cleaning(urls="keep"))("见 https://a.example/b") == "见 https://a.example/b"


def test_an_entity_doesnt_hide_a_number_from_the_mask() -> None:
    turns, _ = mask_turns([Turn("customer", clean("我的手机号是&#49;&#51;8\u200b00138000"))])
    assert turns[0].text == "我的手机号是138****8000"


@given(st.text(alphabet=st.sampled_from("ab好1<>&;#/!-。.！[]图片\n\r\t \u200bbrp"), max_size=60))
def test_cleaning_twice_changes_nothing_that_matters(raw: str) -> None:
    once = clean(raw)
    assert once == once.strip()
    assert not {"\r", "\u200b", "\t", "\0"} & set(once)
    assert len(once) <= len(raw) + 2


def turns_of(*said: tuple[Role, str]) -> list[Turn]:
    return [Turn(role, text) for role, text in said]


def shaped(*said: tuple[Role, str], limits: Limits | None = None) -> list[tuple[str, str]] | Reason:
    found = shape(turns_of(*said), clean, limits or Limits(), Counter())
    return found if isinstance(found, str) else [(turn.role, turn.text) for turn in found[0]]


def test_a_dialogue_alternates_begins_with_the_customer_and_ends_with_the_counter() -> None:
    dropped: Counter[TurnReason] = Counter()
    turns = turns_of(
        ("counter", "您好，有什么可以帮您"),
        ("customer", "卡丢了"),
        ("customer", "[图片]"),
        ("customer", "怎么办"),
        ("counter", "请先挂失。"),
        ("counter", "再补卡。"),
        ("customer", "哦"),
    )
    found = shape(turns, clean, Limits(), dropped)
    assert not isinstance(found, str)
    assert found == (
        tuple(turns_of(("customer", "卡丢了\n怎么办"), ("counter", "请先挂失。\n再补卡。"))),
        "zh",
    )
    assert dropped == {"empty": 1, "before_the_question": 1, "unanswered": 1}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([], "empty"),
        ([("customer", "[图片]"), ("counter", "\u200b")], "empty"),
        ([("counter", "您好"), ("counter", "在吗")], "no_customer"),
        ([("customer", "在吗"), ("customer", "有人吗")], "no_reply"),
        ([("counter", "您好"), ("customer", "在吗")], "no_reply"),
        ([("customer", "在"), ("counter", "您好，请讲")], "too_short"),
        ([("customer", "卡丢了怎么办"), ("counter", "x" * 200)], "too_long"),
        ([("customer", "卡丢了怎么办"), ("counter", "<b>" * 1000)], "too_long"),
        ([("customer", "第一个问题"), ("counter", "第一个回答")] * 3, "too_long"),
        ([("customer", "卡丢了怎\ufffd\ufffd办"), ("counter", "请先挂失。")], "broken_text"),
    ],
)
def test_what_isnt_fit_has_a_reason(said: list[tuple[Role, str]], why: Reason) -> None:
    assert shaped(*said, limits=Limits(max_chars=100, max_turns=4)) == why


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("信用卡怎么还款", "zh"),
        ("我的 Apple Pay 绑不上 Visa 卡", "zh"),
        ("How do I close my account?", "en"),
        ("IBAN SWIFT", "en"),
        ("¿Cómo puedo abrir una cuenta corriente en su banco este mes?", "other"),
        ("口座を開設するにはどうすればいいですか", "other"),
        ("Как открыть счёт?", "other"),
        ("12345 ……", "other"),
    ],
)
def test_the_language_is_told(text: str, language: str) -> None:
    assert language_of(text) == language


def masked(*said: tuple[Role, str]) -> list[str]:
    return [turn.text for turn in mask_turns(turns_of(*said))[0]]


@pytest.mark.parametrize(
    ("question", "answer", "shown"),
    [
        ("请问您的姓名？", "张伟", "张*"),
        ("请把短信验证码告诉我一下", "好的，483920", "好的，[验证码已隐去]"),
        ("May I have your name please?", "John Smith", "J** S**"),
        ("请问您的姓名？", "好的", "好的"),
        ("怎么称呼您", "不用了，谢谢", "不用了，谢谢"),
        ("您想查哪张卡", "张伟", "张伟"),
    ],
)
def test_a_bare_answer_is_read_with_the_question_before_it(question: str, answer: str, shown: str) -> None:
    assert masked(("counter", question), ("customer", answer))[1] == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (["请提供您的姓名", "稍等", "好的", "王小明"], "王**"),
        (["请提供您的姓名", "稍等", "好的，请问要办什么", "王小明"], "王小明"),
        (["请提供您的姓名", "张伟", "好的", "王小明"], "王小明"),
        (["请提供您的姓名", "稍等", "好的，您也可以带身份证原件到任意一家网点去办理。", "王小明"], "王小明"),
    ],
)
def test_a_question_stands_until_it_is_answered_or_another_follows(said: list[str], shown: str) -> None:
    turns = [Turn("customer" if n % 2 else "counter", text) for n, text in enumerate(said)]
    assert mask_turns(turns)[0][-1].text == shown


def test_what_was_masked_once_is_masked_in_every_turn() -> None:
    assert masked(
        ("customer", "我叫李晓明"),
        ("counter", "晓明您好，请提供订单"),
        ("customer", "My name is Dana Whitcombe"),
        ("counter", "Thank you, Dana. Dananight isn't you."),
    ) == ["我叫李**", "**您好，请提供订单", "My name is D** W**", "Thank you, D**. Dananight isn't you."]
    first, _, last = masked(
        ("customer", "卡号6222021234567890128"), ("counter", "好"), ("customer", "是6222021234567890128")
    )
    assert first == "卡号622202*********0128"
    assert "1234567" not in last
