"""What a customer says they need: amount, term, liquidity, purpose, currency, kind of product."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from bot.suitability.products import Kind, Need

__all__ = ["Needs", "needs_of"]


@dataclass(frozen=True, slots=True)
class Needs:
    amount: float | None = None
    """Whole units of `currency`."""
    currency: str = ""
    within_days: int | None = None
    """For so many days the money isn't needed."""
    any_time: bool = False
    """It may be needed on any day."""
    purposes: frozenset[Need] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    """Kinds of product named; 理财 alone names none, because people say it for anything."""

    @property
    def stated(self) -> bool:
        """Whether there is anything to rank by; an amount or a currency alone says too little."""
        return self.any_time or self.within_days is not None or bool(self.purposes or self.kinds)

    def then(self, later: Needs) -> Needs:
        """Both, where what was said later counts more."""
        term = later.any_time or later.within_days is not None
        return replace(
            self,
            amount=self.amount if later.amount is None else later.amount,
            currency=later.currency or self.currency,
            within_days=later.within_days if term else self.within_days,
            any_time=later.any_time if term else self.any_time,
            purposes=later.purposes or self.purposes,
            kinds=later.kinds or self.kinds,
        )

    def plain(self) -> dict[str, Any]:
        """As JSON for the conversation's state."""
        return {
            "amount": self.amount,
            "currency": self.currency,
            "within_days": self.within_days,
            "any_time": self.any_time,
            "purposes": sorted(self.purposes),
            "kinds": sorted(self.kinds),
        }

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Needs:
        return cls(
            plain.get("amount"),
            plain.get("currency", ""),
            plain.get("within_days"),
            plain.get("any_time", False),
            frozenset(plain.get("purposes", ())),
            frozenset(plain.get("kinds", ())),
        )


_DIGITS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_UNITS = {
    "": 1, "百": 100, "千": 1e3, "万": 1e4, "w": 1e4, "百万": 1e6, "千万": 1e7,
    "k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6,
}  # fmt: skip
_CURRENCY = {
    "美元": "USD", "美金": "USD", "刀": "USD", "usd": "USD", "dollars": "USD", "dollar": "USD", "$": "USD",
    "港币": "HKD", "港元": "HKD", "hkd": "HKD", "欧元": "EUR", "eur": "EUR", "euros": "EUR",
}  # fmt: skip
_AMOUNT = re.compile(
    r"(?P<sign>\$|usd|us\$|cny|rmb|¥)?\s*(?P<number>(?<!\d)\d[\d,]{0,14}(?:\.\d{1,4})?|[一二两三四五六七八九十](?=[百千万]))\s*"
    r"(?P<unit>百万|千万|万|千|百|w(?![a-z])|k(?![a-z])|m(?![a-z])|thousand|million)?\s*(?:多|左右)?\s*"
    r"(?P<money>元|块|人民币|美元|美金|刀|港币|港元|欧元|cny|rmb|yuan|usd|dollars?|hkd|eur(?:os)?)?",
    re.I,
)
_YUAN = re.compile(r"(?:元|块|人民币|cny|rmb|yuan|¥)", re.I)
_TERM = re.compile(
    r"(?P<half>半年|half a year)|"
    r"(?P<number>(?<!\d)\d{1,4}|[一二两三四五六七八九十]|an?|one|two|three|four|five|six|ten)\s*"
    r"(?P<many>个?月|年半|年|天|日|周|星期|months?|years?|days?|weeks?)",
    re.I,
)
_WORDS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10}
_LENGTH = (("月", 30), ("month", 30), ("年", 365), ("year", 365), ("周", 7), ("星期", 7), ("week", 7))
_AGE = re.compile(
    r"(?<!\d)\d{1,3}\s*(?:岁|years? old|-year-old)|(?:19|20)\d\d\s*年|(?:满|过了)\d{1,3}年", re.I
)
_ANY_TIME = re.compile(
    r"随时(?:可能|可以|能|都|要|会|得|想)?(?:要|能)?(?:用|取|赎|支取|拿)|灵活|活钱|流动性好|随取随用|"
    r"any ?time|flexible|liquid|on demand|at short notice",
    re.I,
)
_PURPOSES: tuple[tuple[Need, str], ...] = (
    ("education", r"教育|学费|上学|上大学|留学|读书|education|school fees|tuition|college|university"),
    ("retirement", r"养老|退休|retire|retirement|pension|old age"),
    ("children", r"孩子|小孩|儿子|女儿|宝宝|\b(?:child|children|kids?|son|daughter)\b"),
    ("emergency", r"应急|急用|备用金|以防万一|emergency|rainy day"),
    ("spare_cash", r"闲钱|零钱|工资|余钱|暂时不用|短期|spare (?:cash|money)|idle money|short[- ]term"),
    ("preserve", r"保本|别亏|不能亏|不想亏|不亏|安全|保值|本金|safe|preserve|"
     r"not lose|don't want to lose|no loss"),
    ("steady", r"稳健|稳一点|稳妥|稳定|稳当|波动小|steady|stable|conservative"),
    ("income", r"拿利息|每年付息|按月付|定期付息|现金流|regular income|interest every|yearly interest"),
    ("growth", r"增值|增长|收益高|高一点的收益|赚得多|长期投资|growth|grow my|appreciat"),
    ("inflation", r"通胀|通货膨胀|抗跌|inflation"),
    ("saving_plan", r"每个?月(?:存|攒|投)|定投|攒钱|存钱计划|"
     r"save (?:a little )?(?:each|every) month|monthly (?:saving|plan)"),
    ("protection", r"保障|寿险|给家人留|protect my family|life cover"),
    ("foreign_currency", r"美元|美金|外币|港币|欧元|\busd\b|dollars?\b|foreign currency"),
    ("travel", r"旅游|旅行|出国玩|travel|holiday trip"),
)  # fmt: skip
_KINDS: tuple[tuple[Kind, str], ...] = (
    ("fund", r"基金|\bfunds?\b"),
    ("gold", r"黄金|积存金|金条|\bgold\b"),
    ("bond", r"国债|债券(?!基金)|\bbonds?\b(?! fund)"),
    ("insurance", r"保险|年金|寿险|\binsurance\b|annuity"),
    ("deposit", r"存款|定期(?!付息)|大额存单|存单|\bdeposits?\b"),
)
_COMPILED: tuple[tuple[Need, re.Pattern[str]], ...] = tuple((n, re.compile(p, re.I)) for n, p in _PURPOSES)
_KIND_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple((k, re.compile(p, re.I)) for k, p in _KINDS)
_NOT_THAT = re.compile(r"(?:不要|不想要|不买|不考虑|别推荐|除了|no|not|without|except)\s*$", re.I)


