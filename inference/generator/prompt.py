"""The prompt of a grounded answer.

A base model isn't told what to do; it is shown. The constant beginning is a short record of a counter
that answers from quoted notes, and the request continues it: its notes, the conversation so far, the
question. The beginning is the same for every request in a language, so it is computed once. A tuned model
has seen thousands of such records: it needs the first line only, and may be given more to read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from bot.types import Exchange, GenerateRequest, Language, Passage

__all__ = ["Prompt", "Said", "beginnings", "build", "script", "spoken"]


@dataclass(frozen=True, slots=True)
class Prompt:
    beginning: str
    """Constant for a language."""
    rest: str
    stops: tuple[str, ...]
    sources: tuple[str, ...]
    """What the reply may draw figures from, as quoted in the prompt. For an untuned model the best passage
    alone, because it mixes up the figures of two."""
    best: str
    """The text of the first passage, as a reply would say it."""
    question: str


@dataclass(frozen=True, slots=True)
class _Form:
    opening: str
    examples: str
    notes: str
    customer: str
    counter: str
    colon: str
    joint: str
    """Between lines that are joined into one."""


_ZH = _Form(
    opening="""\
以下是银行客服的问答记录。客服只用资料里的话，简短回答客户的问题。

""",
    examples="""\
资料：
- 补办借记卡：带身份证到网点或在手机银行“卡管理—补卡”里申请。工本费每张8元，5个工作日寄到。
- 借记卡挂失：在手机银行“卡管理—挂失”里办理，立即生效，免费。
客户：卡丢了，补一张要多少钱，多久能拿到？
客服：补办借记卡工本费每张8元，5个工作日寄到。您可以带身份证到网点，也可以在手机银行“卡管理—补卡”里申请。

资料：
- 网点存取款：单笔取现20万元以上，请提前1天预约。
客户：取现要预约吗？
客服：单笔取现20万元以上要提前1天预约。
客户：怎么查最近的网点？
客服：很抱歉，资料里没有这一项，请联系人工客服。

""",
    notes="资料：",
    customer="客户：",
    counter="客服：",
    colon="：",
    joint=" ",
)
_EN = _Form(
    opening="""\
Below are questions and answers at a bank's counter. \
The clerk answers in a sentence or two, in the words of the notes.

""",
    examples="""\
Notes:
- Replacing a debit card: Bring your ID to a branch, or apply in the app under \
"Cards - Replace". The fee is CNY 8 per card and it arrives within 5 business days.
- Reporting a lost debit card: Use "Cards - Report lost" in the app. It takes effect at once and is free.
Customer: I lost my card, what does a new one cost and how long does it take?
Clerk: A new debit card costs CNY 8 and arrives within 5 business days. \
You can bring your ID to a branch or apply in the app under "Cards - Replace".

Notes:
- Cash at branches: Please book 1 day ahead to withdraw more than CNY 200,000 at once.
Customer: Do I have to book to withdraw cash?
Clerk: Yes, to withdraw more than CNY 200,000 at once please book 1 day ahead.
Customer: How do I find the nearest branch?
Clerk: Sorry, the notes don't say. Please ask to speak with our staff.

""",
    notes="Notes:",
    customer="Customer:",
    counter="Clerk:",
    colon=": ",
    joint=" ",
)
_FORMS: dict[Language, _Form] = {"zh": _ZH, "en": _EN}

# Budgets in weighted characters (`_cut`): about a token each, so that a prompt stays short enough
# for the first word to come in a second on two cores.
_PASSAGES = (180, 70, 70)
_PASSAGES_TUNED = (240, 160)
_TITLE = 30
_QUESTION = 80
_EXCHANGES = 2
_EARLIER_ANSWER = 50
_EARLIER_ANSWER_TUNED = 90
_EARLIER_QUESTION = 40

_COLON = r"[\]】」》)）>*\s]*[:：﹕︰∶꞉ː˸]"
_MARKERS = re.compile(
    rf"(客\s*户|客\s*服|customer|clerk){_COLON}"
    rf"|(?<![\u3400-\u9fffA-Za-z])(资\s*料|系\s*统|用\s*户|助\s*手|notes?|system|assistant|user|human|developer){_COLON}",
    re.IGNORECASE,
)
_WIDE_LETTERS = {code: code - 0xFEE0 for code in range(0xFF21, 0xFF5F)}
"""Fullwidth letters and brackets, which a tokenizer may fold into markers."""
_LIST_MARKER = re.compile(r"^[ \t]*(?:[0-9]{1,2}[.、)）][ \t]*(?=[^0-9])|[-*•][ \t]+)", re.MULTILINE)
_LAST_WORD = re.compile(r"[0-9A-Za-z.,:/%~–-]+$")
_SPECIAL = re.compile(
    r"<[^<>\s]{1,40}>|<\|[^<>]{0,40}\|>|<<[^<>]{0,40}>>|\[(?:INST|/INST|multimodal)\]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of a record that a model is trained on."""

    text: str
    reply: bool
    """Whether it is the counter's, and to be learnt."""


