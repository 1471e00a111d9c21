"""Promises a bank may not make about investments: principal, return, absence of risk.

A promise counts only as far as it is asserted: 非保本, 不承诺保本, "not guaranteed" and "no product is
risk-free" are the honest opposite, 不是不保本 is a promise again (negations are counted), and a warning that
quotes one (声称稳赚的都是骗局) is none. (PRC asset-management guidance of 2018, no. 106, forbids them.)
"""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re

from inference.guard.clauses import negations, sentences

__all__ = ["TRIGGER", "find_promise"]

_CHINESE = (
    r"保本(?!币|行|人)|保息|保收益|保底|(?:零|无)(?:任何)?(?:投资|本金)?风险(?!测|评|提|等|偏|承)"
    r"|(?:没有|没|毫无)(?:任何|一点|一丝|丝毫|什么)?风险(?!测|评|提|等|偏|承)"
    r"|稳赚|包赚|必赚|稳赢|只赚不[赔亏]|只涨不跌|必涨|(?:不会|不可能|绝不|从不|永不)(?:有|出现|产生"
    r"|发生)?(?:任何)?(?:亏|赔钱|赔本|下?跌)"
    r"|百分之?百(?!分)|100%(?:地|的)?(?:安全|保|赚|收益|回报|盈利|可靠)|绝对(?:安全|保险|可靠|赚)|万无一失"
    r"|(?:保证|确保|担保|承诺|包)(?:您|你)?(?:的|能|会|可以)?(?:最低|固定|预期)?(?:收益|盈利|赚|回报"
    r"|本金|不亏|不赔|兑付)"
    r"|(?:一定|肯定|必定|必然)(?:会|能|可以)?(?:赚|盈利|上?涨|升值|有收益)|刚性兑付|刚兑"
    r"|(?:本金|收益)[^，。；！？\n]{0,6}(?<![没不无])(?:有(?:绝对)?保障|有保证|绝对安全|不受损失"
    r"|不会(?:受到?)?损失)"
    r"|(?:一定|肯定|必定|必然|绝对|保准|准保|铁定|稳稳)(?:会|能|可以|地|的)?(?:有|拿到?|得到?|赚到?|不亏|不赔|达到)"
    r"|旱涝保收|稳拿|(?:不用|不必|无需|无须)担心(?:会)?(?:亏|赔)|包(?:过|批|下款)|必(?:过|批|下款)"
    r"|躺赚|高收益低风险|低风险高(?:收益|回报)"
)
_ENGLISH = (
    r"\bguarantee[sd]?[ ]+(?:(?:a|an|the|your|you|any|all|of|full|fixed|high|minimum|positive|their"
    r"|on)[ ]+)*"
    r"(?:returns?|profits?|principal|yields?|income|capital|gains?|interest|growth|earnings)\b"
    r"|\b(?:returns?|profits?|principal|capital|yields?|gains?|earnings|investments?|money)(?:[ ]+(?:and"
    r"|or|is|are|will|be|always|fully|"
    r"completely|100%|absolutely|totally|both|returns?|profits?|interest))*[ ]+(?:guaranteed"
    r"|(?:principal-)?protected|safe|assured|risk[- ]?free)\b"
    r"|\brisk[- ]?less\b|\brisk[- ]free\b|\bfree (?:of|from) (?:all |any )?risks?\b|\b(?:no|zero"
    r"|without(?: any| a)?)[ ]+(?:investment )?risks?\b(?!"
    r"[- ](?:test|level|rating|assess|profil|categor|statement|questionnaire))"
    r"|\b(?:can(?:no|')?t|cannot|can not|can never|won't|will not|will never"
    r"|never)[ ]+(?:possibly[ ]+)?(?:lose\b(?! your card)|make a loss|fall in value|go down|drop)"
    r"|\bonly (?:go(?:es)?|moves?) up\b|\bsure[- ](?:profit|win|thing|gain)s?\b|\b100[ ]?% (?:safe"
    r"|secure|guaranteed|return)\b"
    r"|\b(?:absolutely|completely|totally|perfectly) (?:safe|risk)|\b(?:capital"
    r"|principal)[- ](?:guaranteed|protected|protection)\b"
    r"|\bprincipal (?:and|or) (?:returns?|interest) (?:is|are) (?:safe|protected)\b|\bfoolproof\b"
    r"|\beasy money\b|\bnothing to lose\b|\bno way (?:that )?(?:you|to|of)(?: can| could|'ll| will)? (?:lose|losing)\b"
    r"|\b(?:isn't|is not|not|im)[ ]?possible (?:for you )?to lose\b|\b(?:definitely|certainly|surely|inevitably) (?:earn|gain|make"
    r"|receive|get|profit|rise)\b|\b(?:earn|gain|make|get|receive)\b[^!?;\n]{0,24}\bfor (?:certain|sure)\b|\brisks? nothing\b"
    r"|\b(?:not true|untrue|false|wrong|a myth) (?:that|to say)\b[^.!?;\n]{0,40}\b(?:not|n't)\b[^.!?;\n]{0,12}\b(?:guaranteed|protected|safe)\b"
    r"|\bguaranteed approval\b"
)
_PROMISE = re.compile(f"{_CHINESE}|{_ENGLISH}", re.IGNORECASE)

