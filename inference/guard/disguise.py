"""Words hidden from a filter: 保 本, 保·本, 饱本, 保證, r-i-s-k free, gu4ranteed."""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re
import unicodedata

__all__ = ["undisguise"]

_TRADITIONAL = "證证風风險险無无沒没穩稳賺赚虧亏絕绝對对擔担諾诺賠赔漲涨確确報报損损盈盈兌兑剛刚應应會会贏赢發发給给碼码驗验帳账號号轉转請请錢钱戶户"
_LIKE = "饱保宝保堡保葆保褓保夲本苯本畚本焙赔峰风鲜险撰赚篆赚収收"
_FOLD = {ord(a): b for pairs in (_TRADITIONAL, _LIKE) for a, b in zip(pairs[::2], pairs[1::2], strict=True)}
_PLAIN = {
    code: unicodedata.normalize("NFKC", chr(code))
    for first, last in ((0xFF10, 0xFF5A), (0x1D400, 0x1D7FF), (0x24B6, 0x24E9), (0x2F00, 0x2FD5))
    for code in range(first, last + 1)
    if unicodedata.normalize("NFKC", chr(code)).isalnum()
} | {ord(a): b for a, b in zip(_TRADITIONAL[::2], _TRADITIONAL[1::2], strict=True)}
"""Letters and 汉字 in other shapes; punctuation stays, since it ends clauses."""
_HOMOPHONE = re.compile(
    r"[饱宝堡葆褓][夲苯畚本]|[保饱宝堡葆褓][夲苯畚]|保[証证]収益|[稳穩][撰篆]|零风鲜|无风鲜|無風鮮"
)
_BETWEEN_HAN = re.compile(
    r"(?<=[\u3400-\u9fff])[\s·•.*_\-~|/\\+=^#@\u200b-\u200f\u2060-\u206f\ufe0f\U0001f300-\U0001faff]{1,4}(?=[\u3400-\u9fff])"
)
_SPACED = re.compile(r"(?<![A-Za-z])(?:[A-Za-z][\s.*_\-·]{1,3}){3,}[A-Za-z](?![A-Za-z])")
_LEET = str.maketrans("013457@$", "oieastas")
_LEET_WORD = re.compile(
    r"(?<![\w@$])(?=[a-z01345@$]*[a-z])(?=[a-z]*[01345@$])[a-z01345@$]{5,}(?![\w@$])", re.I
)
_PINYIN = (
    (re.compile(r"\bbao ?ben\b", re.I), "保本"),
    (re.compile(r"\bwen ?zhuan\b", re.I), "稳赚"),
    (re.compile(r"\bwu ?feng ?xian\b", re.I), "无风险"),
    (re.compile(r"\bbao ?(?:zheng )?shou ?yi\b", re.I), "保收益"),
)


def undisguise(text: str) -> str:
    """The text as a reader hears it: without what stands between the characters of one word. Positions
    are not those of `text`."""
    text = text.translate(_PLAIN)
    text = _HOMOPHONE.sub(lambda match: match[0].translate(_FOLD), text)
    text = _BETWEEN_HAN.sub("", text)
    text = _SPACED.sub(_join, text)
    text = _LEET_WORD.sub(lambda match: match[0].lower().translate(_LEET), text)
    for pattern, word in _PINYIN:
        text = pattern.sub(word, text)
    return text


def _join(match: re.Match[str]) -> str:
    word = re.sub(r"[\s.*_\-·]+", "", match[0])
    return "risk-free" if word.lower() == "riskfree" else word
