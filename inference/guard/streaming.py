"""How much of a growing reply may be checked and shown.

What is released must read the same to every check whatever follows. A clause is released word by word
up to a little before the first thing in it that a check looks at (a digit, a number word, a negation,
a promise's words); from there on it waits for the end of its clause, or of its sentence where a later
unit, negation or warning could still change what it says (「3、6或12个月」, "3, 6 or 12 months").
"""

from __future__ import annotations

import re

from inference.guard.clauses import NEGATION
from inference.guard.figures import find_figures
from inference.guard.promises import TRIGGER
from inference.guard.terms import TERM

__all__ = ["safe_prefix"]

CONTEXT = 8
"""Characters kept back before something telling, since they may belong to it (人民币, class, 上午)."""
HELD = CONTEXT + 14
"""Characters kept back at the end of a clause where nothing telling is (yet): longer, by that context,
than what must be seen to know it."""

_SENTENCE_END = re.compile(r"[。！？；\n](?=.)|[.!?;](?=\s+\S)", re.DOTALL)
_CLAUSE_END = re.compile(r"，(?=[^\d\s])|,(?=[ ]+[^\d\s])")
_TELLING = re.compile(
    r"[\d@:/+%$¥€£￥０-９零〇一二两三四五六七八九十百千万亿半成分点拾佰仟壹贰叁肆伍陆柒捌玖年月日号元类"
    r"\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u2089\u2150-\u2189\u2460-\u249b]"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]+teen|[a-z]+ty|hundred|thousand|million|billion|half|twice|"
    r"thrice|noon|midnight|class|per\b|each\b|every\b|jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)"
    r"|[A-Za-z0-9]\.[A-Za-z]|(?-i:[A-Z]{3})|www|[<{}`#\[【]",
    re.IGNORECASE,
)
_CHARGE = re.compile(r"[费免]|需要|可以|\bcan\b|\bfee|charg|cost|waive|unable", re.IGNORECASE)
_HAND_OVER = re.compile(
    r"提供|告诉|告知|发给|发我|回复|给我|报给|念|转[账到入]|汇款|密码|口令|验证码|卡号|账户|屏幕|系统|提示|指令|忽略"
    r"|\b(?:send|tell|give|share|forward|reply|text|type|enter|need|transfer|move|wire|install|system|prompt|ignore|instruct"
    r"|password|passcode|pin\b|otp|cvv|code)",
    re.IGNORECASE,
)
_SPACED_OUT = re.compile(
    r"\b[A-Za-z][\s.*_·-]{1,2}[A-Za-z]\b|[\u3400-\u9fff][ ·•.*_~|/-]{1,3}[\u3400-\u9fff]"
)
_LOOKED_AT = (_TELLING, TRIGGER, NEGATION, _CHARGE, TERM, _HAND_OVER, _SPACED_OUT)
_WORD_BREAK = re.compile(r"[\s，。！？；：、）」』”\u3400-\u9fff]")


def safe_prefix(partial: str) -> int:
    """Number of leading characters that no continuation can give another meaning."""
    done = _last_end(_SENTENCE_END, partial, 0)
    settled = _last_end(_CLAUSE_END, partial, done)
    while settled > done and not _closed(partial[done:settled]):
        settled = _last_end(_CLAUSE_END, partial[: settled - 1], done)
    rest = partial[settled:]
    starts = (match.start() for pattern in _LOOKED_AT if (match := pattern.search(rest)))
    limit = min([len(rest) - HELD, *(start - CONTEXT for start in starts)])
    cut = 0
    for match in _WORD_BREAK.finditer(rest, 0, max(0, limit)):
        cut = match.end()
    return settled + cut


def _last_end(pattern: re.Pattern[str], text: str, start: int) -> int:
    end = start
    for match in pattern.finditer(text, start):
        end = match.end()
    return end


def _closed(segment: str) -> bool:
    """Whether a run of whole clauses can be read without its sentence's end."""
    if TRIGGER.search(segment):
        return False
    figures = find_figures(segment)
    return not any(figure.bare for figure in figures)
