"""What negates, and how far a negation reaches."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["APPARENT", "NEGATIONS", "REACH_LATIN", "is_negated"]

REACH_HAN, REACH_LATIN = 7, 26
"""How far a negation reaches, in characters of its own clause."""

NEGATIONS = (
    "没", "没有", "不", "未", "别", "勿", "莫", "拒绝", "从未", "并未", "绝不", "从没", "还没", "并没",
    "无需", "不是", "并非", "不会", "不要", "不想", "没给", "唔", "冇", "not", "never", "no", "without",
    "refuse*", "refusing", "cannot", "don't", "didn't", "doesn't", "haven't", "hasn't", "hadn't", "won't",
    "wouldn't", "wasn't", "isn't", "aren't", "can't", "couldn't", "shouldn't", "dont", "didnt", "havent",
    "wont", "neither", "nor", "declined",
)  # fmt: skip
APPARENT = (
    "莫名", "不知真假", "有冇",
    "不小心", "不得不", "不知道", "不晓得", "不清楚", "不确定", "是不是", "要不要", "能不能", "会不会",
    "可不可以", "可不可", "有没有", "行不行", "好不好", "不只", "不但", "不仅", "不光", "没想到",
    "没办法", "没事", "不然", "不久", "不断", "不停", "不管", "不过", "不明", "不懂", "差不多", "了不起",
    "没注意", "没多想", "没忍住", "该不该", "不该", "不应该", "用不用", "不对劲", "没反应过来",
    "不敢相信", "不好意思", "不就", "不住", "不行", "不想活", "别的", "别人", "特别", "级别", "个别",
    "没问题", "没细想", "没仔细", "不见了", "睡不着", "不给", "不转", "不打钱", "不汇", "不配合", "不听",
    "不交", "不还", "不按", "信不信", "再不", "不用的", "不常用", "不再用", "不要了", "用不着", "受不了",
    "不服", "不满", "不甘心", "撑不", "扛不", "熬不", "活不", "不解决", "不处理", "不赔", "不退",
    "不回复", "不答复", "不解冻", "不理我", "不给个说法", "不下去", "不用了", "不出", "不了", "不到",
    "不起", "不动", "不进", "不通", "不完", "不着", "不清", "不回来", "要不", "不愿意透露", "来不及",
    "忍不住", "不由", "不知", "没怀疑", "没核实", "没防备", "没看清", "没在意", "not only", "no idea",
    "don't know", "dont know", "not sure", "can't believe", "didn't realise", "didn't realize",
    "didn't know", "didn't think", "no longer", "cannot believe", "no matter", "why not", "if not",
    "or not", "no problem", "if you don't", "if you do not", "unless",
)  # fmt: skip
"""What holds a negation's letters and negates nothing that follows."""
_CLAUSE_END = re.compile(
    r"[,;:!?\n。…]|\.(?=\s|$)|、|但|却|可是|就|否则|不然|只好|只能|\bbut\b|\bthough\b|\bhowever\b"
)
_THREAT = re.compile(r".{0,10}?(?:就|否则|的话|不然|要|\b(?:or|will|would|unless)\b)")


def is_negated(folded: str, start: int, end: int, negations: Sequence[tuple[int, int]]) -> bool:
    """Whether a negation before a hit, in its clause and near it, reaches it; 不…就… is a threat."""
    for begin, stop in negations:
        if stop > start:
            continue  # inside the hit: the concept itself is what is not (不还钱)
        between = folded[stop:start]
        reach = REACH_LATIN if between.isascii() and between.strip() else REACH_HAN
        if len(between) > reach or _CLAUSE_END.search(between):
            continue
        if folded[begin:stop] in ("不", "别") and _THREAT.match(folded, end):
            continue
        return True
    return False
