"""Names in Latin letters, by the words before them."""

# ruff: noqa: E501  (a pattern is read by its branches, and 汉字 count double)

from __future__ import annotations

import re
from collections.abc import Iterator

from inference.privacy.fold import Folded
from inference.privacy.span import Candidate
from inference.privacy.words import word_list

__all__ = ["find_latin_names"]

_RANK = 30
_PARTICLE = "de|da|do|dos|del|della|di|la|le|van|von|der|den|bin|binti|ibn|al|el|ter|ten|y"
_WORD = r"(?:PhD\b|[A-Z][a-zà-öø-ÿ]+(?:['\-][A-Z]?[a-zà-öø-ÿ]+){0,3}|[A-Z]'[A-Z][a-zà-öø-ÿ]+|Mc[A-Z][a-z]+|[A-Z]\.|[A-Z]{2,}(?![a-z]))"
_SUFFIX = r"(?:,? (?:Jr|Sr|II|III|IV|MD|DDS|DVM|PhD|Esq)\b\.?)?"
_NAME = re.compile(rf"{_WORD}(?: (?:(?:{_PARTICLE}) ){{0,2}}{_WORD}){{0,3}}{_SUFFIX}")
_TITLED = re.compile(rf"(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? )?{_NAME.pattern}")
_STRONG = re.compile(
    r"\b(?:(?:my|his|her|whose|husband's|wife's|full|legal|real|first|last|given|family|beneficiary|payee|recipient|cardholder"
    r"|account|holder|customer|client|sender|contact|maiden)(?:'s)? (?:full |legal |real |account )?name(?:'s| is| was)?[ ]?[:=,]?"
    r"|name[ ]?(?:is|[:=\-])|(?<![\w ])name(?= [A-Z])|[,;.] ?name(?= [A-Z])"
    r"|(?:account|card|policy) ?holder(?: name)?(?: is|:)?|payee(?: is|:)?|beneficiary(?: is|:)?|recipient(?: is|:)?"
    r"|called|named|signed|attn:?|contact:|on behalf of|pay to|belongs to)[ ]+",
    re.IGNORECASE,
)
_WEAK = re.compile(
    r"(?:\b(?:i'm|i am|this is|it's|dear|hi,? i'm|regards,|sincerely,|thanks,|(?:transfer(?:red)?|sen[dt]|wired?|pa(?:y|id)|lent|gave)\b[^.,;\n]{0,30}? to|my (?:husband|wife|son|daughter|mother|father|mom|dad"
    r"|brother|sister|friend|colleague|boss|partner),?(?: is)?)[ \n]+)",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"(?:姓名|户名|收款人|收件人|持卡人|开户人|付款人|联系人|我叫|英文名字?|拼音)(?:姓名)?(?:叫|是|为)?[ ]?[:]?[ ]?(?=[A-Z])"
)
_OWNED = re.compile(
    rf"(?<![A-Za-z])({_NAME.pattern}) ?的(?:卡|账户|账号|银行卡|信用卡|身份证|手机|电话|余额|密码)"
)
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Madam|Sir)\b\.?[ ]+")
_LOWER = re.compile(
    r"\bmy (?:full |legal )?name(?:'s| is|:)[ ]+((?!not\b|on\b|in\b|the\b|wrong\b|a\b|an\b|is\b|was\b|and\b|has\b|misspelled\b|spelled\b|still\b|printed\b|changed\b|correct\b|incorrect\b|missing\b|different\b|so\b|too\b|from\b|to\b|as\b|at\b|for\b|with\b|by\b|shows?\b|appears?\b|isn't\b|does\b|saved\b|already\b|under\b|being\b|what\b)[a-z]{2,}(?: [a-z]{2,}){0,2}?)"
    r"(?= (?:and|from|my|i|with|but|here|the|so|on|at|card|account|please|phone|ssn|id|i'm|who|calling)\b|[,.;!?\n]|$)"
)
_NOT_NAMES = frozenset(word_list("not_latin_names"))
_STREET = re.compile(r"^(?: ?\d| (?:Street|St|Road|Rd|Ave|Avenue|Bank|Branch|Card|Account)\b)")
_FIRST_NAMES_LONG_ENOUGH = 2


def find_latin_names(folded: Folded) -> Iterator[Candidate]:
    """Propose names in Latin letters."""
    text, low = folded.text, folded.low
    for announced in _STRONG.finditer(text):
        match = _TITLED.match(text, announced.end())
        span = match and _clean(text, match.start(), match.end(), words=1)
        if span:
            yield Candidate(*span, "NAME", _RANK)
    for announced in _WEAK.finditer(text):
        match = _NAME.match(text, announced.end())
        span = match and _clean(text, match.start(), match.end(), words=2)
        if span:
            yield Candidate(*span, "NAME", _RANK + 2)
    for announced in _TITLE.finditer(text):
        match = _NAME.match(text, announced.end())
        span = match and _clean(text, match.start(), match.end(), words=1)
        if span:
            yield Candidate(*span, "NAME", _RANK + 1)
    for announced in _CHINESE.finditer(text):
        match = _NAME.match(text, announced.end())
        span = match and _clean(text, match.start(), match.end(), words=1)
        if span:
            yield Candidate(*span, "NAME", _RANK)
    for match in _OWNED.finditer(text) if "的" in text else ():
        if _clean(text, *match.span(1), words=2) == match.span(1):
            yield Candidate(*match.span(1), "NAME", _RANK + 2)
    if "name" in low:
        for match in _LOWER.finditer(low):
            if text[match.start(1)].islower():
                yield Candidate(*match.span(1), "NAME", _RANK + 2)


def _clean(text: str, start: int, end: int, *, words: int) -> tuple[int, int] | None:
    """Cut the name at the first word that is none; None if too little is left."""
    kept = start
    found = 0
    for word in re.finditer(r"[^\s,]+", text[start:end]):
        plain = word[0].rstrip(".")
        if plain in _NOT_NAMES or (plain.isupper() and len(plain) > 1 and words > 1):
            break
        kept = start + word.end()
        found += 1
    if found < words or _STREET.match(text[kept:]) or text[kept : kept + 1] == "*":
        return None
    if found == 1 and len(text[start:kept].rstrip(".")) < _FIRST_NAMES_LONG_ENOUGH:
        return None
    return start, kept