def needs_of(texts: Iterable[str]) -> Needs:
    """Read what is said in `texts`, oldest first; of contradictions the later one counts."""
    found = Needs()
    for text in texts:
        found = found.then(_read(text))
    return found


def _read(text: str) -> Needs:
    rest = _AGE.sub(" ", text[:1000])
    any_time = _ANY_TIME.search(rest) is not None
    days, rest = _term(rest)
    amount, currency = _amount(rest)
    purposes = frozenset(need for need, pattern in _COMPILED if _meant(pattern, rest))
    kinds = frozenset(kind for kind, pattern in _KIND_PATTERNS if _meant(pattern, rest))
    if not currency and "foreign_currency" in purposes:
        currency = next((code for word, code in _CURRENCY.items() if word in rest.lower()), "")
    return Needs(amount, currency, None if any_time else days, any_time, purposes, kinds)


def _meant(pattern: re.Pattern[str], text: str) -> bool:
    """Whether it is said, and not only to rule it out."""
    return any(not _NOT_THAT.search(text[: match.start()]) for match in pattern.finditer(text))


def _term(text: str) -> tuple[int | None, str]:
    """(days of the longest term said, the text without terms)."""
    longest: int | None = None
    for match in _TERM.finditer(text):
        if match["half"]:
            days = 180
        else:
            word = match["number"].lower()
            number = int(word) if word.isdigit() else _DIGITS.get(word) or _WORDS.get(word) or 1
            many = match["many"].lower()
            length = next((days for name, days in _LENGTH if name in many), 1)
            days = min(number, 100) * length + (180 if many == "年半" else 0)
        longest = max(days, longest or 0)
    return longest, _TERM.sub(" ", text)


def _amount(text: str) -> tuple[float | None, str]:
    """(the largest sum of money said, its currency)."""
    best: tuple[float | None, str] = (None, "")
    for match in _AMOUNT.finditer(text):
        money = (match["money"] or match["sign"] or "").lower()
        unit = (match["unit"] or "").lower()
        digits = match["number"].replace(",", "")
        number = float(_DIGITS[digits]) if digits in _DIGITS else float(digits)
        value = number * _UNITS[unit]
        if not money and not (
            unit in ("万", "w", "百万", "千万", "k", "thousand", "million") or value >= 1000
        ):
            continue
        if best[0] is None or value > best[0]:
            currency = (
                "CNY" if _YUAN.fullmatch(money) else _CURRENCY.get("$" if money == "us$" else money, "")
            )
            best = (value, currency)
    return best
