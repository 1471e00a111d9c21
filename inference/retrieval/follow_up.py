"""Whether a question leans on the one before, and what it leans on.

Three degrees: a question that opens like a continuation (那…呢, "what about …") *may* lean on the one
before; one made only of aspects (要多久, "how much is it") *must*, as it names nothing that could be
looked up; any other shows no sign of it, though it may still be too short to say which of several
kindred things it is about (能提前结清吗).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bot.types import Exchange

__all__ = ["Context", "Dependence", "context_of", "dependence", "kinship"]

_OPENING = re.compile(
    r"^(?:那么?|然后|还有|另外|那要是|要是|如果|所以|但是?|可是|也|换成)|"
    r"^(?:and|but|so|then|also|or|ok(?:ay)?|what about|how about|what if|and if|same for)\b"
)
_ENDING = re.compile(r"(?:呢|嘞)[?？!！。.~]*$")
_REFERENCE = re.compile(
    r"它|他们的?|这个|那个|这种|那种|这样|那样|这张|那张|这笔|那笔|这项|刚才|刚刚|上面|前面说|"
    r"\b(?:it|its|that|this|these|those|they|them|their|there|one|ones|instead|otherwise)\b"
)

_ASPECTS = re.compile(
    r"那么?|呢|吗|嘛|吧|啊|呀|了|的|地|得|要|需|会|能|可以|可不可以|能不能|行不行|是不是|不|没有?|有|是|在|"
    r"怎么样?|如何|咋|为什么|为啥|什么|哪些|哪里|哪儿|哪|几|多少|多久|多长|多|时间|时候|天|钱|费用?|手续费|收费|价格|"
    r"利率|利息|额度|限额|上限|最高|最低|最多|最少|条件|材料|资料|证件|手续|流程|步骤|办理|办|申请|弄|做|去|到账|到|"
    r"网上|线上|线下|手机上?|柜台|网点|电话|自己|本人|别人|代办|现在|马上|还|也|就|都|再|又|我|你们?|您|它|这个?|那个?|"
    r"这种|刚才|上面|需要|一般|大概|具体|详细|一下|收|用|给|下|上|个|次|年|月|后|前|之后|之前|完|然后|如果|要是|另外|"
    r"\b(?:and|but|so|then|also|or|ok|okay|what|how|when|where|who|why|which|about|if|is|are|was|do|does|did|can|could|"
    r"will|would|should|may|must|i|you|my|your|me|it|its|that|this|these|those|they|them|their|there|one|a|an|the|of|"
    r"for|to|in|on|at|with|by|from|be|been|get|take|takes|need|have|has|any|much|many|long|often|soon|fast|cost|costs|"
    r"fee|fees|charge|charges|rate|rates|limit|limits|maximum|minimum|time|documents?|papers?|paperwork|bring|online|"
    r"app|branch|phone|same|too|else|not|no|yes|still|now|free|apply|day|days|happen|happens|work|works|afterwards?|"
    r"instead|up|out|there|case|go|long)\b|[\W_]+|\d+"
)


_PARTS = re.compile(r"[.#]")


class Dependence(Enum):
    NONE = 0
    """No sign of it."""
    POSSIBLE = 1
    """Opens or refers like a continuation but names something."""
    CERTAIN = 2
    """Names nothing of its own."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a follow-up leans on."""

    question: str
    """The last question that stood alone, and the follow-ups since."""
    passages: frozenset[str]
    """Ids of passages cited by the last answer."""


def dependence(folded: str) -> Dependence:
    """How far a folded question leans on an earlier one, from its wording alone."""
    if not _ASPECTS.sub("", folded):
        return Dependence.CERTAIN
    if _OPENING.search(folded) or _ENDING.search(folded) or _REFERENCE.search(folded):
        return Dependence.POSSIBLE
    return Dependence.NONE


def context_of(history: Sequence[Exchange], reach: int = 3) -> Context | None:
    """The context that the last `reach` exchanges (oldest first) leave behind."""
    if not history:
        return None
    questions: list[str] = []
    for exchange in reversed(history[-reach:]):
        questions.insert(0, exchange.question.strip())
        if dependence(exchange.question.lower()) is Dependence.NONE:
            break
    return Context(" ".join(questions), frozenset(history[-1].passages))


def kinship(identifier: str, related: Sequence[str], context: Context) -> float:
    """0…1: how near a passage stands to those cited before, by its id's family and its links.

    A passage that was itself cited is only half as near: the customer has just read it.
    """
    near = 0.0
    for cited in context.passages:
        if cited == identifier:
            near = max(near, 0.5)
            continue
        family = _PARTS.split(cited)[:-1]
        shared = _shared(_PARTS.split(identifier), family)
        near = max(near, shared / max(len(family), 1), 0.5 if cited in related else 0.0)
    return near


def _shared(left: Sequence[str], right: Sequence[str]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count
