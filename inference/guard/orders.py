"""Replies that order what no bank's counter may: to hand over a secret, or to move money to somebody.

Refused even where a passage says so. A warning names the same things (切勿把验证码告诉任何人, "never share
your PIN"), so negation and quotation are heeded as for promises. Typing a password *in the bank's app*
is no hand-over, and stays allowed.
"""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re

from inference.guard.clauses import negations, sentences

__all__ = ["ORDER", "find_order"]

_CODE = r"(?:验证码|校验码|动态(?:码|口令|密码)|口令|密码|pin码?|cvv2?码?|cvc码?|安全码|私钥|助记词)"
_NUMBER = r"(?:卡号|有效期|身份证号码?|身份证照片|账号)"
_GIVE = (
    r"(?:发(?:给|到|来|我|送)|提供|告诉|告知|报(?:给|一下|我)|说(?:一下|给|出来)|回复|转发|留下|给(?:我|到)"
    r"|念(?:给|一下|出)|私信|截图|交给)"
)
_TO_US = (
    r"(?:给我|发我|告诉我|告知我|报给我|到这里|在这里|在此|本对话|聊天(?:里|中)|回复我|给客服|给柜员|给经办)"
)
_CODE_EN = (
    r"(?:verification codes?|(?:one[- ]time|sms|security|dynamic|access) (?:code|password|pin)s?|otps?|passwords?|passcodes?"
    r"|pins?|cvv2?|cvc)"
)
_NUMBER_EN = r"(?:card numbers?|card details|expiry dates?|account numbers?|id numbers?)"
_GIVE_EN = r"(?:send|tell|give|share|forward|read out|text (?:me|us)|dm|disclose|hand over|reply with|respond with|let (?:me|us) (?:know|have))"
_GAP = r"[^，。！？；!?;\n]"
_GAP_EN = r"(?:(?! and set | and choose | and change )[^.!?;\n])"
_SAFE = r"(?:安全账户|保护账户|监管账户|公证账户|核查账户|(?<!公司)指定的?账户|我(?:们)?(?:提供|给|发)的?账[户号]|以下账[户号]|个人账户)"

ORDER = re.compile(
    rf"{_GIVE}{_GAP}{{0,12}}?{_CODE}|{_CODE}{_GAP}{{0,10}}?{_GIVE}"
    rf"|(?:{_GIVE}{_GAP}{{0,10}}?{_NUMBER}{_GAP}{{0,6}}?{_TO_US}|{_NUMBER}{_GAP}{{0,12}}?{_TO_US}|{_TO_US}们?{_GAP}{{0,10}}?{_NUMBER})"
    rf"|(?:需要|要|请)(?:您|你)的?{_GAP}{{0,4}}{_CODE}|说(?!明){_GAP}{{0,12}}?{_CODE}"
    rf"|在(?:这里|此处|本对话|聊天框?){_GAP}{{0,6}}(?:输入|填写?){_GAP}{{0,10}}(?:{_CODE}|{_NUMBER})"
    rf"|(?:转|汇|打|存|划)(?:账|款|钱|入|到|至|给|进)*{_GAP}{{0,14}}?{_SAFE}"
    rf"|先(?:转账|汇款|打款|转|汇|打){_GAP}{{0,12}}?(?:到|至|给)(?:我|指定|该|此|对方)"
    r"|(?:共享|开启|打开)(?:您的|你的)?屏幕共享?|(?:下载|安装)[^，。！？；\n]{0,10}(?:远程|屏幕共享|向日葵|会议软件)"
    rf"|\b{_GIVE_EN}\b{_GAP_EN}{{0,40}}?\b{_CODE_EN}\b"
    rf"|\b(?:send|tell|give|text|reply with|let)\b{_GAP_EN}{{0,20}}?\b(?:me|us|here)\b{_GAP_EN}{{0,30}}?\b{_NUMBER_EN}\b|\breply with\b{_GAP_EN}{{0,30}}\b{_NUMBER_EN}\b"
    rf"|\b(?:i|we) (?:will )?(?:need|require|want)\b{_GAP_EN}{{0,20}}\b(?:{_CODE_EN}|{_NUMBER_EN})\b"
    rf"|\b(?:enter|type|provide|paste|submit|confirm|put|write)\b{_GAP_EN}{{0,40}}\b(?:{_CODE_EN}|{_NUMBER_EN})\b{_GAP_EN}{{0,30}}"
    r"\b(?:here|in this chat|in the chat|in your reply|to me|to us)\b"
    r"|\b(?:transfer|move|send|wire|pay|deposit)\b[^.!?;\n]{0,40}\b(?:safe|secure|protected|holding|designated|following) account\b"
    r"|\b(?:share your screen|(?:install|download|open) (?:\w+ ){0,4}?(?:anydesk|teamviewer|remote[- ](?:control|access))(?! or))",
    re.IGNORECASE,
)

_WARNING = re.compile(
    r"不含|骗|诈|冒充|凡是|警惕|谨防|当心|小心|声称|谎称|自称|索要|索取|套取|诱导|任何人|陌生人|泄露|泄漏|如果(?:您|你)?已|已经|曾经|误|如果有人|有人|对方|要求[您你]|一律|无论|不论"
    r"|\bscam|\bfraud|\bwhoever|\banyone who|\banybody|\bsomeone|\bif you(?:'ve| have)? (?:already |ever )?(?:told|gave|given|shared|sent|entered)"
    r"|\bclaim|\bpretend|\bposing|\bbeware|\basks? you|\basking|\basked|\balready|\bhave (?:told|given|shared|sent|entered)|\bwho(?:ever)? (?:ask|want|tell)",
    re.IGNORECASE,
)
_RECEIVER = re.compile(r"\b(?:me|us|here|chat|reply|just|instead|then|please)\b", re.IGNORECASE)
_REASSURING = re.compile(
    r"\b(?:don't|do not|no need to) (?:worry|hesitate|panic)|\bno (?:problem|worries)|\bfree\b|\bnot only\b",
    re.IGNORECASE,
)
_CONDITION_END = re.compile(r"[，,：:；;]")


_SUBJECTS = (
    "码", "口令", "私钥", "助记词", "pin", "cvv", "cvc", "卡号", "有效期", "身份证", "账", "屏幕", "远程", "向日葵", "软件", "先", "code", "password",
    "otp", "number", "details", "expiry", "account", "screen", "remote", "anydesk", "teamviewer",
)  # fmt: skip
"""What every forbidden order is about: where none of it stands, nothing needs trying."""


def find_order(text: str) -> str:
    """The first forbidden order of a text, in its own words; empty if it gives none."""
    lower = text.lower()
    if not any(subject in lower for subject in _SUBJECTS):
        return ""
    for sentence in sentences(text):
        lower = sentence.lower()
        if not any(subject in lower for subject in _SUBJECTS):
            continue
        for match in ORDER.finditer(sentence):
            if not _denied(sentence, match) and not _WARNING.search(sentence):
                return match[0]
    return ""


def _denied(sentence: str, match: re.Match[str]) -> bool:
    """Whether a negation governs the order: an odd number in its own clause, or, in an English list of
    things not to do that names no receiver ("Do not install software, share your screen"), any before."""
    start = 0
    for end in _CONDITION_END.finditer(sentence, 0, match.start()):
        start = end.end()
    if negations(sentence[start : match.end()]) % 2 == 1:
        return True
    if not match[0].isascii() or _RECEIVER.search(sentence, start):
        return False
    return negations(_REASSURING.sub("", sentence[: match.start()])) > 0
