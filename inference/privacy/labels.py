"""What the words before and after a number say it is."""

# ruff: noqa: E501  (a pattern is read by its branches, and 汉字 count double)

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Label", "label", "said_after", "unit_after"]

_LABELS: tuple[tuple[str, str], ...] = (
    (
        "other",  # numbers of things, not of people
        r"(?:订单|流水|交易|单据|凭证|参考|工单|受理|合同|协议|保单|发票|快递|运单|物流|批次|产品|商品|基金|股票|债券"
        r"|理财|回单|业务|申请|预约|排队|序列|设备|终端|案件|投诉|票据|支票|借据|学籍|报文|会议|房间|账单|存单|客户经理"
        r"|员工|柜员|商户|机器|型号|文件|通知书|许可证|备案|活动|优惠|兑换|激活|追踪|包裹|取件|车次|航班)"
        r"(?:流水|编|单)?(?:号码|号|编码|代码|码|编号|单号|id)"
        r"|流水号?码?|订单|工单|运单|保单|工号|单号|编号|批号|代码|编码|货号|条码|序号|案号|文号|期号"
        r"|\b(?:order|invoice|tracking|reference|ref|transaction|txn|trace|serial|ticket|case|batch|contract"
        r"|policy|receipt|confirmation|booking|product|sku|model|item|parcel|shipment|meeting|room|staff|employee"
        r"|terminal|merchant|request|claim|complaint|fund|stock|promo|coupon)\b(?:[ _-]?(?:no|number|num|id|code)\b)?",
    ),
    ("hotline", r"客服(?:(?:电话|号码)(?!联系|回|通知|打))?|热线|总机|拨打|致电|投诉(?:电话)?|监管|网点|支行|分行|营业厅|营业部|大厅|官方|hotline|helpline|toll.?free|customer (?:service|care)"),
    ("tail", r"尾号|后[四4]位|末[四4]位|last (?:four|4)|ending (?:in|with)"),
    ("otp", r"验证码|校验码|动态(?:密)?码|动态口令|短信码|认证码|确认码|[四六4-8]位(?:数字?|的?码)(?=[^0-9]{0,3}[0-9]|$)|\b(?:otp|(?:verification|security|one.?time|sms|auth\w*|confirmation|login|2fa)[ -]?(?:pass)?codes?|passcode|code)\b"),
    ("pin", r"(?:取款|支付|交易|查询|银行卡|信用卡|卡|取现|付款|atm)(?:的)?密码|\bpin\b(?: code| number)?"),
    ("cvv", r"\bcvv2?\b|\bcvc2?\b|\bcvn2?\b|安全码|(?:卡)?背面(?:的)?(?:后|末)?(?:三|3)位(?:数字?|码)?|后(?:三|3)位(?:数字?|码)?|\bsecurity (?:code|number)\b"),
    ("password", r"密码|口令|\bpass ?(?:word|code)\b|\bpwd\b"),
    ("amount", r"余额|金额|限额|额度|利息|本金|工资|收入|存款|贷款|欠款|还款额|积分|balance|amount|limit|payment of"),
    (
        "id",
        r"身份证(?:件)?(?:号码|号)?|证件号?码?|居民证|居住证|户口本|\bid ?(?:card|no|number)?\b|\bidentity (?:card|number)\b|national id|\bshenfenzheng\b|\bsfz\b",
    ),
    ("phone", r"手机号?码?|电话号?码?|联系方式|号码|座机|固话|预留号|致电我|打给我|给我打|拨我|回拨|短信|\b(?:tel|telephone|phone|mobile|cell|cellphone|call|text|whatsapp|sms|contact)\b|\b(?:shouji|dianhua)\w*"),
    ("qq", r"\bqq\b号?码?|(?<![a-z])qq号?|扣扣号?|企鹅号"),
    ("permit", r"(?:通行证|回乡证|台胞证|居民来往|permit)(?:证?号码?)?"),
    ("passport", r"(?:护照|passport)(?:号码?)?"),
    ("account", r"(?:账户|账号|帐号|帐户|户口号?|存折号?)(?:号码?)?|\b(?:account|acct|a/c)\b(?: ?(?:no|number|num|#))?"),
    ("card", r"卡号|银行卡|信用卡|储蓄卡|借记卡|贷记卡|社保卡|工资卡|这卡|张卡|的卡|卡(?![片密])|\bcards?\b(?: ?(?:no|number|num))?|\b(?:visa|mastercard|amex|unionpay|debit|credit)\b|\bkahao\b"),
)  # fmt: skip
_LABEL = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _LABELS), re.ASCII)
_SENTENCE_END = re.compile(r"[。！？!?；;\n]")
_REACH = 30

