"""Is it a complaint, whose, how grave: with words alone, with heads, and with vectors that don't fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.complaints import Complaints, ComplaintsByMeaning
from inference.complaints.heads import load_heads
from inference.complaints.words import DEPARTMENTS, SEVERITIES

BY_WORDS = Complaints()
SHIPPED = Complaints.load()


@pytest.mark.parametrize(
    ("text", "department"),
    [
        ("我在支行排队排了三个小时，柜员还给我黑脸", "branch"),
        ("信用卡年费凭什么收我五百，积分也清零了", "cards"),
        ("催收天天打电话骂我，还打给我同事", "collections"),
        ("你们客户经理收了我的回扣，合同是代签的", "compliance"),
        ("打了半天客服电话没人接，态度还差", "contact_center"),
        ("对公账户开户拖了一个月，法人跑了三趟", "corporate"),
        ("手机银行一打开就闪退，登不上", "ebank_it"),
        ("提前还款排队排到明年，房贷利息白交", "loans"),
        ("跨行转账三天没到账，钱已经扣了", "payments_ops"),
        ("你们泄露了我的个人信息，推销电话一天几十个", "privacy"),
        ("理财经理说保本，现在基金亏了一半", "wealth"),
        ("Your debt collectors keep calling my boss", "collections"),
        ("The app crashes whenever I log in", "ebank_it"),
        ("My mortgage application has been stuck for two months", "loans"),
    ],
)
def test_the_department_is_found_with_and_without_heads(text: str, department: str) -> None:
    assert BY_WORDS.classify(text).department == department
    assert SHIPPED.classify(text).department == department


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("刚才我的卡被转走了两万，不是我操作的，快冻结", "P1"),
        ("再不处理我就去银保监投诉你们", "P1"),
        ("我要把你们发到抖音上曝光", "P1"),
        ("催收逼得我不想活了", "P1"),
        ("Someone has taken over my account and changed my password", "P1"),
        ("I'm taking this to the ombudsman tomorrow, you have been useless", "P1"),
        ("转账五万三天了没到账，我急死了，你们没人管", "P2"),
        ("催收打电话骂我家人还恐吓要上门", "P2"),
        ("柜员态度恶劣，排队等了两个小时", "P3"),
        ("请问网点周六营业吗", "P4"),
        ("谢谢你们，服务真好", "P4"),
    ],
)
def test_the_severity_is_found_with_and_without_heads(text: str, severity: str) -> None:
    assert BY_WORDS.classify(text).severity == severity
    assert SHIPPED.classify(text).severity == severity


@pytest.mark.parametrize(
    "text",
    [
        "信用卡年费是多少？",
        "请问转账多久能到账",
        "怎么改手机银行密码",
        "谢谢，小王服务特别热情",
        "建议网点多放几把椅子",
        "What are your opening hours?",
        "Thank you, that was very helpful",
        "不是投诉，就是想问一下费用",
    ],
)
def test_questions_praise_and_suggestions_are_no_complaints(text: str) -> None:
    assert BY_WORDS.classify(text).is_complaint < 0.5
    assert SHIPPED.classify(text).is_complaint < 0.5


def test_traditional_characters_and_gaps_read_the_same() -> None:
    plain = SHIPPED.classify("催收天天打电话恐吓我家人")
    other = SHIPPED.classify("催 收 天天打電話恐嚇我家人")
    assert other.department == plain.department == "collections"
    assert other.severity == plain.severity == "P2"


def test_a_threat_is_a_complaint_and_a_question_about_the_regulator_isnt() -> None:
    assert SHIPPED.classify("今天不解决我就打12378投诉").is_complaint >= 0.8
    assert SHIPPED.classify("请问你们由哪个监管部门管？").severity == "P4"


def test_all_departments_are_ranked_with_shares_that_sum_to_one() -> None:
    found = SHIPPED.classify("房贷利率一直不给调")
    names, shares = zip(*found.departments, strict=True)
    assert sorted(names) == sorted(DEPARTMENTS)
    assert list(shares) == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=0.01)
    assert found.department == names[0] == "loans"


def test_what_names_nothing_says_so() -> None:
    assert not SHIPPED.classify("太让人失望了！").named
    assert SHIPPED.classify("信用卡年费乱收，太让人失望了！").named


def test_reasons_name_grounds_and_never_hold_the_words() -> None:
    found = SHIPPED.classify("王小明在城西支行骗我，我要起诉你们")
    assert "legal" in found.reasons
    assert not any("王小明" in reason for reason in found.reasons)


def test_a_vector_changes_the_opinion_and_its_shape_may_have_a_row() -> None:
    heads = load_heads()
    assert heads is not None
    vector = heads.centre + 0.05
    flat = SHIPPED.classify("这件事我不满意", vector)
    assert flat == SHIPPED.classify("这件事我不满意", vector[None, :])
    assert flat.is_complaint != SHIPPED.classify("这件事我不满意").is_complaint


async def test_the_router_uses_words_alone_without_an_encoder_or_with_another_one() -> None:
    text = "手机银行天天闪退，没人管"

    async def none(_text: str) -> None:
        return None

    async def other(_text: str) -> np.ndarray:
        return np.ones((1, 8), np.float32)

    expected = SHIPPED.classify(text)
    assert await ComplaintsByMeaning(SHIPPED).route(text) == expected
    assert await ComplaintsByMeaning(SHIPPED, none).route(text) == expected
    assert await ComplaintsByMeaning(SHIPPED, other).route(text) == expected


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_gets_an_answer(text: str) -> None:
    found = SHIPPED.classify(text)
    assert 0 <= found.is_complaint <= 1
    assert found.department in DEPARTMENTS
    assert found.severity in SEVERITIES


def test_a_very_long_text_is_read_by_its_beginning() -> None:
    found = SHIPPED.classify("信用卡年费乱收，我要投诉。" + "啊" * 200_000)
    assert found.department == "cards"
