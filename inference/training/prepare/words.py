"""Words of a text, for counting: jieba with the finance words, without stop words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import as_file, files
from logging import WARNING

import jieba

__all__ = ["words_of"]

_WORD = re.compile(r"[\u3400-\u9fff]{2,}|[a-z][a-z'-]{1,}")
_MASKED = re.compile(r"\[[^\]\n]{1,30}(?:已隐去|removed)\]|\S*\*\S*")


def words_of(text: str) -> Iterator[str]:
    """Words that say what a text is about; what was masked is left out. The first call loads the
    dictionaries (about 0.6 s)."""
    tokenizer, stop = _dictionaries()
    for word in tokenizer.cut(_MASKED.sub(" ", text.lower()), HMM=False):
        if _WORD.fullmatch(word) and word not in stop:
            yield word


@cache
def _dictionaries() -> tuple[jieba.Tokenizer, frozenset[str]]:
    jieba.setLogLevel(WARNING)
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    with as_file(files("inference.retrieval") / "finance_words.txt") as path, path.open("rb") as words:
        tokenizer.load_userdict(words)
    listed = files("inference.training.prepare") / "stop_words.txt"
    return tokenizer, frozenset(listed.read_text(encoding="utf-8").split())
