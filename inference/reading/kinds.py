"""What kind of answer a question wants, and what kinds a clause could give."""

# ruff: noqa: E501 (patterns read best one a line)

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from inference.guard.clauses import negations
from inference.guard.figures import Figure

__all__ = ["OFFERS", "WANTS", "offered", "wanted"]


def _pattern(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


_WANTED: Mapping[str, re.Pattern[str]] = {
    "money": _pattern(
        r"多少钱|费|要钱|收钱|花钱|价|贵|押金|几块|免费|扣多少|工本|收[多不]|罚|赔|cost|fee|charge|price|free\b"
        r"|how much|\bpay|expensive|penalty"
    ),
    "limit": _pattern(
        r"限额|额度|最多|上限|最高|最低|起(?:存|购|投|点)|至少|能[转取存贷]多少|多少|几万|limit|maximum|minimum"
        r"|\bmax\b|\bmin\b|at most|at least|up to|how much"
    ),
    "rate": _pattern(
        r"利率|利息|年化|收益|几个点|百分|几折|折扣|多少息|比例|几成|\brate|interest|percent|\bapr\b|yield|%"
        r"|discount|return"
    ),
    "time": _pattern(
        r"多久|几天|多长|时候|何时|几点|几号|哪天|有效|到账|多少天|几个月|几年|期限|来得及|等.{0,3}天|时效|过期|期"
        r"|\bwhen\b|how (?:long|soon|quick|fast)|what time|deadline|expir|\bdays?\b|\bweeks?\b|hours|open|valid|late"
    ),
    "count": _pattern(r"几[次张个笔人台份遍位条]|多少[次张个笔人台份位]|how many|how often|times"),
    "place": _pattern(r"哪里|哪儿|在哪|去哪|到哪|哪个(?:网点|地方|菜单|入口)|入口|从哪|\bwhere\b|which (?:branch|menu|screen|page)"),
    "how": _pattern(r"怎么|怎样|如何|咋|步骤|流程|办法|how (?:do|can|to|should|would)|what (?:do|should) i do|steps|way to"),
    "need": _pattern(r"需要(?:什么|哪些|啥)|带(?:什么|啥|哪些)|材料|证件|资料|手续|凭什么|documents?|bring|what do i need|papers?|\bid\b"),
    "who": _pattern(r"谁|什么人|哪些人|什么条件|条件|资格|代办|\bwho\b|eligible|qualif|somebody else|on behalf"),
    "why": _pattern(r"为什么|为啥|怎么会|怎么(?:没|不)|咋(?:没|不)|原因|\bwhy\b|how come|reason"),
    "yes": _pattern(
        r"[吗么嘛]|[能可]不[能可]|可以|行不|行吗|是否|是不是|会不会|要不要|能否|有没有|不[？?]?\s*$|没[？?]?\s*$"
        r"|(?:^|[,.;?!]\s*|\band |\bso |\bbut )(?:can|could|do|does|did|is|are|am|will|would|may|must|should|has|have)\b"
    ),
}  # fmt: skip
WANTS: tuple[str, ...] = (*_WANTED, "other")

_TIMES = frozenset(
    {"minute", "day", "business_day", "trading_day", "month", "day_or_date", "monthday", "date", "time", "halftime"}
)  # fmt: skip
_RATES = frozenset({"percent", "point", "bps"})
_OTHERS = frozenset({"phone", "url", "email", "code", "age"})
_SEEN: Mapping[str, re.Pattern[str]] = {
    "place": _pattern(
        r"App|网点|柜台|柜面|手机银行|网银|“[^”]*[—>-][^”]*”|“|自助|热线|ATM|小程序|公众号|致电|拨打"
        r"|branch|\bunder\b|settings| > |hotline|\bcall\b|counter|online|website|\bmenu\b"
    ),
    "condition": _pattern(
        r"如|若|须|需|应|仅|限|只|必须|方可|以上|以下|以内|满|超过|逾期|后|前|\bif\b|unless|must|only|needs?\b|required"
        r"|within|until|after|before|once|from|above|below|over|under"
    ),
    "permission": _pattern(r"可|能|支持|允许|免|不收|无需|不用|\bcan\b|\bmay\b|free|allowed|possible|available|accept|no fee"),
    "paper": _pattern(
        r"身份证|证明|材料|合同|复印件|回执|凭|带|出示|提供|户口|护照|发票|本人|passport|proof|statement|\bid\b|form|bring"
        r"|certificate|letter|copy|in person|signature|signed"
    ),
    "person": _pattern(r"本人|客户|家人|子女|监护|代理|代办|持卡人|借款人|法定|周岁|holder|customer|person|relative|parent|guardian|anyone|aged?"),
}  # fmt: skip
OFFERS: tuple[str, ...] = ("money", "rate", "time", "number", *_SEEN, "denial")


def wanted(question: str) -> frozenset[str]:
    """Of `WANTS`; a question may want several, and "other" stands for none that is known."""
    found = frozenset(name for name, pattern in _WANTED.items() if pattern.search(question))
    return found or frozenset({"other"})


def offered(clause: str, figures: Iterable[Figure]) -> frozenset[str]:
    """Of `OFFERS`.

    Args:
        figures: those that stand in the clause.
    """
    found = {name for name, pattern in _SEEN.items() if pattern.search(clause)}
    if negations(clause):
        found.add("denial")
    for figure in figures:
        if figure.kind in _TIMES:
            found.add("time")
        elif figure.kind in _RATES:
            found.add("rate")
        elif figure.kind == "number":
            found.add("number")
        elif figure.kind not in _OTHERS:
            found.add("money")
    return frozenset(found)
