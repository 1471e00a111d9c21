"""True replies that the guard once refused, each beside a lie of the same shape that it must refuse."""

# ruff: noqa: E501 (tables of examples read best one a line)
from __future__ import annotations

import pytest

from bot.types import Passage
from inference.guard import ReplyGuard
from inference.guard.grounding import language_of
from inference.guard.promises import find_promise

GUARD = ReplyGuard()


def reason(text: str, reply: str, question: str = "") -> str:
    source = Passage(id="a.b", language=language_of(text) or "zh", title="", text=text)
    return GUARD.check(reply, [source], question=question).reason


@pytest.mark.parametrize(
    ("text", "truth", "lie"),
    [
        ("网点周六办理个人业务，照常营业。", "周六个人业务照常办理。", "每周六个人可以办理业务。"),
        ("请先登录手机银行，再选择转账、填写收款人，30分钟内完成验证。", "1.登录手机银行；2.选择转账；3.填写收款人；4.30分钟内完成验证。", "请登录手机银行，4.30分钟内完成验证。"),
        ("请先登录手机银行，再选择转账、填写收款人，到账金额30元。", "1.登录手机银行；2.选择转账；3.填写收款人；4.到账金额30元。", "1.登录手机银行；2.选择转账；3.填写收款人；4.30元。"),
        ("打开手机银行，选择转账，24小时内确认到账。", "①打开手机银行；②选择转账；③24小时内确认到账。", "打开手机银行，选择转账，③24小时内确认到账。"),
        ("您可以在手机银行关闭小额免密免签支付。", "可以在手机银行关闭小额免密支付。", "不可以在手机银行关闭小额免密支付。"),
        ("办理转账业务须本人签字确认。", "办理转账业务须本人签字确认。", "办理转账业务本人免签字确认。"),
        ("升级期间手机银行转账不受影响。", "升级期间手机银行转账照常。", "升级期间手机银行转账受影响。"),
        ("升级期间手机银行转账照常进行。", "升级期间手机银行转账照常进行。", "升级期间手机银行转账受影响。"),
        ("柜台跨行汇款按金额的1‰计算，最低5块；手机银行汇款免费。", "柜台跨行汇款按金额收手续费，1‰计算。", "手机银行汇款不免费。"),
        ("3年期票面利率1.93%，5年期2.00%。", "5年期票面利率2.00%。", "5年期票面利率1.93%。"),
        ("年租金：小箱300元，中箱600元，大箱1200元，另收押金500元。", "年租金：小箱300元，中箱600元。", "年租金：小箱600元，中箱300元，大箱1200元，另收押金500元。"),
        ("Monthly fee: customers over 70 GBP 2, others GBP 5.", "Customers over 70 pay a monthly fee of GBP 2.", "Customers pay a monthly fee of GBP 70."),
        ("The return depends on the market and the principal may be lost.", "The principal may be lost; neither the principal nor the return is guaranteed.", "The return is guaranteed."),
    ],
)  # fmt: skip
def test_the_truth_passes_and_the_lie_like_it_does_not(text: str, truth: str, lie: str) -> None:
    assert reason(text, truth) == ""
    assert reason(text, lie) != ""


@pytest.mark.parametrize("question", ["E07", "OUR", "是 OUR"])
def test_a_code_alone_is_asked_about_in_the_passages_language(question: str) -> None:
    text = "OUR：全部费用由汇款人承担。提示E07是卡片读取失败。"
    assert reason(text, "全部费用由汇款人承担，E07是卡片读取失败。", question) == ""
    assert reason(text, "All fees are borne by the sender.", question).startswith("language")
    assert reason(text, "全部费用由汇款人承担。", "What does OUR mean?").startswith("language")


@pytest.mark.parametrize(
    "reply", ["转账免费。这件事由同事跟进。", "转账免费。您想问清楚的话，由同事跟进，愿意的话请回复“人工”。"]
)
def test_courtesies_need_no_passage(reply: str) -> None:
    assert reason("转账免费。", reply) == ""


@pytest.mark.parametrize(
    "text",
    [
        "With neither fees nor limits your principal is guaranteed.", "Neither fees nor risk: the return is guaranteed.",
        "Neither of us doubts nor hides that the return is guaranteed.",
    ],
)  # fmt: skip
def test_neither_and_nor_of_something_else_deny_no_promise(text: str) -> None:
    assert find_promise(text)


def test_a_circled_number_is_a_mark_only_in_a_list() -> None:
    text = "单日限额5万元，登录手机银行可以查看。"
    assert reason(text, "①登录手机银行；②5万元是单日限额。") == ""
    for lie in (
        "单日限额②5万元。",
        "①登录手机银行，单日限额②5万元。",
        "②5万元是单日限额。",
        "①登录手机银行；③5万元是单日限额。",
    ):
        assert reason(text, lie) != ""


@pytest.mark.parametrize(
    ("text", "question", "truth", "lie"),
    [
        (
            "可以办理公积金按月冲还贷，签约后由公积金中心划款。余额不够月供时，差额仍从还款账户扣。",
            "公积金可以自动扣房贷吗",
            "可以，签约后由公积金中心划款。",
            "不可以，公积金余额不够月供时，差额仍从还款账户扣。",
        ),
        (
            "No. Personal exchange is for travel and study. It can't be used for property abroad.",
            "Can I buy a flat abroad with it?",
            "No, personal exchange can't be used for property abroad.",
            "Yes, personal exchange is for travel and study.",
        ),
        (
            "The computer does not see the token: use another USB port, or install the driver again.",
            "does the token work on a mac",
            "Use another USB port, or install the driver again.",
            "Yes, the token works on a Mac.",
        ),
        (
            "微信小程序绑卡后可以查余额和明细，不能转账。",
            "小程序能取现金吗",
            "小程序可以查余额和明细，不能转账。",
            "可以，小程序能取现金。",
        ),
    ],
)  # fmt: skip
def test_a_verdict_is_the_passages_own(text: str, question: str, truth: str, lie: str) -> None:
    assert reason(text, truth, question) == ""
    assert reason(text, lie, question)