TRIGGER = re.compile(
    r"[保赚赢赔亏涨跌险绝底兑躺稳包]|铁定|百分|万无|一定|肯定|必|收益|本金|100|guarant|risk|los[es]|profit|return"
    r"|principal|capital|sure|safe|"
    r"protect|assured|foolproof|easy|never|won't|only|absolut|complet|total|perfect"
    r"|definit|certain|inevitabl|possible|not true|untrue|false|wrong|myth|no way",
    re.IGNORECASE,
)
"""Where a clause holds one of these, a promise may be in the making."""

_DENIED_DENIAL = re.compile(
    r"not true|untrue|false|wrong|a myth|isn't possible|is not possible|not possible|impossible|no way",
    re.IGNORECASE,
)
"""A promise that begins with its own negation."""

_SCAM = r"(?:骗|诈|陷阱|违规|违法|非法|不可信|scam|fraud|illegal|trap)"
_DENIED_SCAM = r"(?<!不是)(?<!并非)(?<!不属于)(?<!not a )(?<!not )(?<!no )"
_CLAIM = (
    r"(?:声称|号称|宣称|自称|谎称|承诺|许诺|打着|吹嘘|鼓吹|以[“\"「]?|谁说|凡是|凡|任何人|claim"
    r"|promis|who(?:ever)? (?:say|offer|tell)|anyone|advertis|offer)"
)
_WARN = (
    r"(?:警惕|谨防|当心|小心|提防|(?:不要|切勿|请勿|勿|别)(?:轻易)?(?:相信|轻信|信)|beware|watch out"
    r"|(?:don't|do not|never) (?:trust|believe)|be wary|ignore)"
)
_CLAIM_BEFORE = re.compile(_CLAIM, re.IGNORECASE)
_WARN_BEFORE = re.compile(_WARN, re.IGNORECASE)
_SCAM_AFTER = re.compile(_DENIED_SCAM + _SCAM, re.IGNORECASE)


def find_promise(text: str) -> str:
    """The first promise that the text makes, in its own words; empty if it makes none."""
    for sentence in sentences(text):
        if not TRIGGER.search(sentence):
            continue
        previous = 0
        for match in _PROMISE.finditer(sentence):
            twice = _DENIED_DENIAL.match(match[0]) is not None
            if (twice or not _denied(sentence, match.start(), previous)) and not _quoted(sentence, match):
                return match[0]
            previous = match.end()
    return ""


def _denied(sentence: str, start: int, previous: int) -> bool:
    """Whether an odd number of negations governs what begins at `start`. In 不保本不保收益 each promise has
    its own; in 不保本保收益 the second shares the first's."""
    scope = _scope(sentence, start)
    if _NOR.search(scope):
        return True
    own = scope[max(0, previous - (start - len(scope))) :]
    return negations(own if negations(own) else scope) % 2 == 1


_NOR = re.compile(
    r"^\s*neither (?:(?:the|your|any|a|an|its) )?(?:[a-z]+ ){1,3}nor (?:(?:the|your|any|a|an|its) )?$",
    re.IGNORECASE,
)
"""Right before the second of two things that are denied together; as two negations they'd make a promise."""
_BREAK = re.compile(
    r"[,，:：]|\b(?:but|however|although|because|while)\b|但是?|不过|然而|而且|因为|所以", re.IGNORECASE
)


def _scope(sentence: str, end: int) -> str:
    """What stands before a promise in its own clause."""
    start = 0
    for match in _BREAK.finditer(sentence, 0, end):
        start = match.end()
    return sentence[start:end]


def _quoted(sentence: str, match: re.Match[str]) -> bool:
    before, after = sentence[: match.start()], sentence[match.end() :]
    if _WARN_BEFORE.search(before):
        return True
    return bool(_CLAIM_BEFORE.search(before) and _SCAM_AFTER.search(after)) or bool(
        re.match(
            rf"[”\"」’』、，,\w ]{{0,12}}?(?:都是|就是|多是|均为|属于|(?:is|are) (?:a |an "
            rf"|always )?){_SCAM}",
            after,
        )
    )
