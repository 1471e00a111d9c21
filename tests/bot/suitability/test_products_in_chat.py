"""Products that suit: what is shown, what is refused, and why."""

from __future__ import annotations

import pytest

from bot.suitability.levels import LEVELS, Level, allows
from bot.suitability.profile import Profile, Rating
from bot.suitability.wording import inducing
from bot.types import Exchange
from tests.bot.suitability.desk import ELSEWHERE, Customer, counter
from tests.make import NOON


def rated(level: Level, age: int | None = None) -> Profile:
    return Profile(age=age, official=Rating(level, NOON, "bank"))


def shown(customer: Customer) -> list[str]:
    """Ids of the products in the last message."""
    return [product.id for product in counter().shelf.products if str(product.link) in customer.text]


async def test_products_are_ranked_explained_and_carry_the_disclaimer() -> None:
    customer = Customer(profile=rated("C2"))
    text = await customer.say("我有10万，半年内用不到，想稳一点，推荐个理财产品")
    assert "1. 整存整取定期存款（存款）" in text
    assert "2. 澜盈稳健180天（R2）" in text
    assert "1万元起 · 封闭180天" in text
    assert text.count("与您说的相符：") == len(shown(customer)) <= 3
    assert "https://www.lanwan.example/wealth/lanying-steady-180" in text
    assert "理财非存款、产品有风险、投资须谨慎。" in text
    assert "适合：" not in text  # names, figures and links only, where the law wants no consultation
    [entry] = customer.outcome.audit
    assert entry.data["products"][:2] == ["deposit-fixed", "lanying-steady-180"]


async def test_where_consultation_is_allowed_it_says_whom_a_product_is_for() -> None:
    customer = Customer(profile=rated("C2"), jurisdiction="SG")
    assert "适合：" in await customer.say("10万半年用不到，推荐个理财产品")


@pytest.mark.parametrize("level", LEVELS)
async def test_nothing_above_the_level_is_shown(level: Level) -> None:
    for wish in ("推荐基金", "推荐理财产品，长期增值", "推荐黄金产品", "推荐保险产品", "推荐每月定投的基金"):
        customer = Customer(profile=rated(level))
        await customer.say(wish)
        for id in shown(customer):
            product = counter().shelf.get(id)
            assert product is not None
            assert allows(level, product.risk)
            assert product.offering == "public"


async def test_without_a_rating_only_deposits_and_r1_and_the_way_to_the_test() -> None:
    customer = Customer()
    text = await customer.say("10万半年用不到，推荐点理财")
    assert "还没有您有效的风险等级" in text
    for id in shown(customer):
        product = counter().shelf.get(id)
        assert product is not None
        assert product.risk == "R1"
    assert [button.label for button in customer.buttons] == ["做风险测评"]
    assert "大约5分钟" in await customer.press("做风险测评")


async def test_who_says_nothing_of_their_needs_is_asked() -> None:
    customer = Customer(profile=rated("C3"))
    assert "多久用不到" in await customer.say("推荐理财")
    await customer.press("想每月攒一点")
    assert "deposit-instalment" in shown(customer)
    # What was said stays said for a while.
    await customer.say("推荐基金")
    assert shown(customer)
    customer.later(hours=3)
    assert "多久用不到" in await customer.say("推荐理财")


async def test_what_was_asked_before_counts_as_interest() -> None:
    customer = Customer(profile=rated("C3"))
    customer.history = (Exchange("积存金怎么买", "…"),)
    text = await customer.say("有什么适合我的理财")
    assert shown(customer)[0] == "gold-accumulation"
    assert "黄金价格会涨也会跌" in text


async def test_a_product_above_the_level_is_refused_with_the_reason() -> None:
    customer = Customer(profile=rated("C2"))
    text = await customer.say("我想买澜盈进取")
    assert "R3" in text
    assert "C2" in text
    assert "重新测评" in text
    assert customer.passed_on == []
    assert [button.label for button in customer.buttons] == ["看看适合我的产品", "重新测评"]
    assert customer.outcome.audit[0].data["product"] == "lanying-growth"
    text = await customer.say("I want to buy Wangcheng Technology")
    assert "R5" not in text or "above your C2" in text


async def test_a_question_about_a_product_is_answered_whatever_the_level() -> None:
    customer = Customer(profile=rated("C1"))
    assert await customer.say("澜盈进取怎么赎回？") == ELSEWHERE
    assert await customer.say("我不想买澜盈进取了") == ELSEWHERE


async def test_a_suitable_product_is_left_to_the_knowledge() -> None:
    customer = Customer(profile=rated("C3"))
    assert await customer.say("我想买澜盈进取") == ELSEWHERE
    assert customer.buttons == []


async def test_without_a_level_the_answer_gets_the_way_to_the_test() -> None:
    customer = Customer()
    assert await customer.say("我想买澜盈进取") == ELSEWHERE
    assert [button.label for button in customer.buttons] == ["做风险测评"]
    assert await customer.say("我想买大额存单") == ELSEWHERE
    assert customer.buttons == []


async def test_older_customers_are_told_of_the_branch() -> None:
    customer = Customer(profile=rated("C3", age=70))
    text = await customer.say("推荐基金，三年用不到，想长期投资增值")
    assert "网点" in text


async def test_who_wants_no_loss_is_told_that_only_deposits_promise_none() -> None:
    customer = Customer(profile=rated("C5"))
    text = await customer.say("推荐保本的理财产品，一年用不到")
    assert "没有谁能承诺不亏" in text
    assert all(
        product.risk in ("R1", "R2") for product in counter().shelf.products if product.id in shown(customer)
    )


async def test_during_a_test_products_are_shown_and_the_test_waits() -> None:
    customer = Customer(profile=rated("C2"))
    await customer.say("风险测评")
    await customer.press("开始")
    await customer.press("31至50岁")
    await customer.say("转账多久到账")
    text = await customer.say("我想买澜盈进取")
    assert "高于" in text
    assert customer.answers == {"age": "middle"}


async def test_in_a_group_no_level_and_no_product_is_told() -> None:
    customer = Customer(group=True, profile=rated("C2"))
    text = await customer.say("10万半年用不到，推荐个理财产品")
    assert "C2" not in text
    assert shown(customer) == []


async def test_none_of_what_is_said_induces() -> None:
    customer = Customer(profile=rated("C5"), jurisdiction="SG")
    for wish in (
        "推荐基金",
        "推荐随时能用的理财产品",
        "10万半年推荐产品",
        "recommend a deposit for one year",
    ):
        assert not inducing(await customer.say(wish))
