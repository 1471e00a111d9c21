"""What a figure bounds: 最多90天 where the passage says 至少90天, "per month" where it says "per year".

Three properties of a figure in its clause: whether it is a most or a least, whether something goes up or
down by it, and per what it is counted. A property that the reply states and that the passages state only
differently for the same figure has been turned round; one that they leave open isn't judged.
"""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from inference.guard.clauses import PIECE_END, SENTENCE_END
from inference.guard.figure import RATES, Figure, compatible

__all__ = ["Bound", "bounds", "find_reversed", "find_turned"]

NEAR_ZH = 14
NEAR_EN = 34
"""Characters before a figure in which a word can bound it."""
AFTER = 26

_NOT = r"(?P<not>不得|不能|不可|不会|不要|不应|不|未|没有|没|勿|\bcannot |\bcan't |\bnot be |\bnot |\bno |\bnever |n't )?"
_MOST = (
    r"最[多高大长晚迟]|至多|顶多|上限|限额|封顶|低于|少于|小于|短于|不?足|[不未]满|以内"
    r"|\bat (?:the )?most|\bup to|\bmaximum|\bmax\b|\bwithin|\bunder|\bbelow|\bless than|\bfewer than|\blimit"
    r"|\bcapped|\blater than|\bshorter than|\bceiling|\bthe most\b|\bhighest|\btops? out"
)
_LEAST = (
    r"最[少低小短早]|至少|起码|下限|门槛|起[存购投点]|超过|超出|高于|大于|多于|超|满|逾|达到|长于"
    r"|\bat (?:the )?least|\bminimum|\bmin\b|\bover\b|\babove|\bmore than|\bexceed\w*|\bstart(?:s|ing)? (?:at|from)"
    r"|\bthe least|\blowest|\bearlier than|\blonger than|\bleast\b|\bgreater than|\bas little as"
)
_BEFORE = re.compile(
    f"(?=[不未没勿最至顶上限封低少小短足满以下门起超高大多长逾达]|(?<![A-Za-z])[a-zA-Z]|n't){_NOT}(?:(?P<most>{_MOST})|(?P<least>{_LEAST}))",
    re.I,
)
_FOLLOWING = re.compile(
    r"[^，。；,;.\n\d]{0,3}?(?:(?P<most>(?:及|\(含\)|（含）)?(?:以内|之内|内(?!部|容|地)|以下|为限|封顶|为上限)"
    r"|[ -]?(?:or|and) (?:less|below|under|fewer|younger)|[ -]?at (?:the )?most|[ -]?maximum|[ -]?tops)"
    r"|(?P<least>(?:及|\(含\)|（含）)?(?:以上|起(?!来|见|诉|伏)|以外|开外|门槛)"
    r"|[ -]?(?:or|and) (?:more|above|over|older|longer|up)|[ -]?at (?:the )?least|[ -]?minimum))",
    re.I,
)
_LEAD = re.compile(r"[ ]?(?:before|ahead|in advance|prior|之?前)", re.I)
_EXCESS = re.compile(r"超|高于|大于|多于|over|above|more than|exceed", re.I)
_OF = re.compile(r"的(?!话)")
_UP = re.compile(
    r"(?P<up>上调|上浮|上升|提高|增加|高出?|加|涨|多|\bhigher|\bincreas|\brais|\bris|\bmore\b|\bup by|\bplus)"
    r"|(?P<down>下调|下浮|下降|降低|减少|减|低|降|跌|少|优惠|\blower|\bdecreas|\breduc|\bcut|\bfall|\bless\b|\bdown by|\bminus"
    r"|\bdiscount|\boff\b)",
    re.I,
)
_PER = re.compile(
    r"(?=[每单日当一月年]|(?<![A-Za-z])[apeodwmqysAPEODWMQYS])(?:(?P<day>每[天日]|单日|日(?:累计|限额|均)|当日累计|一[天日]|\b(?:a|per|each|every|one) day\b|\bdaily\b)"
    r"|(?P<week>每(?:周|星期)|单周|\b(?:a|per|each|every) week\b|\bweekly\b)"
    r"|(?P<month>每个?月|单月|月(?:累计|限额|费|供|息|利率)|\b(?:a|per|each|every) month\b|\bmonthly\b)"
    r"|(?P<quarter>每个?季度?|\b(?:a|per|each|every) quarter\b|\bquarterly\b)"
    r"|(?P<year>每[一]?年|单年|年(?:化|利率|费|累计|均|限额)|一年|\b(?:a|per|each|every) (?:calendar )?year\b|\byearly\b|\bannual"
    r"|\bp\.a\.|\bper annum)"
    r"|(?P<each>单笔|每[一]?[笔次单]|\b(?:per|each|every|a|single) (?:transaction|transfer|payment|withdrawal|time|remittance)\b"
    r"|\ba time\b|\bat once\b))",
    re.I,
)
_TO = re.compile(r"[ ]?(?:-|–|—|~|～|至|到|to)[ ]?", re.I)
_FELL = re.compile(r"从|由|降|调|减|\bfrom\b|\bfell|\bcut|\blower|\breduc|\bdrop", re.I)
_COUNTED = frozenset({"percent", "bps", "amount", "number", "CNY", "USD", "HKD", "EUR", "GBP", "JPY"})


