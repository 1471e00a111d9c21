"""Personal data with a written form of its own: e-mail, phones abroad, passports, plates, passwords …"""

# ruff: noqa: E501  (a pattern is read by its branches, and 汉字 count double)

from __future__ import annotations

import re
from collections.abc import Iterator

from inference.privacy.checks import hkid_check, iban_check, uscc_check
from inference.privacy.fold import Folded
from inference.privacy.labels import label, unit_after
from inference.privacy.span import Candidate

__all__ = ["find_codes"]

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])(?:[A-Za-z0-9]+ dot ){0,2}[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}"
    r"(?: ?@ ?|\s?[(\[{<](?:at|AT|@)[)\]}>]\s?| at (?=[A-Za-z0-9\-]+(?: dot |\.(?:com|net|org|cn)\b)))"
    r"(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}(?:\.| ?[(\[](?:dot|点|\.)[)\]] ?| dot )){1,4}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ \-]?[A-Z0-9]{2,4}){3,8}(?![A-Za-z0-9])", re.IGNORECASE)
_USCC = re.compile(r"(?<![A-Za-z0-9])[0-9A-HJ-NPQRTUWXY]{18}(?![A-Za-z0-9])", re.IGNORECASE)
_PASSPORT = re.compile(
    r"(?<![A-Za-z0-9])(?:[EGDSP]\d{8}|[DSP]\d{7}|E[A-HJ-NP-Z]\d{7})(?![A-Za-z0-9])", re.IGNORECASE
)
_ANY_PASSPORT = re.compile(
    r"(?:护照|passport)(?:[ ]?(?:号码?|no\.?|number))?[ ]?(?:是|为|is|was|:|#)?[ ]?([a-z]{0,2}\d{6,9})(?![a-z0-9])"
)
_HKID = re.compile(r"(?<![A-Za-z0-9])([A-Z]{1,2})(\d{6}) ?\(([0-9A])\)", re.IGNORECASE)
_PERMIT = re.compile(
    r"(?<![A-Za-z0-9])(?:[HM]\d{10}|[HM]\d{8}|C[A-Z0-9]\d{7}|[WTL]\d{8})(?![A-Za-z0-9])", re.IGNORECASE
)
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][ ·\-.]?"
    r"(?:(?=[A-HJ-NP-Z]{0,5}\d)[A-HJ-NP-Z0-9]{5,6}|[A-HJ-NP-Z0-9]{4}[挂学警港澳])(?![A-Za-z0-9])"
)
_IP = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])")
_SSN = re.compile(r"(?<![\d\-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d\-])")
_SSN_SAID = re.compile(
    r"(?:(?<![a-z])ssn(?![a-z])|social security(?: number)?)[ :#]*(?:is|number)?[ :]*(\d{3}[ \-]?\d{2}[ \-]?\d{4})(?!\d)"
)
_WECHAT = re.compile(
    r"(?:微信(?:号码?)?|薇信|威信|\b(?:wechat|weixin|wx|vx)\b)(?: ?id)?[ ]?(?:号码?|是|为|is|:|加)?[ :]*([a-z][a-z0-9_\-]{5,19})(?![a-z0-9_\-@.])",
    re.ASCII,
)
_WECHAT_NOT = frozenset(
    [
        "wechat",
        "weixin",
        "payment",
        "wallet",
        "account",
        "number",
        "transfer",
        "scanned",
        "support",
        "message",
        "official",
        "service",
    ]
)
_PASSWORD = re.compile(
    r"(?:密码|口令|\bpass ?word\b|\bpasscode\b|\bpwd\b)(?:(?:[ ]?(?:是|为|叫|is|was|[:=])+[ ]?\"?([!-~]{4,32}))"
    r"|(?:[^。\n]{0,6}(?:原来|以前|现在|之前|一直)(?:是|为|叫))[ ]?([!-~]{4,32})"
    r"|[ ]?\"?((?=[!-~]*[a-z])(?=[!-~]*[0-9@#$])[!-~]{5,32}))",
    re.ASCII,
)
_PASSWORD_NOT = re.compile(r"[a-z]+[.,!?;:]*|\d[.,]?|[\[(*<].*")
_INTERNATIONAL = re.compile(
    r"\+(?!86)[1-9]\d{0,2}(?:[ \-.]?\(?\d{1,5}\)?){2,5}(?!\d)(?: ?(?:x|ext\.?) ?\d{1,5})?"
)
_AMERICAN = re.compile(
    r"(?<![\d\-.(+])(?:\+?1[ \-.])?(?:\(\d{3}\) ?|\d{3}[\-.])\d{3}[\-.]\d{4}(?![\d\-])(?: ?(?:x|ext\.?) ?\d{1,5})?"
)
_LANDLINE = re.compile(
    r"(?<![\d\-.])(?:\(0(?:10|2\d|[3-9]\d{2})\)[ \-]?|(?:\+?86[ \-]?)?0(?:10|2\d|[3-9]\d{2})[ \-])"
    r"[2-8]\d{2,3}[ \-]?\d{4}(?:[ \-转]{1,2}\d{1,5})?(?![\d\-])"
)
_LANDLINE_PLAIN = re.compile(r"(?<![\dA-Za-z\-.])0(?:10|2\d|[3-9]\d{2})[2-8]\d{6,7}(?![\dA-Za-z\-.])")
_TOLL_FREE = re.compile(r"(?:\+?1[ \-.]?)?\(?(?:8(?:00|33|44|55|66|77|88)|[48]00)\)?[ \-.]")
_HK_NUMBER = re.compile(r"(?<![\d\-.])[569]\d{3}[ \-]?\d{4}(?![\d\-])")

