"""Words that may not promote a financial product.

Sources: 广告法 art. 25 (promises of principal or return) and 金融产品网络营销管理办法 (in force 2026-09-30:
inducing words). What is denied is fine: 非保本, 不保证收益, "not guaranteed".
"""

from __future__ import annotations

import re

__all__ = ["inducing"]

_ZH = (
    "低门槛", "零门槛", "秒到账", "高收益", "低风险", "零风险", "无风险", "保本", "保收益", "保息", "稳赚",
    "稳赢", "躺赚", "必涨", "包赚", "只赚不赔", "刚兑", "刚性兑付", "收益有保障", "保证收益", "抢购",
    "手慢无", "限时抢", "最高收益", "最安全", "绝对安全", "闭眼买",
)  # fmt: skip
_EN = (
    r"guaranteed (?:return|profit|yield|principal|income)s?", r"risk[- ]free", r"no[- ]risk", r"zero[- ]risk",
    r"low[- ]risk", r"high[- ](?:return|yield)s?", r"instant(?:ly)? (?:arrival|credited|cash)",
    r"no (?:minimum|threshold)", r"can(?:'|no)t lose", r"never lose", r"hurry", r"last chance",
    r"capital[- ]guaranteed", r"principal[- ]protected", r"safest", r"sure profit",
)  # fmt: skip
_DENIED = r"(?<!非)(?<!不)(?<!不能)(?<!不会)(?<!不是)(?<!并不)(?<!并非)(?<!不可能)(?<!没有)(?<!不得)"
_INDUCING = re.compile(
    rf"{_DENIED}(?:{'|'.join(_ZH)})"
    rf"|(?<![a-z])(?<!not )(?<!no )(?<!isn't )(?<!never )(?:{'|'.join(_EN)})(?![a-z])",
    re.I,
)


def inducing(text: str) -> str:
    """The first inducing word or banned promise in `text`; empty if there is none."""
    found = _INDUCING.search("".join(text.split()) if re.search(r"[\u4e00-\u9fff]", text) else text)
    return found[0] if found else ""
