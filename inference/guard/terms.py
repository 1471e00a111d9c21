"""Claims that are as exact as a figure but have no number: 实时到账, 周末, 次日, "all customers", "per month".

Each kind has words by which a reply makes the claim and words by which a passage bears it out (more of
them: 立即 bears out 当天, 7×24 bears out 周末). A kind that the reply claims and no passage bears out is
invented. Days of the week count one by one; 周一至周五 and 工作日 hold five of them.
"""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["TERM", "Claims", "claims", "find_unborne"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a text bears out."""

    kinds: frozenset[str]
    days: frozenset[int]
    """Days of the week, Monday 0."""


# name, how a reply claims it, what else bears it out
_KINDS: tuple[tuple[str, str, str], ...] = (
    (
        "instant",
        r"(?:实时|即时|立即|立刻|马上|瞬间|即刻|秒)[就便可能会以内]{0,3}(?:到账|到帐|入账|生效|放款|获批|审批|下款|退款|退回|到)(?!网点|柜)|秒[到批]"
        r"|\b(?:arriv|credit|approv|effect|paid|post|refund)\w*(?: \w+){0,2} "
        r"(?:instantly|immediately|at once|right away|straight away|in real time|in seconds)\b"
        r"|\binstant (?:arrival|approval|transfer|refund)",
        r"实时|即时|立即|立刻|马上|瞬间|即刻|秒|当场|随即|即可|\binstant|\bimmediate|\breal[- ]time|\bat once"
        r"|\bright away|\bstraight ?away|\bon the spot|\bas soon as",
    ),
    (
        "same day",
        r"当[天日](?:就|即|便|可|能|会|可以)*(?:到账|入账|放款|获批|审批|办好|办结|退)|\bsame[- ]day\b",
        r"当[天日]|同[一日]|实时|即时|立即|当场|立刻|马上|秒|T\+0|\bsame[- ]day|\bon the day|\binstant|\bimmediate"
        r"|\bat once|\bon the spot|\b(?:that|this) day\b|\bright away",
    ),
    (
        "next day",
        r"次日|隔[天日]|翌日|第二天|明天|\b(?:next|following) (?:calendar )?day\b|\btomorrow\b",
        r"次[一日]|隔[天日]|翌日|第二天|明天|下一|后一|T\+1|[1一]个?(?:工作|交易|自然)?[天日]|\bnext\b|\bfollowing\b"
        r"|\bday after\b|\b(?:1|one) (?:\w+ )?day\b|\btomorrow\b",
    ),
    (
        "weekend",
        r"周末|双休日?|节假日|法定假日|\bweekends?\b|\b(?:public )?holidays\b",
        r"周末|双休|节假|假日|节日|春节|全年|每天|每日|任何时(?:间|候)|随时|[7七][ ]?[×xX*天]|24[ ]?小时|周[六日]"
        r"|\bweekend|\bholiday|\bevery day|\bdaily|\b24[ /-]|\bany ?time|\ball year|\bsaturday|\bsunday|\bround the clock",
    ),
    (
        "every day",
        r"(?:每天|每日|天天)[^，。；\n]{0,4}(?:\d|上午|早)|全年无休|(?:\d|[ap]m)\s*(?:every day|daily)\b"
        r"|\b(?:every day|seven days a week)(?= (?:from|at|between))|\b7 days a week\b",
        r"每天|每日|天天|全年|[7七][ ]?[×xX*天]|24[ ]?小时|周一[至到]周日|周末|节假|\bevery ?day|\bdaily|\b24[ /-]|\bweekend"
        r"|\ball year|\bround the clock|\beach day|\b(?:7|seven) days",
    ),
    (
        "all customers",
        r"(?<!告诉)(?<!给)(?<!向)(?<!告知)(?:所有|任何|全部|全体)(?:的)?(?:客户|人|用户|居民)|人人(?:都|均|可)|新老客户|老客户|谁都(?:可|能)|不限(?:新老|年龄|地区|客户)"
        r"|不分(?:新老|年龄)|\b(?:all|any|every|existing) (?:of our )?customers?\b|\b(?:everyone|everybody|anybody) (?:can|may|is)\b"
        r"|\banyone (?:can|may)\b|\bopen to (?:all|anyone|everyone)\b|\bno matter (?:who|how old)\b",
        r"所有|任何|全部|全体|人人|老客户|不限|不分|都可|均可|各|每[位个]|其他人|别人|他人|\ball\b|\bany|\bevery|\beach\b|\bexisting",
    ),
    (
        "for ever",
        r"永久|终身|永远|一辈子|\bforever\b|\bfor ever\b|\blifetime\b|\bfor life\b|\bpermanent(?:ly)?\b|\balways free\b",
        r"永久|终身|永远|一辈子|永不|长期|不可恢复|注销|作废|\bforever|\bfor ever|\blife|\bpermanent|\balways|\bindefinite"
        r"|\blong[- ]term|\bcannot be (?:undone|restored)|\bfor good",
    ),
    (
        "doubling",
        r"翻[倍番]|加倍|双倍|成倍|\bdoubl(?:e|es|ed|ing)\b(?![- ](?:check|recording|click|tap))|\btripl(?:e|es|ed|ing)\b",
        r"倍|番|\bdoubl|\btripl|\btwice|\btimes\b",
    ),
    ("about two", r"\ba couple of\b", r"(?!)"),
    ("a fortnight", r"\bfortnight(?:ly)?\b", r"\bfortnight|\b(?:two|2) weeks|\b(?:14|fourteen) days"),
    ("a dozen", r"\bdozens?\b", r"\bdozen|\b12\b|\btwelve"),
    ("some tens", r"[数几上成近]十(?=[个天日万元年家次笔张]|余)|[数几上成近][百千万亿](?=[个天日万亿元年家次笔张名位]|余)"
     r"|\b(?:tens|hundreds|thousands|millions) of\b",
     r"[数几上成近][十百千万亿]|\b(?:tens|hundreds|thousands|millions) of\b"),
    (
        "another year",
        r"去年|明年|前年|后年|\blast (?:year|month|week)\b|\bnext year\b",
        r"去年|明年|前年|后年|上一?年|次年|下一?年|上[个一]|\blast\b|\bnext\b|\bfollowing\b|\bprevious",
    ),
    ("an address in words",
     r"(?:点|\[\.\]|\(\.\)|。|\[dot\]|\(dot\)|\bdot\b)\s*(?:com|cn|net|org|example|cc|top|xyz)\b", r"(?!)"),
    ("an extension", r"转[0-9零一二三四五六七八九]+号?(?:分机|键)?(?=查询|接|，|。|$)|\bext(?:ension|\.) ?\d+\b", r"转[0-9]|分机|\bext(?:ension|\.)"),
)  # fmt: skip

# Cheap first: a place where no claim can begin is passed over at once.
_START = r"(?:(?=[实即立马瞬秒当次隔翌第明周双节法每天全所任人新老谁不永终一翻加成数几上近去前后转点。\[(])|(?<![A-Za-z])(?=[A-Za-z0-9]))"
_CLAIMED = re.compile(
    _START + "(?:" + "|".join(f"(?P<k{at}>{claimed})" for at, (_, claimed, _) in enumerate(_KINDS)) + ")",
    re.I,
)
_BORNE = tuple((name, re.compile(f"{claimed}|{borne}", re.I)) for name, claimed, borne in _KINDS)

_DAY_ZH = "一二三四五六日"
_DAY_EN = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = (
    r"(?:周|星期|礼拜)(?P<{0}z>[一二三四五六日天])(?!期)|\b(?P<{0}e>mon|tue(?:s)?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)"
    r"(?:day)?s?\b"
)
_DAYS = re.compile(
    r"(?=[周星礼]|(?<![A-Za-z])[mtwfs])"
    f"(?:{_DAY.format('a')})"
    rf"(?:[ ]?(?:-|–|—|~|至|到|to|through|until)[ ]?(?:{_DAY.format('b')}))?",
    re.I,
)
_BUSINESS = re.compile(
    r"(?:工作|营业|交易|开放)日|\b(?:business|working|banking|trading|week)[ -]?days?\b|周中", re.I
)
_WEEKEND = re.compile(r"周末|双休|\bweekend", re.I)
_ALL_DAYS = re.compile(
    r"每[天日]|天天|全年|24[ ]?小时|[7七][ ]?[×xX*天]|随时|\bevery ?day|\bdaily|\b24[ /-]|\bany ?time", re.I
)
TERM = re.compile(f"{_CLAIMED.pattern}|{_DAYS.pattern}", re.I)
"""Where one of these stands, a claim may be in the making."""


def claims(text: str) -> Claims:
    """What a passage bears out."""
    days = set(_days(text))
    if _BUSINESS.search(text):
        days |= set(range(5))
    if _WEEKEND.search(text):
        days |= {5, 6}
    if _ALL_DAYS.search(text):
        days |= set(range(7))
    return Claims(frozenset(name for name, pattern in _BORNE if pattern.search(text)), frozenset(days))


def find_unborne(reply: str, evidence: Iterable[Claims]) -> str:
    """The first claim of the reply that no passage bears out, in its own words; empty if there is none."""
    known = tuple(evidence)
    kinds = frozenset().union(*(item.kinds for item in known))
    for match in _CLAIMED.finditer(reply):
        name = _KINDS[int((match.lastgroup or "k0")[1:])][0]
        if name not in kinds:
            return f"{match[0].strip()} ({name}) isn't in the passages"
    days = frozenset().union(*(item.days for item in known))
    for match in _DAYS.finditer(reply):
        if not set(_span(match)) <= days:
            return f"{match[0].strip()} (weekday) isn't in the passages"
    return ""


def _days(text: str) -> Iterable[int]:
    for match in _DAYS.finditer(text):
        yield from _span(match)


def _span(match: re.Match[str]) -> tuple[int, ...]:
    first, last = _day(match, "a"), _day(match, "b")
    if first is None:
        return ()
    if last is None:
        return (first,)
    return tuple(range(first, last + 1)) if first <= last else (*range(first, 7), *range(last + 1))


def _day(match: re.Match[str], end: str) -> int | None:
    chinese, english = match[f"{end}z"], match[f"{end}e"]
    if chinese:
        return _DAY_ZH.index("日" if chinese == "天" else chinese)
    return _DAY_EN.index(english[:3].lower()) if english else None