def beginnings(*, tuned: bool = False) -> tuple[str, ...]:
    """Every constant beginning, to be computed before the first request."""
    return tuple(_beginning(form, tuned) for form in _FORMS.values())


def build(request: GenerateRequest, *, tuned: bool = False) -> Prompt:
    """The prompt of one request; passages best first, history oldest first."""
    form = _FORMS[request.language]
    quoted = _quote(request.passages, form, tuned)
    notes = [f"{title}{form.colon}{text}" for title, text in quoted]
    lines = [form.notes, *(f"- {note}" for note in notes)]
    for exchange in request.history[-_EXCHANGES:]:
        lines += _earlier(exchange, form, _EARLIER_ANSWER_TUNED if tuned else _EARLIER_ANSWER)
    question = _cut(_slot(request.question, form), _QUESTION)
    lines += [_spoken(form.customer, question, form), form.counter]
    return Prompt(
        beginning=_beginning(form, tuned),
        rest="\n".join(lines),
        stops=("\n", *(mark for every in _FORMS.values() for mark in (every.customer, every.counter))),
        sources=tuple(notes if tuned else notes[:1]),
        best=_spoken("", quoted[0][1], form) if quoted else "",
        question=question,
    )


def spoken(language: Language, text: str, *, by_customer: bool) -> str:
    """A line of a record: who speaks, and what."""
    form = _FORMS[language]
    return _spoken(form.customer if by_customer else form.counter, text, form)


def script(language: Language, passages: Sequence[Passage], turns: Sequence[Exchange]) -> list[Said]:
    """A whole record as a tuned model reads it: what `build` makes of its parts, and the replies between."""
    form = _FORMS[language]
    notes = [f"- {title}{form.colon}{text}" for title, text in _quote(passages, form, True)]
    said = [Said(_beginning(form, True), False)]
    lines = [form.notes, *notes]
    for turn in turns:
        lines += [_spoken(form.customer, _cut(_slot(turn.question, form), _QUESTION), form), form.counter]
        said += [Said("\n".join(lines), False), Said(_spoken("", turn.answer, form) + "\n", True)]
        lines = []
    return said


def _beginning(form: _Form, tuned: bool) -> str:
    return form.opening if tuned else form.opening + form.examples


def _quote(passages: Sequence[Passage], form: _Form, tuned: bool) -> list[tuple[str, str]]:
    """Title and text of the passages that are shown. List markers go: a reply is a sentence or two, not a
    list."""
    return [
        (_cut(_slot(p.title, form), _TITLE), _cut(_slot(_LIST_MARKER.sub("", p.text), form), limit))
        for p, limit in zip(passages, _PASSAGES_TUNED if tuned else _PASSAGES, strict=False)
    ]


def _earlier(exchange: Exchange, form: _Form, longest: int) -> Sequence[str]:
    return (
        _spoken(form.customer, _cut(_slot(exchange.question, form), _EARLIER_QUESTION), form),
        _spoken(form.counter, _cut(_slot(exchange.answer, form), longest), form),
    )


def _spoken(speaker: str, text: str, form: _Form) -> str:
    return speaker + ("" if form is _ZH else " ") + text


def _slot(text: str, form: _Form) -> str:
    """Text of others as one line that can't pass for the record's own: no control characters, no
    speaker marks, no special tokens."""
    kept = "".join(
        " " if ch in "\n\r\t\u2028\u2029" else ch
        for ch in text
        if ch in "\n\r\t" or unicodedata.category(ch) not in ("Cc", "Cf", "Co", "Cn", "Cs")
    )
    kept = kept.translate(_WIDE_LETTERS)
    while True:  # removing one mark may join the halves of another
        cleaned = _MARKERS.sub(_unmark, _SPECIAL.sub(" ", kept))
        if cleaned == kept:
            break
        kept = cleaned
    return form.joint.join(kept.split())


def _unmark(mark: re.Match[str]) -> str:
    return f"{mark[1] or mark[2]} "


def _cut(text: str, limit: int) -> str:
    """The beginning of `text` worth about `limit` tokens, at a sentence end where there is one."""
    weights = accumulate(0.25 if ch.isascii() and not ch.isdigit() else 0.75 for ch in text)
    at = next((at for at, weight in enumerate(weights) if weight > limit), len(text))
    if at == len(text):
        return text
    head = text[:at]
    end = max(head.rfind(mark) for mark in ("。", "；", "！", "？", ". ", "; "))
    if end >= at // 2:
        return head[: end + 1].rstrip()
    return _LAST_WORD.sub("", head).rstrip()  # half of "10,000" would be another figure
