"""Levels, limits, questionnaire, products, needs and ranking, each by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.config.models import Config
from bot.config.suitability import Suitability
from bot.errors import ConfigError
from bot.suitability import products, questionnaire
from bot.suitability.levels import LEVELS, RISKS, allowed, allows, higher, one_down, rank
from bot.suitability.limits import Limits, months_later, refusal
from bot.suitability.needs import Needs, needs_of
from bot.suitability.profile import Profile, ProfileChange, Rating, Test, merge
from bot.suitability.recommend import recommend
from bot.suitability.scoring import score
from bot.suitability.wording import inducing
from tests.bot.suitability.desk import CONFIG, counter
from tests.bot.suitability.desk import questionnaire as shipped

NOW = datetime(2026, 3, 10, 3, 0, tzinfo=UTC)
PRODUCTS = CONFIG / "products.yaml"


# ── levels and limits ──


def test_the_matrix_is_a_staircase() -> None:
    assert [allowed(level)[-1] for level in LEVELS] == list(RISKS)
    assert allowed("C1") == ("R1",)
    assert all(allows(level, risk) == (rank(risk) <= rank(level)) for level in LEVELS for risk in RISKS)
    assert higher("R2", "R3") == higher("R3", "R2") == "R3"
    assert [one_down(level) for level in LEVELS] == ["C1", "C1", "C2", "C3", "C4"]


def test_months_end_where_the_shorter_month_does() -> None:
    assert months_later(datetime(2028, 2, 29, tzinfo=UTC), 12).date() == date(2029, 2, 28)
    assert months_later(datetime(2026, 1, 31, tzinfo=UTC), 1).date() == date(2026, 2, 28)
    assert months_later(datetime(2026, 3, 31, tzinfo=UTC), -1).date() == date(2026, 2, 28)


@given(st.lists(st.integers(0, 500 * 24 * 60), max_size=30))
def test_limits_hold_for_any_history(minutes: list[int]) -> None:
    """Whoever takes every test that is allowed has at most 2 a day and 8 in any 12 months."""
    limits = Limits()
    taken: list[datetime] = []
    for minute in sorted(minutes):
        at = NOW + timedelta(minutes=minute)
        found = refusal(taken, at, limits)
        if found is None:
            taken.append(at)
        else:
            assert found.again > at
            assert refusal(list(taken), found.again, limits) is None or found.reason == "day"
    bank = timedelta(hours=8)
    days = [(at + bank).date() for at in taken]
    assert all(days.count(day) <= 2 for day in days)
    for at in taken:
        assert sum(months_later(other, 12) > at for other in taken if other <= at) <= 8


def test_the_full_test_is_refused_in_china() -> None:
    with pytest.raises(ValueError, match=r"suitability\.mode: full can't be used"):
        Config.model_validate({"bank": {"jurisdiction": "CN"}, "suitability": {"mode": "full"}})
    elsewhere = {"bank": {"jurisdiction": "SG"}, "suitability": {"mode": "full"}}
    assert Config.model_validate(elsewhere).suitability.mode == "full"


def test_settings_may_be_stricter_than_the_regulation_never_looser() -> None:
    assert Suitability().mode_in("CN") == "prescreen_link"
    assert Suitability().mode_in("SG") == "full"
    assert Suitability(mode="prescreen_link").mode_in("SG") == "prescreen_link"
    for loose in ({"valid_months": 13}, {"tests_per_day": 3}, {"tests_per_year": 9}, {"elder_age": 66}):
        with pytest.raises(ValueError, match=next(iter(loose))):
            Suitability(**loose)  # type: ignore[arg-type]


# ── profile ──


def test_a_rating_lasts_as_long_as_the_house_says() -> None:
    profile = Profile(official=Rating("C3", NOW, "bank"))
    assert profile.level(months_later(NOW, 12) - timedelta(seconds=1)) == "C3"
    assert profile.level(months_later(NOW, 12)) is None
    stricter = profile.under(valid_months=6, elder_age=60)
    assert stricter.level(months_later(NOW, 7)) is None
    assert stricter.stored() == profile


def test_the_official_rating_counts_before_the_estimate_and_the_estimate_when_it_has_run_out() -> None:
    old = Rating("C4", NOW - timedelta(days=400), "bank")
    estimate = Rating("C2", NOW, "prescreen")
    assert Profile(official=old, estimate=estimate).level(NOW) == "C2"
    assert Profile(official=Rating("C4", NOW, "bank"), estimate=estimate).level(NOW) == "C4"


def test_the_banks_own_rating_of_an_older_customer_stands() -> None:
    assert Profile(age=70, official=Rating("C3", NOW, "bank")).level(NOW) == "C3"
    assert Profile(age=70, official=Rating("C3", NOW, "test")).level(NOW) == "C2"
    assert Profile(age=64, official=Rating("C3", NOW, "test")).level(NOW) == "C3"


def test_applying_a_change_twice_is_applying_it_once() -> None:
    change = ProfileChange("s", test=Test("t", NOW, "v"), rating=Rating("C2", NOW, "prescreen"), age=40)
    once = merge(Profile(), change)
    assert merge(once, change) == once
    assert merge(once, ProfileChange("s", forget=("age", "estimate"))).rating(NOW) is None


# ── questionnaire ──


def _answers(pick: object) -> dict[str, str]:
    return {question.id: pick(question).id for question in shipped().questions}  # type: ignore[operator]


def test_the_shipped_questionnaire_reaches_every_level() -> None:
    questions = shipped().questions
    assert len(questions) == 12
    answers = {
        question.id: next(o for o in question.options if o.cap is None and not o.ends).id
        for question in questions
    }
    reached = {score(shipped(), answers).by_points}
    for question in questions:
        for option in sorted(question.options, key=lambda option: option.score):
            if not option.ends:
                answers[question.id] = option.id
                reached.add(score(shipped(), answers).by_points)
    lowest = _answers(lambda q: min((o for o in q.options if not o.ends), key=lambda o: o.score))
    reached.add(score(shipped(), lowest).by_points)
    assert reached == set(LEVELS)


def test_no_tolerance_for_loss_is_the_lowest_class() -> None:
    best = _answers(lambda q: max(q.options, key=lambda o: o.score))
    assert score(shipped(), best).level == "C5"
    result = score(shipped(), {**best, "loss": "none"})
    assert (result.level, result.by_points, result.capped_by) == ("C1", "C5", ("loss",))


@given(st.data())
def test_a_more_cautious_answer_never_raises_the_level(data: st.DataObject) -> None:
    answers = {q.id: data.draw(st.sampled_from([o.id for o in q.options])) for q in shipped().questions}
    question = data.draw(st.sampled_from(shipped().questions))
    before = score(shipped(), answers)
    chosen = question.option(answers[question.id])
    assert chosen is not None
    for option in question.options:
        stricter = option.cap is not None and (chosen.cap is None or rank(option.cap) <= rank(chosen.cap))
        if option.score <= chosen.score and (stricter or (option.cap == chosen.cap)):
            assert rank(score(shipped(), {**answers, question.id: option.id}).level) <= rank(before.level)


def test_incomplete_answers_have_no_score() -> None:
    with pytest.raises(ValueError, match="age"):
        score(shipped(), {})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("effective_from:", "efective_from:", "did you mean 'effective_from'"),
        ("up_to: 100", "up_to: 90", "up_to: 100"),
        ("  - {level: C2, up_to: 46}\n", "", "in this order"),
        ("  - id: income", "  - id: age", "used twice"),
        ("score: 0, cap: C1}\n      - {id: small", "score: 0}\n      - {id: small", "bear no loss"),
        ("dimension: goal", "dimension: share", "no question is about goal"),
        ("cap: C3", "cap: C9", "C9"),
        (", age_from: 65", "", "age_from"),
        ('version: "2026.2"', 'version: "a b"', "version"),
    ],
)
def test_a_wrong_questionnaire_is_refused_with_its_line(old: str, new: str, said: str) -> None:
    text = (CONFIG / "suitability.yaml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ConfigError) as error:
        questionnaire.read(text.replace(old, new, 1), Path("s.yaml"))
    assert said in str(error.value)
    assert all(problem.line > 0 for problem in error.value.problems)


# ── products ──


def test_the_shipped_shelf_covers_every_kind_and_rating_and_agrees_with_the_knowledge() -> None:
    shelf = counter().shelf
    assert len(shelf.products) >= 20
    assert {product.kind for product in shelf.products} == {
        "deposit",
        "wealth",
        "fund",
        "insurance",
        "gold",
        "bond",
    }
    assert {product.risk for product in shelf.products} == set(RISKS)
    facts = {}
    for path in (CONFIG / "knowledge" / "facts").glob("*.yaml"):
        found = yaml.safe_load(path.read_text(encoding="utf-8"))["facts"]
        facts.update({name: fact["value"] for name, fact in found.items()})
    assert products.check_facts(shelf, PRODUCTS, facts) == []
    wrong = {**facts, "wealth.mixed_min": 60000}
    assert "lanying-growth says 50000" in str(products.check_facts(shelf, PRODUCTS, wrong)[0])
    del wrong["wealth.fixed_min"]
    assert any("did you mean" in str(problem) for problem in products.check_facts(shelf, PRODUCTS, wrong))


def test_of_two_ratings_the_higher_counts() -> None:
    index = counter().shelf.get("fund-index")
    assert index is not None
    assert index.ratings is not None
    assert (index.ratings.issuer, index.ratings.seller, index.risk) == ("R3", "R4", "R4")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("我想买澜盈稳健180天", ["lanying-steady-180"]),
        ("澜盈稳健 365 天", ["lanying-steady-365"]),
        ("buy Lanying Growth", ["lanying-growth"]),
        ("记账式国债", ["bond-counter"]),
        ("国债", ["bond-savings"]),
        ("今天天气不错", []),
    ],
)
def test_products_are_known_by_name(text: str, ids: list[str]) -> None:
    assert [product.id for product in counter().shelf.named(text)] == ids


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    liquidity: notice", "    liquidity: notize", "did you mean 'notice'"),
        ("    suits: {zh: 日常收支", "    suit: {zh: 日常收支", "did you mean 'suits'"),
        ("日常收支、随时要用的钱", "高收益、随时要用的钱", "高收益"),
        ("money for daily use", "risk-free money for daily use", "risk-free"),
        ("{issuer: R3, seller: R4}", "{issuer: R3, seller: R6}", "R6"),
        ("  - id: deposit-notice-7", "  - id: deposit-demand", "used twice"),
        ("    minimum: 50000\n    terms_days: [7]", "    terms_days: [7]", "either minimum"),
        ("needs: [growth]", "needs: [grow]", "did you mean 'growth'"),
        ("link: https://www.lanwan.example/deposits/cd", "link: not a link", "link"),
        ("    status: paused", "    sale: {opens: 2026-05-02, closes: 2026-05-01}", "closes before"),
        ("    offering: private\n", "", "offering: private"),
        ("{zh: 澜盈周周, en: Lanying Weekly}", "{zh: 澜盈月月, en: Lanying Weekly}", "called '澜盈月月'"),
    ],
)
def test_a_wrong_product_is_refused_with_its_line(old: str, new: str, said: str) -> None:
    text = PRODUCTS.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ConfigError) as error:
        products.read(text.replace(old, new, 1), Path("p.yaml"))
    assert said in str(error.value)
    assert all(problem.line > 0 for problem in error.value.problems)


def test_a_product_of_a_rated_kind_needs_its_ratings() -> None:
    text = PRODUCTS.read_text(encoding="utf-8").replace("    ratings: {issuer: R1, seller: R1}\n", "", 1)
    with pytest.raises(ConfigError, match="needs ratings"):
        products.read(text, Path("p.yaml"))


@pytest.mark.parametrize(
    "text", ["低门槛起步", "秒 到 账", "保本保息", "Guaranteed returns", "a risk-free choice", "Hurry!"]
)
def test_inducing_words_are_found(text: str) -> None:
    assert inducing(text)


@pytest.mark.parametrize(
    "text", ["非保本浮动收益", "不保本", "not guaranteed returns", "风险等级R1", "净值可能下跌"]
)
def test_what_denies_a_promise_is_fine(text: str) -> None:
    assert not inducing(text)


# ── needs and ranking ──


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("我有10万想放半年", Needs(amount=1e5, within_days=180)),
        ("5000块，随时可能要用", Needs(amount=5000, currency="CNY", any_time=True)),
        ("给孩子存学费，3年用不到", Needs(within_days=1095, purposes=frozenset({"education", "children"}))),
        ("两万美元放一年", Needs(2e4, "USD", 365, purposes=frozenset({"foreign_currency"}))),
        ("推荐点基金，不要黄金", Needs(kinds=frozenset({"fund"}))),
        ("I have $20,000 for six months", Needs(amount=2e4, currency="USD", within_days=180)),
        ("我今年66岁，想稳一点", Needs(purposes=frozenset({"steady"}))),
        ("推荐理财", Needs()),
    ],
)
def test_needs_are_read(text: str, needs: Needs) -> None:
    assert needs_of([text]) == needs


def test_later_words_replace_what_they_contradict_and_keep_the_rest() -> None:
    needs = needs_of(["我有10万放半年", "还是一年吧"])
    assert (needs.amount, needs.within_days) == (1e5, 365)
    assert needs_of(["放半年", "随时要用"]) == Needs(any_time=True)
    assert Needs.of(needs.plain()) == needs


@given(st.text(max_size=200))
def test_needs_can_be_read_from_anything(text: str) -> None:
    needs = needs_of([text])
    assert Needs.of(needs.plain()) == needs


_NEEDS = st.builds(
    Needs,
    amount=st.none() | st.floats(1, 1e8),
    currency=st.sampled_from(["", "CNY", "USD", "EUR"]),
    within_days=st.none() | st.integers(1, 5000),
    purposes=st.frozensets(st.sampled_from(products.NEEDS), max_size=3),
    kinds=st.frozensets(st.sampled_from(["fund", "gold", "bond", "deposit", "insurance"]), max_size=2),
)


@given(level=st.none() | st.sampled_from(LEVELS), needs=_NEEDS)
def test_nothing_unsuitable_or_beside_the_point_is_ever_shown(level: object, needs: Needs) -> None:
    found = recommend(counter().shelf, level, needs, date(2026, 7, 1))  # type: ignore[arg-type]
    assert len(found.picks) <= 3
    for pick in found.picks:
        product = pick.product
        assert pick.matches
        assert allows(level or "C1", product.risk)  # type: ignore[arg-type]
        assert product.offering == "public"
        assert product.status == "on_sale"
        assert not needs.kinds or product.kind in needs.kinds
        if needs.amount is not None and product.minimum is not None:
            assert product.minimum <= needs.amount
        if needs.within_days is not None:
            assert min(product.terms_days) <= needs.within_days
        if needs.currency:
            assert product.currency == needs.currency


def test_the_nearest_to_what_was_said_comes_first() -> None:
    def first(level: str, text: str) -> str:
        found = recommend(counter().shelf, level, needs_of([text]), date(2026, 7, 1))  # type: ignore[arg-type]
        return found.picks[0].product.id

    assert first("C2", "10万半年内用不到，想稳一点") == "deposit-fixed"  # of equals the one with less risk
    assert first("C2", "十万买点国债，3年用不到，每年拿利息") == "bond-savings"
    assert first("C3", "想买点黄金抗通胀") == "gold-accumulation"
    assert first("C3", "为退休准备，10年用不到，想增值") == "fund-pension"
    assert first("C2", "随时要用的零钱") in ("lanying-daily", "fund-money", "deposit-demand")


def test_interest_ranks_but_rules_nothing_out() -> None:
    shelf, day = counter().shelf, date(2026, 7, 1)
    needs = Needs(any_time=True, purposes=frozenset({"spare_cash"}))
    plain = recommend(shelf, "C2", needs, day)
    asked = recommend(shelf, "C2", needs, day, interest=Needs(kinds=frozenset({"fund"})))
    assert asked.picks[0].product.id == "fund-money"
    assert {pick.product.id for pick in plain.picks} == {pick.product.id for pick in asked.picks}


def test_what_is_not_on_sale_is_not_shown() -> None:
    text = PRODUCTS.read_text(encoding="utf-8").replace(
        "  - id: gold-accumulation\n",
        "  - id: gold-accumulation\n    sale: {opens: 2026-08-01, closes: 2026-08-31}\n",
    )
    shelf = products.read(text, Path("p.yaml"))
    needs = Needs(kinds=frozenset({"gold"}))
    shown = [
        bool(recommend(shelf, "C5", needs, day).picks)
        for day in (date(2026, 7, 31), date(2026, 8, 1), date(2026, 8, 31), date(2026, 9, 1))
    ]
    assert shown == [False, True, True, False]
