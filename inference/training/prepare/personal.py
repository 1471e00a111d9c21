"""Masking personal data in dialogues.

Each turn is masked by `inference.privacy`. A customer's reply is also read together with what the counter
has just asked: 「请问您的姓名？」「张伟」 is a name only together. What was masked once is masked wherever
else it stands in the dialogue.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from inference.privacy import Kind, mask
from inference.privacy.surnames import COMPOUND
from inference.training.prepare.dialogue import Turn
from inference.training.prepare.listed import listed

__all__ = ["Piece", "mask_label", "mask_name", "mask_turns"]

Piece = tuple[Kind, str, str]
"""(kind, value, what stands in its place)."""

_NAME = "姓名："
_ASKED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), label)
    for pattern, label in (
        (r"姓名|名字|贵姓|怎么称呼|户名|叫什么", _NAME),
        (r"\b(?:full |first |last |your |sur)?name\b", "name: "),
        (r"验证码|动态码|短信码", "验证码："),
        (r"\b(?:one-time|verification|security|sms) ?(?:pass)?code\b|\botp\b", "verification code: "),
        (r"密码|口令", "密码："),
        (r"\bpin\b|pass ?word|passcode", "password: "),
        (r"手机|电话|联系方式", "手机号："),
        (r"\b(?:phone|mobile|contact) ?(?:number)?\b", "phone number: "),
        (r"身份证|证件", "身份证号："),
        (r"卡号|银行卡|信用卡号|储蓄卡号", "卡号："),
        (r"\bcard number\b", "card number: "),
        (r"账号|账户|帐号", "账号："),
        (r"\baccount number\b", "account number: "),
        (r"地址|住址|寄到哪|寄往", "地址："),
        (r"护照", "护照号："),
        (r"微信号", "微信号："),
        (r"\bqq\b|qq号", "QQ号："),
        (r"cvv|安全码|背面.{0,4}三位|后三位", "CVV："),
    )
)
_SHORT = 60
"""Characters of a line that can be the bare answer to such a question."""
_NOD = 15
"""Characters of a counter's turn after which its question before still stands (「好的」)."""
_ASKS = re.compile(
    r"[?？吗呢哪几]|什么|多少|如何|怎|\b(?:what|which|how|when|where|do|can|may)\b", re.IGNORECASE
)
_CACHED = 1 << 16
_REMEMBERED = 400
_COURTESY = re.compile("谢谢[你您]?|多谢|谢了|好的?|安排|方便|可以|不用了?")
_HAN = re.compile("[\u4e00-\u9fff]")
_HAN_RUN = re.compile("([\u4e00-\u9fff]+)")
_LEAST = 4
"""Characters from which a value is masked wherever it stands; shorter ones are too often something else."""
_NOT_ALONE = frozenset(listed("may will can the and you mrs miss mister"))
"""Words of a name that are more often something else."""
_SPLIT = re.compile(r"([\n,，。;；、!！]+)")


def mask_turns(turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], Counter[Kind]]:
    """The turns masked, and how many pieces of each kind were."""
    pieces: list[Piece] = []
    shown: list[str] = []
    asked: tuple[str, ...] = ()
    for turn in turns:
        text, found = _mask(turn.text)
        pieces += found
        if turn.role == "counter":
            asks = tuple(label for pattern, label in _ASKED if pattern.search(turn.text))
            if asks or len(turn.text) > _NOD or _ASKS.search(turn.text):
                asked = asks
        else:
            answered = bool(found)
            for label in asked:
                text, found = mask_label(text, label)
                pieces += found
                answered |= bool(found)
            if answered:
                asked = ()
        shown.append(text)
    kinds: Counter[Kind] = Counter(kind for kind, _, _ in pieces)
    if pieces:
        shown = _everywhere(shown, pieces, kinds)
    return tuple(Turn(turn.role, text) for turn, text in zip(turns, shown, strict=True)), kinds


def mask_name(text: str) -> str:
    """A file's name, a glob or a speaker, masked; 张伟 in 张伟_聊天.jsonl is a name, too."""
    parts = _HAN_RUN.split(mask(text).text)
    return "".join(_mask(_NAME + part)[0][len(_NAME) :] if n % 2 else part for n, part in enumerate(parts))


def mask_label(text: str, label: str) -> tuple[str, tuple[Piece, ...]]:
    """Mask the parts of a short text (between its punctuation) that are personal data once `label`
    stands before them."""
    if len(text) > _SHORT:
        return text, ()
    found: list[Piece] = []
    parts = _SPLIT.split(text)
    for n in range(0, len(parts), 2):
        part = parts[n].strip()
        if not part or "*" in part or _COURTESY.fullmatch(part):
            continue
        shown, more = _mask(label + part)
        if more and shown.startswith(label):
            parts[n] = shown[len(label) :]
            found += more
    return "".join(parts), tuple(found)


def _everywhere(texts: list[str], pieces: Sequence[Piece], kinds: Counter[Kind]) -> list[str]:
    """What is personal in one turn is so in all: 「我叫李晓明」 makes 「晓明您好」 a name."""
    instead: dict[str, tuple[Kind, str]] = {}
    for kind, value, shadow in pieces:
        for part, masked in _parts(kind, value.strip(), shadow):
            instead.setdefault(part, (kind, masked))
    if not instead:
        return texts
    values = "|".join(re.escape(value) for value in sorted(instead, key=len, reverse=True))
    again = re.compile(rf"(?<![A-Za-z0-9*])(?:{values})(?![A-Za-z0-9*])")

    def cover(found: re.Match[str]) -> str:
        kind, shadow = instead[found[0]]
        kinds[kind] += 1
        return shadow

    return [again.sub(cover, text) for text in texts]


def _parts(kind: Kind, value: str, shadow: str) -> Iterator[tuple[str, str]]:
    """What else a value can be called by, and what to put there."""
    if kind != "NAME":
        if len(value) >= _LEAST:
            yield value, shadow
        return
    if _HAN.match(value):
        yield value, shadow
        surname = 2 if value[:2] in COMPOUND else 1
        if len(value) - surname >= 2:
            yield value[surname:], "*" * (len(value) - surname)
        return
    for word in re.findall(r"[^\W\d_][\w'-]+", value):
        if len(word) > 2 and word[0].isupper() and word.lower() not in _NOT_ALONE:
            yield word, f"{word[0]}**"


def _mask(text: str) -> tuple[str, tuple[Piece, ...]]:
    return _mask_short(text) if len(text) <= _REMEMBERED else _mask_any(text)


def _mask_any(text: str) -> tuple[str, tuple[Piece, ...]]:
    masked = mask(text)
    pieces = tuple((edit.type, text[edit.start : edit.end], masked.text[edit.masked_start : edit.masked_end])
                   for edit in masked.edits)  # fmt: skip
    return masked.text, pieces


_mask_short = lru_cache(_CACHED)(_mask_any)
"""Greetings and set phrases come over and over."""
