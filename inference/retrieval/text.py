"""Text as it is matched: folded, freed of courtesies, cut into words and character n-grams."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from importlib.resources import as_file, files
from logging import WARNING

import jieba

from bot.types import Language
from inference.simplified import simplified

__all__ = ["Analyser", "fold", "script", "strip_courtesies"]

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_SPACE = re.compile(r"\s+")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_RUN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+|[a-z]+|[0-9]+(?:\.[0-9]+)?")
_WORD = re.compile(r"[\w]")

_COURTESIES = re.compile(
    r"您好|你好|哈喽|(?:请问|想问|咨询|打听|麻烦|劳驾)(?:一下|下)?(?=.)|不好意思|打扰了?|亲爱的|小助手|"
    r"谢谢(?:你|您|了|啦)?|多谢|急急急|在吗|"
    r"\b(?:hi|hello|hey|please|pls|thanks|thank you|good (?:morning|afternoon|evening)|excuse me|"
    r"(?:could|can|would) you (?:please )?tell me|i(?:'d| would) like to (?:know|ask)|i want to know|"
    r"quick question|just wondering|i was wondering)\b",
)

_ENGLISH_STOP = frozenset(
    _SPACE.split(
        "a an the is are was be been am i i'm my me you your we it its of to in on at for and or with do "
        "does did can could will would should have has had this that there if so as from by not no"
    )
)
_CHINESE_STOP = frozenset(
    _SPACE.split(
        "的 了 吗 呢 啊 呀 吧 我 你 您 是 有 在 和 与 及 或 就 都 也 还 把 被 给 这 那 一个 我们 你们"
    )
)


_SUFFIXES = (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("ing", ""), ("ed", ""), ("s", ""))


def script(text: str) -> Language:
    """The language to match a text in, by its letters: any sizeable share of 汉字 makes it Chinese."""
    han = len(_HAN.findall(text))
    latin_words = len(re.findall(r"[A-Za-z]+", text))
    return "zh" if han and han > latin_words / 2 else "en"


def strip_courtesies(folded: str) -> str:
    """A folded question without greetings and asking-permission phrases, unless nothing else is left."""
    stripped = _SPACE.sub(" ", _COURTESIES.sub(" ", folded)).strip(" ,，。.!！~～、:：;；")
    return stripped if len(stripped) >= 2 else folded


class Analyser:
    """Folds and tokenises. Stateless after construction, hence safe to share between threads."""

    def __init__(self) -> None:
        jieba.setLogLevel(WARNING)
        self._jieba = jieba.Tokenizer()
        self._ready = False

    def load(self) -> None:
        """Load the dictionaries (about 0.6 s). Called by the first `words` otherwise."""
        if self._ready:
            return
        self._jieba.initialize()
        # Opened here because jieba leaves a file that it opens itself to the garbage collector.
        with (
            as_file(files("inference.retrieval") / "finance_words.txt") as path,
            path.open("rb") as words,
        ):
            self._jieba.load_userdict(words)
        self._ready = True

    def fold(self, text: str) -> str:
        """As `fold`."""
        return fold(text)

    def words(self, folded: str) -> list[str]:
        """Words that carry meaning, in order; all of them if none does."""
        self.load()
        words = [_stem(word) for word in self._jieba.lcut(folded, HMM=False) if _WORD.search(word)]
        telling = [word for word in words if word not in _CHINESE_STOP and word not in _ENGLISH_STOP]
        return telling or words

    def grams(self, folded: str) -> list[str]:
        """Characters and character pairs of 汉字; words and their 4-grams of other letters."""
        return list(_grams(folded))


def fold(text: str) -> str:
    """NFKC, no invisible characters, Simplified, lower case, single spaces."""
    normal = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    if _HAN.search(normal):
        normal = simplified(normal)
    return _SPACE.sub(" ", normal.lower()).strip()


def _stem(word: str) -> str:
    """A light English suffix stripper; leaves other scripts and short words alone."""
    if not word.isascii() or len(word) < 4 or word.endswith("ss"):
        return word
    for suffix, replacement in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)] + replacement
            break
    if len(word) > 4 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def _grams(folded: str) -> Iterator[str]:
    for run in _RUN.findall(folded):
        if run[0] > "\u2e7f":
            yield from run
            yield from (run[at : at + 2] for at in range(len(run) - 1))
        elif run[0].isdigit():
            yield run
        elif run not in _ENGLISH_STOP:
            padded = f"<{_stem(run)}>"
            yield padded
            yield from (padded[at : at + 4] for at in range(len(padded) - 3))
