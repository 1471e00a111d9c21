"""Replies that recite the prompt, or speak of one."""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from inference.generator.prompt import beginnings

__all__ = ["find_leak", "squeeze"]

HAN = 12
"""汉字 and letters in a row that, of the prompt and of no passage, make a leak."""
WORDS = 7
"""The same for words of a text written with spaces."""

_ABOUT_PROMPT = re.compile(
    r"系统(?:提示(?!音)|指令|消息|设定)|提示词|(?:我的|初始|内部|隐藏的?)(?:指令|设定|提示)|(?:忽略|无视|忘记|忘掉)[^，。\n]{0,8}(?:指令|指示|规则|设定|提示|限制)"
    r"|\bsystem (?:prompt|message|instructions?)\b|\bmy (?:instructions|prompt|guidelines)\b|\bprompt injection\b|\b(?:ignore|disregard|forget)"
    r"[^.\n]{0,20}\b(?:instructions?|prompts?|rules|guidelines)\b|\bi (?:was|am|have been) (?:instructed|told|programmed) to\b",
    re.IGNORECASE,
)
_WORDS_ABOUT = (
    "提示", "指令", "指示", "设定", "规则", "限制", "系统", "prompt", "instruct", "guideline", "rules", "system", "told to", "programmed",
)  # fmt: skip
_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]")


def squeeze(text: str) -> list[str]:
    """Words and 汉字 in order, folded; punctuation, spaces and hidden characters left out."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def find_leak(reply: str, passages: Iterable[str]) -> str:
    """What of the prompt a reply gives away; empty if nothing. What a passage says too is no secret."""
    lower = reply.lower()
    if any(word in lower for word in _WORDS_ABOUT) and _ABOUT_PROMPT.search(reply):
        return "speaks of its instructions"
    grams = _grams(squeeze(reply)) & _secret()
    if grams and grams - frozenset().union(*(_known(text) for text in passages)):
        return "recites the prompt"
    return ""


@lru_cache(maxsize=1)
def _secret() -> frozenset[str]:
    return frozenset().union(*(_grams(squeeze(line)) for text in beginnings() for line in text.splitlines()))


@lru_cache(maxsize=4096)
def _known(text: str) -> frozenset[str]:
    return _grams(squeeze(text))


def _grams(units: list[str]) -> frozenset[str]:
    """Runs that weigh a whole gram: a 汉字 weighs one of `HAN`, a word one of `WORDS`."""
    weights = [1 / HAN if "\u3400" <= unit <= "\u9fff" else 1 / WORDS for unit in units]
    found = []
    start, weight = 0, 0.0
    for end, unit in enumerate(weights, start=1):
        weight += unit
        while weight - weights[start] >= 0.999:
            weight -= weights[start]
            start += 1
        if weight >= 0.999:
            found.append(" ".join(units[start:end]))
    return frozenset(found)