_ANY_DIGIT = re.compile("[0-9]")
_PUBLIC_LINES = frozenset({"hotline", "other"})
_SURE, _SHAPED, _LABELLED = 5, 15, 20


def find_codes(folded: Folded) -> Iterator[Candidate]:
    """Propose what has a form of its own."""
    text, low = folded.text, folded.low
    if "@" in text or " at " in low or "at)" in low or "at]" in low:
        for match in _EMAIL.finditer(text):
            if "@" in match[0] or " dot " in match[0] or "." in match[0]:
                yield Candidate(*match.span(), "EMAIL", 1)
    for match in _WECHAT.finditer(low):
        if match[1] not in _WECHAT_NOT and (not match[1].isalpha() or ":" in match[0] or "号" in match[0]):
            yield Candidate(*match.span(1), "WECHAT", _LABELLED)
    yield from _passwords(text, low)
    if not _ANY_DIGIT.search(text):
        return
    yield from _papers(text, low)
    yield from _phones(text, low)
    for match in _PLATE.finditer(text.upper() if len(text.upper()) == len(text) else text):
        yield Candidate(*match.span(), "LICENSE_PLATE", _SHAPED)
    if text.count(".") >= 3:
        for match in _IP.finditer(text):
            before = low[max(0, match.start() - 12) : match.start()]
            if re.search(r"ip|地址|登录|登陆|address|login|from", before) and "版本" not in before:
                yield Candidate(*match.span(), "IP", _SHAPED)


def _passwords(text: str, low: str) -> Iterator[Candidate]:
    for match in _PASSWORD.finditer(low):
        group = match.lastindex or 1
        value = match[group].rstrip(".,;!?\"')") or match[group]
        if group == 1 and match[1].endswith(("!", "?")) and not value.isalpha():
            value = match[1]
        if len(value) < 4 or _PASSWORD_NOT.fullmatch(value):
            continue
        start = match.start(group)
        if value.isdigit() and unit_after(low, start, start + len(value)):
            continue
        kind = "PIN" if value.isdigit() and len(value) == 6 else "PASSWORD"
        yield Candidate(start, start + len(value), "PIN" if kind == "PIN" else "PASSWORD", 12)


