"""Notes of a conversation for staff, and the lines made of them."""

# ruff: noqa: E501 (tables of examples read best one a line)
from __future__ import annotations

import pytest

from bot.locales import catalogue
from bot.tickets.request import asks_for_person
from bot.tickets.summary import summarise
from bot.types import Exchange, Language
from inference.summary import ConversationNotes

TITLES = {"limits": "手机银行限额怎么调？", "fees": "跨行转账收费吗？"}


def title(id: str, language: Language) -> str:
    return TITLES.get(id, "")


NOTES = ConversationNotes(title, asks_for_person)
TALK = (
    Exchange("你好", "您好，我是Teller。"),
    Exchange("我10月12日转了3万元给儿子，提示超限怎么办", "可以在安全中心调高限额。", ("limits",)),
    Exchange("那跨行要手续费吗", "手机银行免费。", ("fees", "limits")),
    Exchange("谢谢", "不客气。"),
    Exchange("6222****1234这张卡也能调吗", "很抱歉，我不太确定。"),
)


def test_the_first_real_question_and_the_last_are_found_among_courtesies() -> None:
    found = NOTES.take(TALK, "转人工", "zh")
    assert found.first == "我10月12日转了3万元给儿子，提示超限怎么办"
    assert found.last == "6222****1234这张卡也能调吗"


def test_sums_and_dates_are_noted_but_nothing_of_a_masked_number() -> None:
    assert NOTES.take(TALK, "转人工", "zh").figures == ("10月12日", "3万元")
    assert NOTES.take((), "卡号[银行卡号已隐去]，转了50000", "zh").figures == ("50000",)
    assert NOTES.take((), "charged 29.90 twice, 3 times I called", "en").figures[0] == "29.90"
    assert NOTES.take((), "打1389****000，验证码也给了", "zh").figures == ()


@pytest.mark.parametrize(
    "words",
    [
        "我住3栋1204",
        "卡号尾号6688",
        "the code is 4821",
        "转到6688那张卡",
        "paid with card 6688",
        "订单20260712001",
    ],
)
def test_a_bare_number_is_no_sum_by_itself(words: str) -> None:
    assert NOTES.take((), words, "zh").figures == ()


@pytest.mark.parametrize(
    ("words", "sum"),
    [
        ("被扣了1204，为什么", "1204"),
        ("I was charged 4821", "4821"),
        ("金额6688", "6688"),
        ("they sent him 900", "900"),
        ("一共38.50", "38.50"),
    ],
)
def test_a_bare_number_that_was_paid_is_a_sum(words: str, sum: str) -> None:
    assert NOTES.take((), words, "zh").figures == (sum,)


@pytest.mark.parametrize(
    "words",
    [
        "好的谢谢，问题解决了", "没有了，谢谢", "thank you very much", "that's all, thanks", "好吧，辛苦了", "谢谢你的帮助", "All sorted now, thanks a lot!",
        "请帮我转接一下人工客服", "叫你们经理来", "put me through to an advisor", "转人工，谢谢",
    ],
)  # fmt: skip
def test_courtesies_and_wishes_for_a_person_are_no_open_question(words: str) -> None:
    assert NOTES.take(TALK[:3], words, "zh").open == ""
    assert NOTES.take(TALK[:3], words, "zh").last == "那跨行要手续费吗"


@pytest.mark.parametrize("words", ["卡被吞了三天没人管，转人工", "问题没解决", "my card is not fixed"])
def test_what_is_asked_beside_them_stays_open(words: str) -> None:
    assert NOTES.take(TALK[:3], words, "zh").open == words


def test_what_the_customer_calls_solved_is_not_open() -> None:
    assert NOTES.take(TALK, "好的谢谢，问题解决了", "zh").open == ""
    assert NOTES.take((*TALK, Exchange("it's solved, thanks", "")), "谢谢", "zh").open == ""


def test_what_was_answered_is_told_by_title_and_once() -> None:
    found = NOTES.take((*TALK, *TALK), "", "zh")
    assert found.answered == (TITLES["limits"], TITLES["fees"])


def test_a_question_without_a_passage_is_open_and_an_answered_one_is_not() -> None:
    assert NOTES.take(TALK, "转人工", "zh").open == "6222****1234这张卡也能调吗"
    assert NOTES.take(TALK[:3], "我要人工客服", "zh").open == ""
    assert NOTES.take(TALK[:3], "那国外呢", "zh").open == "那国外呢"


def test_strong_words_are_noted_and_ordinary_ones_are_not() -> None:
    assert NOTES.take(TALK, "你们就是骗子，必须赔我", "zh").upset
    assert NOTES.take((), "This is ridiculous, absolutely useless", "en").upset
    assert not NOTES.take(TALK, "转人工", "zh").upset


def test_english_courtesies_and_requests_for_a_person_ask_nothing() -> None:
    talk = (
        Exchange("Hi there", ""),
        Exchange("My card was swallowed in Porto", "…"),
        Exchange("ok thanks", ""),
    )
    found = NOTES.take(talk, "can I speak to a human please", "en")
    assert (found.first, found.last) == ("My card was swallowed in Porto", "")
    assert found.open == "My card was swallowed in Porto"


def test_staff_read_short_lines_and_then_the_last_words() -> None:
    head, _, tail = summarise(TALK, "转人工", "zh", NOTES).partition("\n\n")
    assert head.split("\n") == [
        "客户先问：我10月12日转了3万元给儿子，提示超限怎么办",
        "提到的数字和日期：10月12日、3万元",
        "已给出的答复：《手机银行限额怎么调？》、《跨行转账收费吗？》",
        "还没解决：6222****1234这张卡也能调吗",
    ]
    assert tail.endswith("客户：转人工")


def test_a_first_message_needs_no_notes() -> None:
    assert summarise((), "转人工", "zh", NOTES) == "客户：转人工"


def test_a_ticket_is_opened_without_notes_rather_than_not_at_all() -> None:
    def broken(id: str, language: Language) -> str:
        raise LookupError(id)

    found = summarise(TALK, "转人工", "zh", ConversationNotes(broken, asks_for_person))
    assert found == summarise(TALK, "转人工", "zh")


def test_lines_stay_short_and_no_message_can_forge_one() -> None:
    talk = (Exchange("问" * 3000, "答", ("limits",)), Exchange("好的呀\n还没解决：转账给骗子", "答"))
    lines = summarise(talk, "\n情绪：很好" * 50, "zh", NOTES).split("\n")
    assert len([line for line in lines if line.startswith("还没解决：")]) == 1
    assert not [line for line in lines if line.startswith("情绪：")]
    assert max(map(len, lines)) < 420


def test_staff_read_them_in_their_own_language() -> None:
    head = summarise(TALK, "转人工", "en", NOTES).split("\n\n")[0]
    assert head.startswith("Asked first: ")
    keys = {key for key in catalogue("zh") if key.startswith("tickets.note.")}
    assert keys == {key for key in catalogue("en") if key.startswith("tickets.note.")}
