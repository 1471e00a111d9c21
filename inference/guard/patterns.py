"""What figures look like: one pattern for all kinds, tried in order of how special they are."""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from inference.guard.numerals import CHINESE, CHINESE_FORMAL, ENGLISH
from inference.guard.units import CURRENCY_BEFORE, MULTIPLIER, UNIT

__all__ = ["MONTHS", "SCAN", "fold_figures"]

# ── folding ──────────────────────────────────────────────────────────────────────────────────────


def _fold_table() -> Mapping[int, str]:
    """One character to one, so that positions stay those of the raw text."""
    table = {
        code: chr(code - 0xFEE0)
        for code in range(0xFF01, 0xFF5F)
        if chr(code) not in "！？；，（）［］｛｝＜＞＂＇"
    }
    for code in range(0x80, 0x20000):
        if unicodedata.category(chr(code)) == "Nd":
            table[code] = str(unicodedata.decimal(chr(code)))
    pairs = "萬万億亿兩两點点個个時时鐘钟號号歲岁週周貳贰參叁陸陆圓圆幣币後后內内條条張张種种戶户"
    table |= {ord(old): new for old, new in zip(pairs[::2], pairs[1::2], strict=True)}
    others = {
        "￥": "¥",
        "　": " ",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
        "–": "-",
        "—": "-",
        "−": "-",
        "‑": "-",
        "‐": "-",
        "～": "~",
        "〜": "~",
        "％": "%",
    }
    return table | {ord(old): new for old, new in others.items()}


_FOLD = _fold_table()


_CIRCLES = {
    chr(first + at): str(digit)
    for digits, starts in (
        ("123456789", (0x2460, 0x2474, 0x24F5, 0x2776, 0x2780, 0x278A)),
        ("0", (0x24EA, 0x24FF)),
    )
    for first in starts
    for at, digit in enumerate(digits)
}
_CIRCLED = "".join(_CIRCLES)
_OPEN = str.maketrans(_CIRCLES | dict.fromkeys("〇零○◯", "0"))
_CIRCLED_NUMBER = re.compile(
    rf"[\d{_CIRCLED}][\d{_CIRCLED}〇零○◯]+|(?<=\d[.,])[{_CIRCLED}]+"
    rf"|[{_CIRCLED}](?=[.,][\d{_CIRCLED}]|[ \t]?(?:[十百千万亿]|{UNIT}))",
    re.IGNORECASE,
)
"""Circled digits and round zeros in a number; ① alone is a list's marker."""
_WIDE_SEPARATOR = re.compile(r"(?<=\d)，(?=\d{3}(?!\d))")


_ITEM = re.compile(r"(?:^|[。；;：:\n])[ \t]*([①-⑨])")


def _circled_marks(text: str) -> frozenset[int]:
    """Where the ② and what follows of a list ①, ②, ③ … stand, each at its item's beginning."""
    marks, count = [], 0
    for match in _ITEM.finditer(text):
        if ord(match[1]) - ord("①") == count:
            count += 1
            marks.append(match.start(1))
    return frozenset(marks[1:])


def _opened(match: re.Match[str], marks: frozenset[int]) -> str:
    mark = match.start() in marks
    return match[0][:mark] + match[0][mark:].translate(_OPEN)


def fold_figures(text: str) -> str:
    """ASCII digits and signs, Simplified units; as long as `text`."""
    text = text.translate(_FOLD)
    if not text.isascii():
        marks = _circled_marks(text)
        text = _CIRCLED_NUMBER.sub(lambda match: _opened(match, marks), text)
    return _WIDE_SEPARATOR.sub(",", text)


# ── the scanner ──────────────────────────────────────────────────────────────────────────────────

_PERIOD = r"上午|下午|晚上|晚间|早上|早晨|清晨|中午|凌晨|傍晚|夜间|午后|早|晚"
_MONTH_WORDS = (
    "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sept sep|"
    "october oct|november nov|december dec"
)
MONTHS = {name: n for n, names in enumerate(_MONTH_WORDS.split("|"), start=1) for name in names.split()}
_MONTH = "(?:" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\b\.?"
_ARABIC = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?"
_CN = rf"{CHINESE_FORMAL}|{CHINESE}"
_GAP = r"[ \t]?-?"
_MEASURE = "天|日|周|月|年|季度|小时|分钟|工作日|交易日|星期"
_EN_MEASURE = "day|week|month|year|quarter|hour|minute|business day|working day"

_MANY = "⑩-⑳⑽-⒇⒈-⒛⓫-⓴⓾❿➉➓㉑-㉟㊱-㊿㈠-㈩㊀-㊉"
"""Numbers of several digits, or 汉字, in one sign."""