def _papers(text: str, low: str) -> Iterator[Candidate]:
    for match in _IBAN.finditer(text):
        code = re.sub("[ -]", "", match[0]).upper()
        start, end = match.span()
        while len(code) >= 15:
            if len(code) <= 34 and iban_check(code):
                yield Candidate(start, end, "IBAN", _SURE)
                break
            shorter = re.search(r"[ \-][A-Za-z0-9]+$", text[start:end])
            if shorter is None:
                break
            end = start + shorter.start()
            code = re.sub("[ -]", "", text[start:end]).upper()
        else:
            code = ""
        if not code or not iban_check(code):
            said = label(low, match.start())
            if low[: match.start()].rstrip(" :#").endswith("iban") and said.name != "other":
                yield Candidate(*match.span(), "IBAN", _LABELLED)
    for match in _USCC.finditer(text):
        code = match[0].upper()
        if not code.isdigit() and not code[:17].isdigit() and uscc_check(code):
            yield Candidate(*match.span(), "USCC", _SURE)
        elif "信用代码" in low[max(0, match.start() - 12) : match.start()] or "uscc" in low[: match.start()]:
            yield Candidate(*match.span(), "USCC", _LABELLED)
    for match in _ANY_PASSPORT.finditer(low):
        yield Candidate(*match.span(1), "PASSPORT", _SHAPED)
    for match in _PERMIT.finditer(text):
        if label(low, match.start()).name == "permit":
            yield Candidate(*match.span(), "PERMIT", _SHAPED)
    for match in _PASSPORT.finditer(text):
        named = label(low, match.start()).name
        if named in {"passport", "id"} or (not named and match[0][0] in "EG"):
            yield Candidate(*match.span(), "PASSPORT", _SHAPED + 1)
    for match in _HKID.finditer(text):
        if hkid_check(match[1].upper(), match[2], match[3].upper()) or label(low, match.start()).name == "id":
            yield Candidate(*match.span(), "ID_CARD", _SURE)


def _phones(text: str, low: str) -> Iterator[Candidate]:
    if "ssn" in low or "social" in low:
        for match in _SSN_SAID.finditer(low):
            yield Candidate(*match.span(1), "SSN", _SURE)
    if "-" in text:
        for match in _SSN.finditer(text):
            if label(low, match.start()).name != "other":
                yield Candidate(*match.span(), "SSN", _SHAPED)
    if "+" in text:
        for match in _INTERNATIONAL.finditer(text):
            digits = sum(map(str.isdigit, match[0]))
            if 8 <= digits <= 16 and _private(low, match) and not _TOLL_FREE.match(match[0]):
                yield Candidate(*match.span(), "PHONE", _SHAPED)
    for pattern in (_AMERICAN, _LANDLINE):
        for match in pattern.finditer(text):
            if _private(low, match) and not _TOLL_FREE.match(match[0]):
                yield Candidate(*match.span(), "PHONE", _SHAPED)
    if "0" in text:
        for match in _LANDLINE_PLAIN.finditer(text):
            if label(low, match.start()).name == "phone":
                yield Candidate(*match.span(), "PHONE", _SHAPED)
    for match in _HK_NUMBER.finditer(text):
        before = low[max(0, match.start() - 10) : match.start()]
        if "香港" in before and label(low, match.start()).name == "phone":
            yield Candidate(*match.span(), "PHONE", _LABELLED)


_HOTLINE_AFTER = re.compile(r"\s*(?:是|这个)?(?:你们|贵行|银行|官方|的)*(?:热线|客服|总机|hotline|helpline)")


def _private(low: str, match: re.Match[str]) -> bool:
    if label(low, match.start()).name in _PUBLIC_LINES or unit_after(low, *match.span()):
        return False
    return _HOTLINE_AFTER.match(low, match.end()) is None