@dataclass(frozen=True, slots=True)
class Bound:
    """A figure, and what is said of it."""

    figure: Figure
    limit: str
    """most, least or empty."""
    change: str
    """up, down or empty."""
    per: frozenset[str]
    """day, week, month, quarter, year, each: in the figure's own piece of the sentence."""
    near: frozenset[str]
    """The same in its whole sentence."""


def bounds(text: str, figures: Sequence[Figure]) -> tuple[Bound, ...]:
    """All bounded figures of a text; `figures` are the text's own."""
    stated = [figure for figure in figures if not figure.implicit]
    if not stated:
        return ()
    pieces = _spans(PIECE_END, text)
    sentences = _spans(SENTENCE_END, text)
    pers = [(match.start(), match.lastgroup or "") for match in _PER.finditer(text)]
    found = []
    for at, figure in enumerate(stated):
        start, end = _around(pieces, figure.start)
        left = max([start, *(other.end for other in stated[:at] if other.end <= figure.start)])
        right = min([end, *(other.start for other in stated[at + 1 : at + 2])])
        wide = _around(sentences, figure.start)
        found.append(
            Bound(
                figure,
                _limit(text, left, figure, right),
                _change(text[start:end]) if figure.kind in RATES else "",
                frozenset(name for place, name in pers if start <= place < end),
                frozenset(name for place, name in pers if wide[0] <= place < wide[1]),
            )
        )
    return tuple(found)


def find_turned(stated: Iterable[Bound], known: Sequence[Bound]) -> str:
    """The first figure of which the reply says the opposite of what the passages say; empty if none."""
    for mine in stated:
        theirs = [other for other in known if compatible(mine.figure, other.figure)]
        if not theirs:
            continue
        text = mine.figure.text.strip()
        limits = {other.limit for other in theirs if other.limit}
        if mine.limit and limits and mine.limit not in limits and all(other.limit for other in theirs):
            return f"{text} as the {mine.limit}"
        changes = {other.change for other in theirs if other.change}
        if mine.change and changes and mine.change not in changes:
            return f"{text} {mine.change}"
        if mine.per and mine.figure.kind in _COUNTED and not _counted_so(mine, theirs):
            return f"{text} per {', '.join(sorted(mine.per))}"
    return ""


def find_reversed(figures: Sequence[Figure], text: str) -> str:
    """The first range that runs downwards (2.30%到1.80%); empty if none does."""
    for left, right in pairwise(figures):
        if (
            left.kind == right.kind
            and left.kind in _COUNTED
            and isinstance(left.value, Fraction)
            and isinstance(right.value, Fraction)
            and left.value > right.value
            and _TO.fullmatch(text[left.end : right.start])
            and not _FELL.search(text[max(0, left.start - 24) : left.start])
        ):
            return f"{left.text.strip()} to {right.text.strip()}"
    return ""


def _counted_so(mine: Bound, theirs: Sequence[Bound]) -> bool:
    """Whether one of the passages' figures may be counted per what the reply says: per the same, or per
    nothing that its sentence names."""
    return any(mine.per & other.near or not other.near for other in theirs)


def _limit(text: str, left: int, figure: Figure, right: int) -> str:
    after = _FOLLOWING.match(text, figure.end, min(right, figure.end + AFTER))
    if after:
        return "most" if after["most"] else "least"
    near = NEAR_EN if text[figure.start - 1 : figure.start].isascii() else NEAR_ZH
    last = None
    for match in _BEFORE.finditer(text, max(left, figure.start - near), figure.start + 2):
        if match.start() < figure.start:
            last = match
    if last is None:
        return ""
    if _LEAD.match(text, figure.end) or (
        last["least"] and _EXCESS.match(last["least"]) and _OF.match(text, figure.end)
    ):
        return ""  # a span before a date, or what happens beyond a limit, bounds nothing itself
    most = bool(last["most"]) and not (last["not"] and last["most"] not in {"足", "不足", "不满", "未满"})
    if last["least"] and last["not"]:
        most = True
    return "most" if most else "least"


def _change(piece: str) -> str:
    ways = {match.lastgroup or "" for match in _UP.finditer(piece)}
    return ways.pop() if len(ways) == 1 else ""


def _spans(end: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    ends = [match.end() for match in end.finditer(text)]
    return list(zip([0, *ends], [*ends, len(text)], strict=True))


def _around(spans: Sequence[tuple[int, int]], position: int) -> tuple[int, int]:
    return next(span for span in spans if span[0] <= position < span[1])