_PATTERNS: tuple[tuple[str, str], ...] = (
    # Bounded, or a long text without spaces (5%5%5%…) is read anew at every figure: 64 characters before
    # the @ are the most there are (RFC 5321, 4.5.3.1.1), and no scheme in use is half as long.
    ("email", r"[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9-]+(?:\.[a-z0-9-]+)+"),
    (
        "url",
        r"(?:[a-z][a-z0-9+.-]{0,63}://"
        r"|www\.)[^\s\u3000-\u303f\u4e00-\u9fff\uff00-\uffef<>\"'“”‘’()\[\]]*[a-z0-9/=&#_-]"
        r"|(?<![a-z0-9.-])(?:[a-z0-9-]+\.)*[a-z0-9-]{2,}\.[a-z]{2,}(?![a-z0-9])(?:/[\w./?=&%#~-]*[\w/])?"
        r"|(?<=@)[a-z0-9-]+(?:\.[a-z0-9-]+)+",
    ),
    (
        "date",
        r"(?<!\d)(?P<ymd>(?P<y1>\d{4})[-/.](?P<m1>\d{1,2})[-/.](?P<d1>\d{1,2})(?!\d))"
        rf"|(?:(?P<y2>(?<!\d)\d{{4}}|[一二][零〇一二三四五六七八九]{{3}})[ ]?年[ ]?)?"
        rf"(?P<m2>(?<!\d)\d{{1,2}}|十[一二]?|[一二三四五六七八九])[ ]?月(?:份|[ ]?(?P<d2>\d{{1,2}}"
        rf"|[一二三]?十?[一二三四五六七八九十])[ ]?[日号])?"
        rf"|(?P<y3>(?<!\d)(?:19|20)\d\d|二[零〇][零〇一二三四五六七八九]{{2}})[ ]?年"
        rf"|(?<![a-z\d])(?P<d4>\d{{1,2}})(?:st|nd|rd"
        rf"|th)?[ ](?:of )?(?P<m4>{_MONTH})(?:,?[ ](?P<y4>\d{{4}}))?"
        rf"|(?<![a-z])(?P<m5>{_MONTH})[ ](?P<d5>\d{{1,2}})(?:st|nd|rd|th)?(?!\d"
        rf"|[.:]\d)(?:,?[ ](?P<y5>\d{{4}}))?"
        rf"|(?<![a-z])(?P<m6>{_MONTH})[ ](?P<y6>(?:19|20)\d\d)(?!\d)",
    ),
    (
        "phone",
        r"(?<![\d.])\+\d{1,3}(?:[ -]?\(?\d{1,5}\)?){1,5}(?!\d)"
        r"|(?<![\d.])\(?0\d{2,3}\)?[- ]\d{4,8}(?:-\d{1,5})?(?!\d)"
        r"|(?<![\d.])[48]00[- ]\d{3,4}[- ]?\d{3,4}(?!\d)"
        r"|(?<![\d.])1[3-9]\d(?:[ -]?\d{4}){2}(?!\d)"
        r"|(?<![\d.])0\d{2,}(?![\d.])",
    ),
    (
        "always",
        r"(?<![\d.])(?:7[ ]?[x×*][ ]?24|24[ ]?[x×*][ ]?7|24/7|24 hours a day, (?:7"
        r"|seven) days a week)(?:[ ]?个?小时)?(?!\d|\.\d|[ ]?(?:个|分|秒|天|日|周|月|年|元|万|%))",
    ),
    (
        "time",
        rf"(?P<tp1>{_PERIOD})?[ ]?(?<![\d:])(?P<th1>\d{{1,2}})[::](?P<tm1>\d\d)(?::\d\d)?(?!\d"
        rf"|:\d)(?:[ ]?(?P<ta1>[ap]\.?m\b\.?))?"
        rf"|(?P<tp2>{_PERIOD})[ ]?(?P<th2>\d{{1,2}}|[零一二两三四五六七八九十]{{1,3}})[点时](?!间|候|段"
        rf"|[以之内])"
        r"(?:(?P<thalf2>半)|整|钟|(?P<tm2>\d{1,2}|[零一二三四五六七八九十]{1,3})分?(?!之))?"
        r"|(?<![\d.])(?P<th3>\d{1,2})(?:点|时(?!间|候|段))(?:(?P<thalf3>半)|整|钟|(?P<tm3>\d{1,2})分?)?"
        r"|(?P<th4>[零一二两三四五六七八九十]{1,3})点(?:(?P<thalf4>半)|整|钟)"
        r"|\b(?P<past>half past|a quarter past|quarter past|a quarter to|quarter to) (?P<th6>\d{1,2}|[a-z]+)\b"
        r"|(?P<zero>零点|零时|午夜|\bmidnight\b)|(?P<noon>正午|\bnoon\b)"
        r"|(?<![\d.:])(?P<th5>\d{1,2})[ ]?(?P<ta5>[ap]\.?m\b\.?)",
    ),
    (
        "class",
        r"(?:ⅰ|ⅱ|ⅲ|Ⅰ|Ⅱ|Ⅲ|iii|ii|i|[123]|[一二三])[ ]?类(?:银行)?(?:账户|结算账户|户|卡)|\bclass[ -](?:ⅰ"
        r"|ⅱ|ⅲ|Ⅰ|Ⅱ|Ⅲ|iii|ii|i|[123])(?![a-z0-9])",
    ),
    (
        "fraction",
        rf"(?P<fd>百|千|万|[二两三四五六七八九十]+)分之(?P<fn>百|{_ARABIC}|{_CN})|(?P<all>百分百)"
        rf"|打?(?P<zhe>\d(?:\.\d)?|[一二三四五六七八九]{{1,2}})折(?![叠旧线合页扣算])"
        rf"|(?P<cheng>\d+(?:\.\d+)?"
        rf"|[一二两三四五六七八九])成(?P<chenghalf>半)?(?![功立为本员交年长果绩熟品都型就])"
        r"|(?P<onehalf>一半|\bhalf(?= (?:of|the)\b))",
    ),
    (
        "half",
        rf"(?P<hn>{_ARABIC}|{_CN})?(?P<hu1>个)?半(?P<hu2>个?(?:小时|钟头|月|年|天))|(?P<hy>{_ARABIC}"
        rf"|{_CN})年半"
        rf"|(?P<he>(?<![a-z])(?:\d+|[a-z]+)) and a half(?:[ -](?P<hem>hundred|thousand|million|billion)\b)?(?:[ -]?(?P<heu>{UNIT}))?"
        rf"|\b(?P<hp>half|(?:a )?quarter of|three[ -]quarters of) an? (?P<hm>hundred|thousand|million|billion)(?:[ ](?P<hpu>{UNIT}))?\b"
        rf"|(?<![一大多过小])半个?(?P<hs>[百千万亿]{{1,2}})(?!分)(?:[ ]?(?P<hsu>{UNIT}))?"
        r"|\bhalf an? (?P<hue>hour|year|month|day|per ?cent|percentage point)\b",
    ),
    (
        "money",
        rf"(?P<cur>{CURRENCY_BEFORE})[ \t]?(?P<mn>{_ARABIC}|{_CN})(?:[ \t]?(?P<mm>{MULTIPLIER}"
        rf"|m(?![a-z0-9])))?"
        r"[多余]?(?:[ \t]?(?:元|圆|yuan\b))?整?",
    ),
    ("ordinal", r"(?<![\d.,])(?P<on>\d{1,2})(?:st|nd|rd|th)\b|(?<![\d.])(?P<oh>\d{1,2})号(?!码|线)"),
    (
        "code",
        r"(?<![a-z0-9])t\+\d+"
        r"|(?<![a-z0-9])(?!\d+[a-z]+(?![a-z0-9]))(?=[a-z0-9]*[a-z])(?=[a-z0-9]*\d)[a-z0-9]+",
    ),
    (
        "number",
        rf"(?P<n>{_ARABIC})(?:[ \t]?(?P<nm>{MULTIPLIER}))?[多余几]?(?:{_GAP}(?P<nu>{UNIT}))?",
    ),
    ("words", rf"(?P<w>{_CN})[多余]?(?:[ \t]?(?P<wu>{UNIT}))?"),
    ("english", rf"(?<![a-z-])(?P<e>{ENGLISH})(?:{_GAP}[ ]?(?P<eu>{UNIT}))?|\b(?P<twice>twice|thrice)\b"),
    (
        "implicit",
        rf"[每当次同隔逐按单][ ]?(?P<iz>{_MEASURE})|(?:(?<=[^年月\d])|^)(?:年(?:化|利率|费)|月供|日利率)"
        rf"|\b(?:an?|per|each|every|the same|the next|next|same)[ ](?P<ie>{_EN_MEASURE})\b"
        rf"|\b(?P<ia>daily|monthly|yearly|annual(?:ly)?|annualised|annualized|hourly|weekly|quarterly)\b",
    ),
    (
        "other",
        rf"[{_MANY}](?=[ \t]?(?:[\d十百千万亿]|{UNIT}))|"
        r"[\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u2079\u2080-\u2089\u2150-\u2189]",
    ),
    ("swift", r"(?<![A-Za-z0-9])(?-i:[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)(?![A-Za-z0-9])"),
)
# Cheap first: a place where no kind of figure can begin is passed over at once.
_START = (
    r"(?:(?=[\d(+¥$€£ⅠⅡⅢⅰⅱⅲ\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u2079\u2080-\u2089\u2150-\u215f]|["
    + _MANY
    + r"])"
    r"|(?=[零〇一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟人半上下晚早清中凌傍夜午正每当次同隔逐按单年月日打])"
    r"|(?<![A-Za-z])(?=[A-Za-z]))"
)
SCAN = re.compile(
    _START
    + "(?:"
    + "|".join(f"(?P<{name}>{pattern})" for name, pattern in (*_PATTERNS[-1:], *_PATTERNS[:-1]))
    + ")",
    re.IGNORECASE,
)
"""Finds one figure after the other; the name of the group that matched is the kind of pattern."""
