"""How much of a reply's content its passages hold: pairs of 汉字, and stems of English words."""

from __future__ import annotations

import re
from collections.abc import Set
from functools import cache

from bot.types import Language

__all__ = ["content_units", "courtesies", "language_of", "support"]

_HAN_RUN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
_WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")
_FUNCTION = frozenset(
    "的了吗呢啊呀吧我您你他她它们是有在和与及或就都也还把被给这那个会能可以请要需将从对向到为于用让则并且而但如若果因所等时候后前里上下中零〇一二两三四五六七八九十百千万亿点元"
)
_STOP_WORDS = (
    "a an the this that these those is are was were be been being am do does did done have has had i you "
    "he she it we they me him her us them my your his its our their of to in on at by for with from as "
    "into onto over under about after before and or but if then so than when while where which who whom "
    "whose what how there here can could may might will would shall should must not no nor only just also "
    "very more most any all each every some such other another up down out off again too please yes ok "
    "one first next need get go make take let know want help within once still even see right bank "
    "customer "
)
_STOP = frozenset(_STOP_WORDS.split())
_COURTESY = """
很抱歉，资料里没有写这一项。没有提到。没有说明。这一点我这里查不到，不便猜测。您回复“人工”，我请同事帮您确认，马上为您转接人工客服。
同事接着为您办理，核实情况，跟进处理。您别着急，先别慌，我理解您的心情，给您添麻烦了，谢谢您告诉我，谢谢您的耐心，请您放心。
您是想问哪一种？您指的是哪一个？您说的是哪个？方便告诉我吗？告诉我一声，我好帮您看看。还有什么可以帮您？按您说的情况，简单说，目前，另外，也就是说。
由同事跟进，由同事办理，愿意的话，您想问清楚，同事会跟进。这件事需要同事来办，我在聊天里办不了，没法替您操作，不能替您决定，看不到您的账户，请您稍等。
Sorry, the notes don't say, mention, cover or explain this. I can't see your account or do this in the chat,
I can't guess. Reply "staff" and a colleague will check, confirm, look into it, follow up and take over,
hand you over to our staff, speak with a person. Please don't worry, I understand how upsetting, stressful,
frustrating and worrying this is, thank you for telling us, for your patience. Do you mean, which one, which
of these, could you tell me, are you asking about, let me know, happy to help, of course, sure, right away,
in short, currently, in your case, you're welcome, I'm afraid, apologies, trouble, question, point, thing,
details, answer.
"""
"""What a counter may say on any matter: it needs no passage, and stands for none."""


def language_of(text: str) -> Language | None:
    """The language of a text by its letters: any sizeable share of 汉字 makes it Chinese; None if it
    has no letters."""
    han = sum(len(run) for run in _HAN_RUN.findall(text))
    words = len(_WORD.findall(text))
    if not han and not words:
        return None
    return "zh" if han and han >= words / 2 else "en"


def content_units(text: str, function: Set[str] = _FUNCTION) -> frozenset[str]:
    """Distinct pairs of neighbouring 汉字, and stems of words, without those that only do grammar
    (for 汉字: without pairs that hold one of `function`)."""
    pairs = (run[at : at + 2] for run in _HAN_RUN.findall(text) for at in range(len(run) - 1))
    words = (
        _stem(word.lower()) for word in _WORD.findall(text) if word.lower() not in _STOP and len(word) > 1
    )
    return frozenset(pair for pair in pairs if function.isdisjoint(pair)) | frozenset(words)


@cache
def courtesies() -> frozenset[str]:
    """The content units of what needs no passage."""
    return content_units(_COURTESY)


def support(units: Set[str], evidence: Set[str], neutral: Set[str]) -> tuple[int, int]:
    """(units that the evidence holds, units that count). What only the question says counts for
    nothing: repeating it is no evidence, and no invention either."""
    counted = [unit for unit in units if unit in evidence or unit not in neutral]
    return sum(unit in evidence for unit in counted), len(counted)


def _stem(word: str) -> str:
    word = word.replace("’", "'").removesuffix("'s")
    for suffix in (
        "ations",
        "ation",
        "ings",
        "ing",
        "ments",
        "ment",
        "ies",
        "ied",
        "ers",
        "ed",
        "es",
        "er",
        "ly",
        "al",
        "s",
        "y",
    ):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)].removesuffix("e")
    return word.removesuffix("e")
