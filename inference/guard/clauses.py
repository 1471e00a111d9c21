"""Sentences, clauses and the negations in them."""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re

__all__ = ["CLAUSE_END", "NEGATION", "PIECE_END", "SENTENCE_END", "clauses", "negations", "sentences"]

_BETWEEN_SENTENCES = re.compile(r"(?<=[。！？；!?;\n])|(?<=\.)(?=\s)")
SENTENCE_END = re.compile(r"[。；！？;!?\n]|\.(?=\s|$)")
PIECE_END = re.compile(r"[，。；！？;!?\n、（）()]|,(?!\d)|\.(?=\s|$)")
"""Where the words that belong to one figure end; finer than a clause."""
CLAUSE_END = re.compile(
    r"[，。！？；!?;\n：]|、(?=[不无未免没])|,(?!\d)|[.:](?=\s|$)|(?<=\w) - |\b(?:but|however|although|because|unless|if"
    r"|so that)\b",
    re.IGNORECASE,
)

# First what only looks like a negation, then what is one.
_NOT_NEGATIONS = (
    r"不(?:能|得|可|会|应)(?:超过|超出|高于|低于|少于|多于|晚于|早于)|[没未不]有?[^，。；\s的]{1,4}的(?=会|要|可|请|就|再)"
    r"|不(?:仅|但|只是|光|过|论|管|同|动产|久|断|妨|良|少|时|明|满|足|超过|超|到|得已|低于|高于|少于|多于"
    r"|晚于|早于|含|知|知道|清楚|确定|见|对劲|慎|小心|便)"
    r"|(?:能|可|会|是|要|用|有)不(?:能|可以|可|会|是|要|用|有)|(?:是|能|可)否|无论|无卡|无感|无障碍|无限"
    r"|无线|无犯罪|无法?定|未成年|未来|未到期|未还|未使用|未用|未结|未入账|未出账"
    r"|分别|类别|级别|个别|区别|识别|性别|特别|别人|别的|别处|告别|没收|非常|非柜|非居民|非现场|非工作"
    r"|除非|非法|非本人|非税"
    r"|\bnot only\b|\bnot just\b|\bno (?:later|more|less|fewer|earlier|longer) than\b|\bno matter\b"
    r"|\bwhether or not\b|\bnot sure\b|\bnon-\w+"
)
_NEGATIONS = (
    r"不是|并非|并不|不能|不会|不可以?|不得|不予|不允许|不支持|没有|没能|没|无法|无须|无需|从未|尚未"
    r"|从不|绝不|决不|毫不|未必|禁止|严禁|杜绝|切勿|请勿"
    r"|不|未|无|非|勿|别|莫|免(?!息|密|打扰|得|疫|签(?![字名证署订]))"
    r"|\bcan ?not\b|\bcan['’]t\b"
    r"|\b(?:do|does|did|is|are|was|were|have|has|had|wo|would|could|should|must|need|might|ai)n['’]t\b"
    r"|\bnot\b|\bno\b|\bnever\b|\bnone\b|\bnothing\b|\bnobody\b"
    r"|\bneither\b|\bnor\b|\bwithout\b"
    r"|\bunable\b|\bfree of charge\b|\bfor free\b|\bfree\b|\bimpossible\b|\bunavailable\b|\bforbidden\b"
    r"|\bprohibited\b"
)
# Where none of these stands, nothing needs trying.
_START = r"(?=[不未无非勿别莫免能可会是要用有没并从尚绝决毫禁严杜切请除分类级个区识性特告]|\b[a-z])"
NEGATION = re.compile(
    _START + f"(?:(?P<apparent>{_NOT_NEGATIONS})|(?P<negation>{_NEGATIONS}))", re.IGNORECASE
)


def sentences(text: str) -> list[str]:
    return [sentence for sentence in _BETWEEN_SENTENCES.split(text) if sentence.strip()]


def clauses(text: str) -> list[str]:
    return [clause for clause in CLAUSE_END.split(text) if clause.strip()]


def negations(text: str) -> int:
    """How many negations stand in a clause (apparent ones, such as 不仅 or "no later than", not counted)."""
    return sum(1 for match in NEGATION.finditer(text) if match["negation"])