_NEAR = re.compile(
    r"(?:[\s:#\-=.\"'(\[【「>→，,]|no\b|number|num\b|id\b|code|is|was|are|号|码|编|是|为|叫|显示|给你|发你|就是|填|输入|输|报|了"
    r"|收到|这个|我|的|和|或|、|\d|[a-z]-|[三3四4六6八8]位数?字?)*",
    re.ASCII,
)
_TIGHT = re.compile(
    r"(?:[\s:#\-=.\"'(\[【「]|no\b|number|num\b|id\b|is|was|号|码|编|是|为|叫|显示)*", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Label:
    """The nearest word before a number that says what it is."""

    name: str
    """Empty: none."""
    near: bool = False
    """Nothing but filler stands between them."""


_NONE = Label("")


def label(low: str, at: int) -> Label:
    """The label of the number that begins at `at`, in its sentence."""
    left = low[max(0, at - _REACH) : at]
    for end in _SENTENCE_END.finditer(left):
        cut = end.end()
        if left[cut:].strip():
            left = left[cut:]
            break
    found = None
    for match in _LABEL.finditer(left):
        found = match
    if found is None or found.lastgroup is None:
        return _NONE
    name, between = found.lastgroup, left[found.end() :]
    if name == "other":
        return Label(name, near=True) if _TIGHT.fullmatch(between) else _NONE
    return Label(name, near=_NEAR.fullmatch(between) is not None)


_UNIT = re.compile(
    r"\s*(?:%|‰|个|位|次|秒|分(?!行)|小时|天|元|块|万|亿|千|条|遍|点|年|月|日(?!常)|号(?!码)|笔|股|份|手|期|倍|折|岁|人|米|公里|克|积分"
    r"|美元|港币|日元|欧元|usd|cny|rmb|hkd|eur|jpy|yuan|dollars?|digits?|minutes?|mins?|seconds?|secs?|hours?|days?"
    r"|times|months?|years?|points?|bps?|shares?|pounds?)(?![a-z])"
)
_MONEY = re.compile(r"[¥$€£]\s*$|(?:usd|cny|rmb|hkd|eur|gbp|jpy|人民币|美元|港币)\s*$")
_IS_SECRET = re.compile(
    r"\s*(?:(?:就|才)?(?:是|这个?是)?(?:我|你|您|手机|刚)?(?:们)?(?:刚才?)?(?:收到)?的?(?:短信)?"
    r"(?P<otp>验证码|动态码|校验码)"
    r"|\s*(?:is|was) (?:my|your|the|our)(?: \w+){0,2} (?P<otp2>code|otp|passcode)"
    r"|\s*(?P<otp3>to (?:verify|log ?in|sign ?in|confirm)\b)"
    r"|是我?的?(?:银行卡|取款|支付|交易|卡)?的?(?P<pin>密码)|\s*is my (?P<pin2>pin)\b)"
)
_IS_ORDER = re.compile(r"\s*(?:这|那)?(?:个|笔|是|的)*(?:我的)?(?:订单|流水|快递|运单|工单|单号|产品|理财)")


def unit_after(low: str, start: int, end: int) -> bool:
    """Whether a unit follows, or a currency precedes: the number counts something."""
    return _UNIT.match(low, end) is not None or _MONEY.search(low[max(0, start - 4) : start]) is not None


def said_after(low: str, end: int) -> str:
    """`otp`, `pin` or `other` where the words after a number name it so; else empty."""
    secret = _IS_SECRET.match(low, end)
    if secret:
        return (secret.lastgroup or "otp").rstrip("23")
    return "other" if _IS_ORDER.match(low, end) else ""
