"""The meter: rates, repetitions, campaigns and lists, told the time by events."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.limits import Rate
from bot.config.models import Config, Localised
from bot.limits.bucket import Bucket
from bot.limits.fingerprint import fingerprint
from bot.limits.meter import Meter
from bot.metrics import Metrics
from bot.types import InboundEvent
from tests.bot.limits.making import config, said

SLOW = config(sender={"per_minute": 6, "burst": 3})
WORDS = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥天地玄黄宇宙洪荒日月盈昃辰宿列张"


def different(number: int) -> str:
    """Texts that have little in common."""
    return "".join(WORDS[(number * 7 + step * (number + 3)) % len(WORDS)] for step in range(6)) + str(number)


# ── rates ──


def test_a_burst_is_answered_and_then_only_what_comes_back_in_time() -> None:
    meter = Meter()
    whys = [meter.admit(said(different(n)), SLOW).why for n in range(5)]
    assert whys == ["", "", "", "rate", "rate"]
    assert meter.admit(said(different(6), 9.9), SLOW).why == "rate"
    assert meter.admit(said(different(7), 10), SLOW).why == ""
    assert meter.admit(said(different(8), 10), SLOW).why == "rate"


def test_the_notice_comes_once_a_burst_and_again_in_the_next() -> None:
    meter = Meter()
    told = [meter.admit(said(different(n), n / 10), SLOW).notice for n in range(40)]
    assert told == [False] * 3 + [True] + [False] * 36
    for n in range(3):
        assert not meter.admit(said(different(50 + n), 300), SLOW).limited
    assert meter.admit(said(different(60), 300), SLOW).notice


def test_a_turn_that_runs_again_isn_t_counted_and_keeps_its_decision() -> None:
    metrics = Metrics()
    meter = Meter(metrics)
    once = said(different(1))
    assert {meter.admit(once, SLOW).why for _ in range(10)} == {""}
    for n in (2, 3):
        meter.admit(said(different(n)), SLOW)
    refused = said(different(4))
    assert [meter.admit(refused, SLOW).notice for _ in range(3)] == [True] * 3
    samples = {
        s.labels["decision"]: s.value
        for metric in metrics.admissions.collect()
        for s in metric.samples
        if s.name.endswith("_total")
    }
    assert samples == {"admitted": 3, "rate": 1}


def test_a_backlog_after_an_outage_is_no_burst() -> None:
    meter = Meter()
    # Said over ten minutes, received all at once when the platform came back.
    events = [said(different(n), n * 20, received=600) for n in range(30)]
    assert not any(meter.admit(event, SLOW).limited for event in events)


def test_a_time_in_the_future_wins_nothing() -> None:
    meter = Meter()
    whys = [meter.admit(said(different(n), 1000 * n, received=0), SLOW).why for n in range(5)]
    assert whys == ["", "", "", "rate", "rate"]


def test_senders_don_t_use_up_each_other_s_rate() -> None:
    meter = Meter()
    for n in range(10):
        meter.admit(said(different(n)), SLOW)
    assert not meter.admit(said(different(11), by="li"), SLOW).limited
    assert not meter.admit(said(different(11), platform="other"), SLOW).limited


def test_a_group_has_a_rate_over_all_its_members() -> None:
    meter, rules = Meter(), config(group={"per_minute": 1, "burst": 4})
    whys = [meter.admit(said(different(n), by=f"m{n}", chat="g", where="group"), rules).why for n in range(6)]
    assert whys == [""] * 4 + ["group_rate"] * 2
    assert not meter.admit(said(different(9), by="m1"), rules).limited  # the same person, alone


def test_a_group_raided_by_many_is_told_once() -> None:
    meter, rules = Meter(), config(group={"per_minute": 1, "burst": 4})
    told = [
        meter.admit(said(different(n), by=f"m{n}", chat="g", where="group"), rules).notice for n in range(50)
    ]
    assert told == [False] * 4 + [True] + [False] * 45


def test_a_platform_s_clock_that_stands_still_stops_nobody() -> None:
    meter = Meter()
    for minute in range(60):
        assert not meter.admit(said(different(minute), -1e9, received=minute * 60), SLOW).limited


def test_when_everybody_writes_those_who_write_little_are_answered_longest() -> None:
    meter = Meter()
    rules = config(everyone={"per_minute": 1, "burst": 20}, sender={"per_minute": 60, "burst": 20})
    heavy = [meter.admit(said(different(n), by="loud"), rules).why for n in range(19)]
    assert heavy == [""] * 16 + ["crowd"] * 3
    light = [meter.admit(said(different(n), by=f"p{n}"), rules).why for n in range(6)]
    assert light == [""] * 4 + ["crowd"] * 2


@given(st.lists(st.floats(0, 10_000, allow_nan=False), max_size=60), st.integers(1, 200), st.integers(1, 30))
def test_a_bucket_never_gives_more_than_its_burst_and_what_flowed_back(
    times: list[float], per_minute: int, burst: int
) -> None:
    bucket, rate = Bucket(), Rate(per_minute=per_minute, burst=burst)
    given_out = sum(bucket.take(rate, at) for at in times)
    span = max(times) - min(times) if times else 0.0
    assert given_out <= burst + span * per_minute / 60 + 1e-6
    assert given_out >= min(len(times), burst)


# ── repetitions ──


def ask(meter: Meter, text: str, at: float, *, answered: bool = True, rules: Config | None = None) -> str:
    event = said(text, at)
    admission = meter.admit(event, rules or Config())
    if answered and not admission.limited:
        meter.answered(event)
    return admission.why + ("!" if admission.notice else "")


def test_the_same_question_is_answered_once_then_said_to_be_then_noted_in_silence() -> None:
    meter = Meter()
    asked = [ask(meter, "转账多久能到账？", 2 * n) for n in range(4)]
    assert asked == ["", "answered!", "answered", "answered"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("转账多久能到账？", "转账多久能到账"),
        ("转账多久能到账", "转 账 多 久 能 到 账！！！"),
        ("How long does a transfer take?", "HOW LONG DOES A TRANSFER TAKE"),
        (
            "我想问一下跨行转账一般要多长时间才能够到账呢谢谢",
            "我想问一下跨行转账一般要多长时间才能够到账呢谢谢啊",
        ),
        ("信用卡丢了怎么办", "信用卡丢了怎么办😭😭😭"),
    ],
)
def test_nearly_the_same_words_are_the_same_question(first: str, second: str) -> None:
    meter = Meter()
    assert ask(meter, first, 0) == ""
    assert ask(meter, second, 5) == "answered!"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("三年定期利率是多少", "五年定期利率是多少"),
        ("转账5000元到他行要手续费吗请告诉我", "转账6000元到他行要手续费吗请告诉我"),
        (
            "我在手机银行里申请的提前还款今天可以办理成功吗",
            "我在手机银行里申请的提前还款今天不可以办理成功吗",
        ),
        ("怎么开通短信提醒", "怎么取消短信提醒"),
        (
            "Can I repay my mortgage early this year with you",
            "Can't I repay my mortgage early this year with you",
        ),
    ],
)
def test_another_figure_or_a_negation_is_another_question(first: str, second: str) -> None:
    meter = Meter()
    assert ask(meter, first, 0) == ""
    assert ask(meter, second, 5) == ""


def test_after_the_window_the_same_question_is_answered_again() -> None:
    meter = Meter()
    assert ask(meter, "转账多久能到账", 0) == ""
    assert ask(meter, "转账多久能到账", 599) == "answered!"
    assert ask(meter, "转账多久能到账", 601) == ""


def test_a_question_without_an_answer_may_be_asked_again() -> None:
    meter = Meter()
    assert [ask(meter, "这个怎么弄来着呢", 20 * n, answered=False) for n in range(3)] == [""] * 3


def test_short_words_are_no_repeated_question() -> None:
    meter = Meter()
    assert [ask(meter, "好的", 30 * n) for n in range(4)] == [""] * 4


def test_a_form_gone_through_with_the_same_short_answers_is_no_flood() -> None:
    meter = Meter()
    letters = "AABACAABBAAACAABAA"
    assert [ask(meter, letter, 3 * n) for n, letter in enumerate(letters)] == [""] * len(letters)


def test_a_few_texts_in_turn_are_a_flood() -> None:
    meter = Meter()
    texts = ("加群领红包速来", "点击链接赚大钱", "免费办理大额卡")
    asked = [ask(meter, texts[n % 3], n, answered=False) for n in range(12)]
    assert asked[:8] == [""] * 8
    assert asked[8:] == ["flood!", "flood", "flood", "flood"]


def test_changing_figures_don_t_hide_a_flood() -> None:
    meter = Meter()
    asked = [ask(meter, f"加微信领红包{n}先到先得", n, answered=False) for n in range(20)]
    assert asked[-1] == "flood"
    assert asked.count("flood!") == 1


def test_a_few_orders_looked_up_one_after_the_other_are_no_flood() -> None:
    meter = Meter()
    asked = [ask(meter, f"请帮我查一下订单{n}的进度", 30 * n) for n in range(8)]
    assert asked == [""] * 8


def test_a_pressed_button_and_a_command_are_no_repetition() -> None:
    meter = Meter()
    for kind in ("button", "command"):
        assert not any(meter.admit(said("手机银行转账", n, kind=kind), Config()).limited for n in range(9))


@given(st.text(max_size=300))
def test_a_text_is_the_same_as_itself_whatever_it_is(text: str) -> None:
    print = fingerprint(text)
    assert print.same(print)
    assert print == fingerprint(text)
    assert print == fingerprint(text + " ")


# ── campaigns ──


def test_the_same_words_from_many_senders_are_recorded_once_and_answered() -> None:
    metrics = Metrics()
    meter, rules = Meter(metrics), config(campaigns={"senders": 5})
    admissions = [
        meter.admit(said(f"听说澜湾银行明天要停止取款了是真的吗{n}", by=f"p{n}"), rules) for n in range(9)
    ]
    assert [bool(a.campaign) for a in admissions] == [False] * 4 + [True] + [False] * 4
    assert not any(a.limited for a in admissions)
    assert metrics.registry.get_sample_value("teller_campaigns_total") == 1
    assert admissions[4].campaign
    assert admissions[4].campaign.senders == 5


def test_one_sender_is_no_campaign_and_neither_are_the_bank_s_own_suggestions() -> None:
    meter, rules = Meter(), config(campaigns={"senders": 3})
    question = Localised(
        zh="接到电话说我账户有问题，是真的吗？", en="Someone called about my account, is it real?"
    )
    rules = rules.model_copy(update={"bank": rules.bank.model_copy(update={"suggestions": (question,)})})
    for n in range(4):
        assert meter.admit(said("听说澜湾银行明天要停止取款了是真的吗", n), rules).campaign is None
        assert meter.admit(said(question.zh, n, by=f"p{n}"), rules).campaign is None


# ── lists ──

LISTS = config(
    access={
        "deny": [
            {"platform": "fake", "sender": "mallory", "reason": "spam", "notice": True},
            {"platform": "fake", "sender": 12345},
            {"platform": "fake", "group": "g1"},
            {"platform": "fake", "sender": "gone", "until": "2026-06-30"},
            {"platform": "fake", "sender": "today", "until": "2026-07-01"},
            {"platform": "old"},
        ],
        "allow": [
            {"platform": "fake", "group": "g1", "sender": ""},
            {"platform": "fake", "sender": "member"},
            {"platform": "old", "account": "still"},
            {"platform": "fake", "sender": "partner", "unlimited": True},
        ],
    }
)


@pytest.mark.parametrize(
    ("event", "why", "notice"),
    [
        (said(by="wang"), "", False),
        (said(by="mallory"), "denied", True),
        (said(by="12345"), "denied", False),
        (said(by="gone"), "", False),
        (said(by="today"), "denied", False),
        (said(by="x", chat="g1", where="group"), "denied", False),
        (said(by="member", chat="g1", where="group"), "", False),
        (said(by="x", platform="old"), "denied", False),
        (said(by="x", platform="old", account="still"), "", False),
        (said(by="mallory", platform="other"), "", False),
    ],
)
def test_the_more_exact_entry_wins_and_deny_wins_a_tie(event: InboundEvent, why: str, notice: bool) -> None:
    admission = Meter().admit(event, LISTS)
    assert (admission.why, admission.notice) == (why, notice)


def test_the_denied_are_told_once_a_burst_if_at_all() -> None:
    meter = Meter()
    assert [meter.admit(said(by="mallory", at=n), LISTS).notice for n in range(3)] == [True, False, False]


def test_changed_lists_hold_at_once() -> None:
    meter = Meter()
    assert not meter.admit(said(by="mallory"), Config()).limited
    assert meter.admit(said(by="mallory"), LISTS).why == "denied"
    assert not meter.admit(said(by="mallory"), Config()).limited


def test_only_the_allowed_are_served_where_that_is_set() -> None:
    meter = Meter()
    rules = config(access={"only_allowed": True, "allow": [{"platform": "fake", "sender": "wang"}]})
    assert not meter.admit(said(by="wang"), rules).limited
    assert meter.admit(said(by="li"), rules).why == "denied"
    assert meter.admit(said(by="li"), config(access={"only_allowed": True})).why == "denied"


def test_staff_partners_and_the_platform_itself_are_never_limited() -> None:
    tight = config(
        sender={"per_minute": 1, "burst": 1},
        access=LISTS.limits.access.model_dump(),
    )
    meter = Meter(is_staff=lambda event: event.sender.id == "mallory")
    for n in range(5):
        assert not meter.admit(said(by="mallory"), tight).limited
        assert not meter.admit(said(by="partner"), tight).limited
        assert not meter.admit(said(by="wang", kind="system", id=f"s{n}"), tight).limited


def test_switched_off_nothing_is_counted_but_the_lists_hold() -> None:
    meter = Meter()
    rules = config(
        enabled=False, sender={"per_minute": 1, "burst": 1}, access=LISTS.limits.access.model_dump()
    )
    assert not any(meter.admit(said(), rules).limited for _ in range(20))
    assert meter.admit(said(by="mallory"), rules).limited


@given(st.lists(st.tuples(st.text(max_size=40), st.floats(-1e9, 1e9)), max_size=30))
def test_whatever_is_said_whenever_a_first_message_is_answered_and_each_decision_kept(
    messages: list[tuple[str, float]],
) -> None:
    meter = Meter()
    events = [said(text, at, received=max(at, 0)) for text, at in messages]
    decided = [meter.admit(event, SLOW) for event in events]
    assert not any(admission.limited for admission in decided[:1])
    assert [meter.admit(event, SLOW) for event in events] == decided


# ── memory ──


def test_memory_stays_bounded_over_ten_thousand_senders() -> None:
    meter, rules = Meter(), config(remembered=1000)

    def write(start: int) -> None:
        for n in range(start, start + 5000):
            by = f"p{n}"
            meter.admit(said(different(n), by=by, chat=f"g{n}", where="group"), rules)

    write(0)
    tracemalloc.start()
    try:
        write(5000)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert meter.sizes() == {"senders": 1000, "groups": 1000, "events": 1000, "texts": 0}
    # What the second five thousand left behind is the memory of a thousand senders.
    assert grown < 6_000_000


def test_long_texts_of_one_sender_and_of_a_campaign_stay_bounded() -> None:
    meter, rules = Meter(), config(remembered=100, sender={"per_minute": 60000, "burst": 5000})
    for n in range(400):
        meter.admit(said(different(n) * 200, n, by="one"), rules)
        meter.admit(said("听说澜湾银行明天要停止取款了是真的吗", n, by=f"p{n}"), rules)
        meter.admit(said(different(n) + "关于这件事情大家都在问", n, by="two"), rules)
    assert meter.sizes()["texts"] == 100
    assert meter.sizes()["senders"] == 100


def test_who_was_forgotten_starts_afresh() -> None:
    meter, rules = Meter(), config(remembered=100, sender={"per_minute": 1, "burst": 1})
    meter.admit(said(different(1)), rules)
    assert meter.admit(said(different(2)), rules).limited
    for n in range(150):
        meter.admit(said(different(n), by=f"p{n}"), rules)
    assert not meter.admit(said(different(3)), rules).limited
