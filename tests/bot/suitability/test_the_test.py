"""The conversation of the risk test, from the first word to the result."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from bot.suitability.profile import Profile, Rating, Test
from bot.suitability.shelf import Counter
from bot.types import encode
from tests.bot.suitability.desk import ELSEWHERE, Customer, questionnaire
from tests.make import NOON


async def test_a_whole_test_ends_in_an_estimate_and_a_link_never_in_a_rating() -> None:
    customer = Customer()
    text = await customer.take_test()
    assert "预估结果" in text
    assert "不是正式评级" in text
    assert "https://www.lanwan.example/wealth/risk-test" in text
    assert "理财非存款" in text
    assert customer.profile.official is None
    assert customer.profile.estimate is not None
    assert customer.profile.estimate.source == "prescreen"
    assert [test.status for test in customer.profile.tests] == ["finished"]
    assert "suitability" not in customer.state


async def test_where_the_law_allows_it_the_test_is_the_rating() -> None:
    customer = Customer(jurisdiction="SG")
    text = await customer.take_test()
    assert "预估" not in text
    assert "http" not in text
    assert customer.profile.official is not None
    assert customer.profile.official.source == "test"


async def test_numbers_letters_and_words_are_answers_too() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.say("1")
    assert "第1题" in customer.text
    await customer.say("3")
    await customer.say("B")
    await customer.say("5万至30万元")
    assert "第4题" in customer.text
    assert list(customer.answers.values()) == ["middle", "b", "b"]
    await customer.say("9")
    assert len(customer.answers) == 3


@pytest.mark.parametrize(
    ("answer", "option", "level"),
    [
        ("loss", "none", "C1"),
        ("share", "borrowed", "C1"),
        ("debts", "strained", "C1"),
        ("horizon", "a", "C2"),
        ("goal", "keep", "C2"),
        ("reaction", "out", "C2"),
        ("years", "none", "C3"),
    ],
)
async def test_a_knock_out_caps_the_level_whatever_the_score(answer: str, option: str, level: str) -> None:
    customer = Customer()
    await customer.take_test()
    assert customer.profile.level(NOON) == "C5"
    customer = Customer()
    text = await customer.take_test(**{answer: option})
    assert customer.profile.level(NOON) == level
    assert "从严" in text


async def test_another_question_is_answered_and_the_test_waits() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    await customer.press("31至50岁")
    text = await customer.say("转账多久到账？")
    assert text == ELSEWHERE
    assert set(customer.passed_on) == {"转账多久到账?"}
    assert [button.label for button in customer.buttons] == ["继续测评", "先不做了"]
    # A number now means the buttons just shown, and one beyond them is no answer to the test.
    await customer.say("4")
    assert len(customer.answers) == 1
    await customer.say("继续")
    assert "第2题" in customer.text


async def test_a_test_left_alone_can_be_resumed_and_is_counted_once() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    await customer.press("31至50岁")
    customer.later(hours=20)
    text = await customer.say("做风险测评")
    assert "第2题" in text
    assert len(customer.profile.tests) == 1
    customer.later(hours=25)
    text = await customer.say("做风险测评")
    assert "大约5分钟" in text
    assert customer.answers == {}


async def test_it_can_be_cancelled_at_any_step() -> None:
    for steps in range(14):
        customer = Customer()
        await customer.say("风险测评")
        for step in range(steps):
            await customer.press("开始" if step == 0 else customer.buttons[1].label)
        text = await customer.say("算了，不测了" if steps % 2 else "取消")
        assert "不做" in text or "停在这里" in text, (steps, text)
        assert "suitability" not in customer.state
        assert customer.profile.estimate is None


async def test_the_third_test_of_a_day_is_refused_until_the_banks_midnight() -> None:
    customer = Customer()
    await customer.take_test()
    await customer.take_test()
    text = await customer.say("重新做一次风险测评")
    assert "2026年7月2日" in text
    assert "suitability" not in customer.state
    customer.later(hours=4)  # 12:00 UTC is 20:00 at the bank
    assert "大约5分钟" in await customer.say("风险测评")


async def test_the_ninth_test_in_twelve_months_is_refused() -> None:
    customer = Customer()
    for _ in range(4):
        await customer.take_test()
        await customer.take_test()
        customer.later(days=30)
    text = await customer.say("风险测评")
    assert "12个月内的8次" in text
    assert "2027年7月1日" in text


async def test_cancelling_after_the_first_answer_counts_and_restarting_counts_again() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    await customer.press("31至50岁")
    await customer.say("重新开始")
    await customer.press("开始")
    await customer.press("31至50岁")
    assert len(customer.profile.counted) == 2
    text = await customer.say("重新开始")
    assert "今天的2次" in text
    # What was begun isn't lost by asking for too much.
    assert "第2题" in await customer.say("继续")


async def test_not_beginning_counts_nothing() -> None:
    customer = Customer()
    for _ in range(5):
        await customer.say("风险测评")
        await customer.press("先不做了")
    assert customer.profile.tests == ()


@pytest.mark.parametrize(
    "text",
    [
        "选哪个能到C5",
        "这题选哪个好",
        "我该怎么选",
        "帮我选一个",
        "哪个分高",
        "what should I answer to get aggressive",
        "which one is better?",
        "choose it for me",
        "正确答案是什么",
        "怎么答才能是进取型",
    ],
)
async def test_coaching_is_refused_kindly_and_the_question_stands(text: str) -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    before = customer.answers
    said = await customer.say(text)
    assert customer.passed_on == []
    assert "第1题" in said or "Question 1" in said
    assert "护住您的钱" in said or "protect your money" in said
    assert customer.answers == before


@pytest.mark.parametrize(
    "text",
    [
        "我帮我妈答",
        "这是替客户做的",
        "替他选吧",
        "I'm answering this for my mother",
        "this is for my husband",
    ],
)
async def test_answering_for_somebody_else_is_refused(text: str) -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    said = await customer.say(text)
    assert "本人" in said or "the person it is about" in said
    assert customer.passed_on == []


async def test_answers_change_only_by_starting_over() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    first = customer.buttons
    await customer.press("31至50岁")
    assert "不能单独改" in await customer.say("我刚才选错了，想改答案")
    # The button of a question already answered changes nothing.
    await customer.press_value(first[1].value)
    assert customer.answers == {"age": "middle"}


async def test_a_button_of_an_earlier_test_does_nothing() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    old = customer.buttons[2].value
    await customer.press("31至50岁")
    await customer.say("取消")
    assert "已经不能用了" in await customer.press_value(old)
    await customer.say("风险测评")
    await customer.press("开始")
    await customer.press_value(old)
    assert customer.answers == {}


@pytest.mark.parametrize(
    "value", ["suit:", "suit:a", "suit:a:x:y:z:w", "suit:need:nothing", "suit:own", "suit:own:x"]
)
async def test_buttons_that_nobody_made_do_no_harm(value: str) -> None:
    customer = Customer()
    assert await customer.press_value(value)
    await customer.say("风险测评")
    assert await customer.press_value(value)
    assert customer.profile == Profile()


async def test_the_meaning_of_a_question_is_explained_without_steering() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    await customer.press("31至50岁")
    said = await customer.say("这是什么意思")
    assert "退休金" in said
    assert "第2题" in said


async def test_older_customers_are_asked_twice_and_count_one_level_lower() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    said = await customer.press("65岁")
    assert "家人" in said
    assert "网点" in said
    await customer.press("看懂了")
    assert "不着急" in customer.text
    customer = Customer()
    said = await customer.take_test(age="senior")
    estimate = customer.profile.estimate
    assert estimate is not None
    assert estimate.level == "C5"
    assert customer.profile.level(NOON) == "C4"
    assert "低一级" in said
    assert "C4" in said
    assert "C5" not in said
    confirmed = msgspec.structs.replace(estimate, confirmed_by="li")
    assert msgspec.structs.replace(customer.profile, estimate=confirmed).level(NOON) == "C5"


async def test_an_older_customer_who_does_not_understand_the_risk_gets_no_result() -> None:
    customer = Customer(profile=Profile(age=71))
    await customer.say("风险测评")
    await customer.press("开始")
    await customer.answer_all(age="later")
    await customer.press("确认")
    said = await customer.press("不太明白")
    assert "网点" in said
    assert customer.profile.estimate is None
    assert customer.profile.age == 71


async def test_minors_take_no_test_and_nothing_is_counted() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    assert "监护人" in await customer.press("未满18岁")
    assert customer.profile.counted == ()
    assert "监护人" in await Customer(profile=Profile(age=15)).say("风险测评")


async def test_in_a_group_no_test_is_taken() -> None:
    customer = Customer(group=True)
    assert "私下" in await customer.say("我要做风险测评")
    assert "私下" in await customer.press_value("suit:start")
    assert customer.buttons == []


async def test_a_new_questionnaire_ends_the_test_and_does_not_count_it() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    await customer.press("31至50岁")
    renewed = questionnaire().model_copy(update={"version": "next"})
    customer.counter = dataclasses.replace(customer.counter, questionnaire=renewed)
    assert "刚更新" in await customer.say("2")
    assert customer.profile.counted == ()
    assert [test.status for test in customer.profile.tests] == ["void"]


async def test_answers_are_neither_in_the_history_nor_in_the_record() -> None:
    customer = Customer()
    await customer.say("风险测评")
    await customer.press("开始")
    await customer.press("31至50岁")
    assert customer.outcome.seen == "（风险测评中的选择）"
    assert b"middle" not in encode([entry.data for entry in customer.outcome.audit])


async def test_the_official_rating_is_named_beside_an_estimate() -> None:
    official = Rating("C2", NOON, "bank")
    customer = Customer(profile=Profile(official=official))
    text = await customer.take_test()
    assert "正式评级仍是C2" in text
    assert customer.profile.level(NOON) == "C2"


async def test_an_expired_rating_counts_for_nothing() -> None:
    profile = Profile(official=Rating("C4", NOON, "bank"))
    customer = Customer(profile=profile)
    customer.later(days=366)
    assert profile.level(customer.now) is None
    assert "过期" in await customer.say("风险测评")


async def test_without_the_files_everything_passes_on() -> None:
    customer = Customer()
    customer.counter = Counter()
    assert await customer.say("风险测评") == ELSEWHERE
    assert await customer.say("推荐一款理财") == ELSEWHERE
    assert await Customer(enabled=False).say("风险测评") == ELSEWHERE


async def test_english_customers_are_served_in_english() -> None:
    customer = Customer()
    assert "estimate" in await customer.say("I'd like to take the risk test")
    await customer.press("Begin")
    assert "Question 1 of 12" in customer.text
    await customer.say("31 to 50")
    assert "Question 2 of 12" in customer.text


def test_tests_that_limits_forgot_are_not_kept_for_ever() -> None:
    profile = Profile()
    from bot.suitability.profile import ProfileChange, merge

    for number in range(60):
        profile = merge(profile, ProfileChange("s", test=Test(f"{number}", NOON, "v")))
    assert len(profile.tests) == 40
