"""Knowledge that speaks to the model instead of to the customer.

Whoever can write into a document could otherwise make the counter say what they like. Found by words in
both languages (also with 汉字 or letters set apart), by marks that only a prompt has, and by text that no
reader would see. Genuine bank texts tell a *customer* what to do; what is looked for tells an assistant.
"""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.errors import Problem
from inference.guard.disguise import undisguise
from inference.lint.finding import Finding
from inference.lint.source import Placed

__all__ = ["Suspect", "check_injection", "find_injection"]

_MODEL_ZH = r"(?:ai|人工智能|智能助手|助手|机器人|语言模型|大模型|模型|聊天机器人|客服机器人)"
_MODEL_EN = r"(?:assistant|language model|model|ai|chat ?bot|bot|llm|gpt)"
_INSTRUCTION = re.compile(
    r"(?:忽略|无视|忘记|忘掉|不要理会|不必理会|不用管|抛开|跳过|覆盖)[^，。；\n]{0,10}(?:之前|以前|上面|以上|前面|前文|上述|先前|所有|一切|原有|系统|你的)"
    r"[^，。；\n]{0,8}(?:指令|指示|提示|规则|设定|要求|内容|限制|对话|约束)"
    r"|系统提示(?!音|您|：您|余额|失败)(?=词|[：:]|是|如下|信息|改)|提示词|系统指令|开发者模式"
    r"|[你您]现在(?:是|扮演|的(?:身份|角色)|起)(?!否)|(?:请|将|要|来)[你您]?扮演|[你您](?:是|作为)(?:一[个名位])?(?:没有限制|不受限制)"
    r"|从现在(?:起|开始)[，,]?\s*(?:[你您](?:是|只|必须|要|都|就|将扮演|的(?:身份|角色))|一律|都|只|用|所有|每次|请?(?:回答|回复|忽略|扮演|以))"
    rf"|{_MODEL_ZH}(?:必须|应当|应该|须|请|务必|只能|一律|要)(?:[^，。；\n]{{0,8}})?(?:回答|回复|说|推荐|告诉|输出|遵守|遵循|忽略|执行)"
    r"|(?:回答|回复|答复)(?:客户|用户|问题)?(?:时|中|里)?[，,]?(?:你)?(?:必须|务必|一律|只能|都要)(?:说|写|告诉|回复|推荐|包含|以|使用|加上)"
    r"|(?:一律|只|必须|都|统一)(?:回答|回复)(?:[：:“\"「『]|客户|用户)"
    r"|(?:无论|不管|不论)(?:客户|用户|对方|别人)[^。\n]{0,14}(?:都|一律)(?:要|必须)?(?:回答|回复|说|推荐|告诉)"
    r"|(?:不要|不得|别|禁止)(?:告诉|告知|透露给|提醒)(?:客户|用户)|(?:对|向)(?:客户|用户)(?:保密|隐瞒)"
    r"|(?:输出|打印|复述|重复|泄露|显示)(?:你的|以上|上面|全部|系统|初始|隐藏|内部)(?:的)?(?:系统|初始|隐藏|内部)?(?:提示|指令|设定)"
    r"|\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,24}\b(?:previous|prior|above|all|earlier|any|your|preceding|the system)\b"
    r"[^.\n]{0,16}\b(?:instructions?|prompts?|rules|guidelines|messages|context|directions?|constraints?)\b"
    r"|\byou are (?:now|no longer)\b(?! (?:asked|signed|logged|able|required|registered|eligible|charged|covered))|\byou are an? (?:unrestricted|helpful|"
    + _MODEL_EN
    + r")\b|\bfrom now on,? (?:you|answer|reply|respond|always|only|ignore|act|say)"
    r"|\b(?:pretend (?:to be|you)|role-?play|act as (?:if you|an? (?:"
    + _MODEL_EN
    + r"|expert|unrestricted|different)))"
    r"|\b(?:respond|reply|answer) (?:(?:only|always|exactly|to (?:everyone|every customer|all questions)) with\b|with (?:only |exactly |the (?:words?|text|"
    r"sentence|phrase)|[\"“'‘]|yes\b|no\b))|\brespond with\b"
    r"|\b(?:always|only) (?:answer|respond|reply)\b"
    r"|\b(?:when|if|whenever) (?:asked|the (?:user|customer) asks)\b[^.\n]{0,50}\b(?:say|answer|reply|respond|tell|recommend|output)\b"
    r"|\b(?:the |an? |this )?" + _MODEL_EN + r" (?:must|should|shall|has to|is to|will now)\b"
    r"|\b(?:do not|don't|never) (?:tell|reveal (?:this )?to|inform|warn|mention (?:this )?to) the (?:customers?|users?)\b"
    r"|\bsystem prompt\b|\bnew (?:system )?instructions?\s*:|\bdeveloper mode\b|\bdo anything now\b|\bjailbreak mode\b"
    r"|\b(?:print|repeat|output|reveal|show) (?:your|the|all) (?:system |initial |hidden |above )?(?:prompt|instructions)\b",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"(?:^|\n)[ \t>*-]*[\[【<]?(?:system|assistant|user|human|developer|ai|bot|customer|clerk|系统|助手|用户|客户|客服|柜员|资料)[\]】>]?[ \t]*[:：]"
    r"|<\|[^|\n]{1,40}\|>|</?s>|<<?/?(?:sys|system|assistant|user|instructions?|prompt|im_start|im_end)>?>|<(?:start|end)_of_turn>|\[/?INST\]"
    r"|#{2,}[ ]*(?:instructions?|system|response|指令|系统)\s*:?[ ]*(?:\n|$)",
    re.IGNORECASE,
)
_UNSEEN = re.compile(
    r"<!--|-->|<(?:script|style|iframe|template|meta)\b|display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|color\s*:\s*(?:white|#fff\b|transparent)"
    r"|^\[//\]:\s*#|^\[comment\]:",
    re.IGNORECASE | re.MULTILINE,
)
_ENCODED = re.compile(
    r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{60,}={0,2}|(?:\\x[0-9a-f]{2}){6,}|(?:\\u[0-9a-f]{4}){6,}", re.IGNORECASE
)
_HIDDEN = frozenset({"Cf", "Cc", "Co", "Cn", "Cs"})


@dataclass(frozen=True, slots=True)
class Suspect:
    """Where text may be meant for the model."""

    what: str
    """In a few words, with the telling words quoted."""
    at: int
    """Position in the text; -1 where it shows only after what hid it was taken away."""


def find_injection(text: str) -> Suspect | None:
    """The first thing in a text that is meant for the model, or None."""
    for at, character in enumerate(text):
        if character not in "\n\r\t" and unicodedata.category(character) in _HIDDEN:
            return Suspect(f"holds the invisible character U+{ord(character):04X}", at)
    for pattern, kind in (
        (_UNSEEN, "holds text that readers don't see"),
        (_ROLE, "holds a speaker mark of a prompt"),
        (_ENCODED, "holds encoded text"),
        (_INSTRUCTION, "speaks to the model"),
    ):
        match = pattern.search(text)
        if match:
            start = match.start() + len(match[0]) - len(match[0].lstrip())
            return Suspect(f"{kind}: {match[0].strip()[:40]!r}", start)
    bare = undisguise(text)
    match = _INSTRUCTION.search(bare) if bare != text else None
    return Suspect(f"speaks to the model, in disguise: {match[0].strip()[:40]!r}", -1) if match else None


def check_injection(placed: Sequence[Placed], folder: Path) -> Iterator[Finding]:
    """Instructions to the model in entries (questions, paraphrases, answers) and in documents."""
    for item in placed:
        for language, wording in item.wordings():
            texts = [("question", wording.question), ("answer", wording.answer)]
            for field, text in texts:
                yield from _entry(item, text, language, field)
            for at, paraphrase in enumerate(wording.paraphrases):
                yield from _entry(item, paraphrase, language, "paraphrases", at)
    for path in sorted(folder.glob("documents/[!.]*.md")):
        text = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
        suspect = find_injection(text)
        if suspect is not None:
            line = text.count("\n", 0, suspect.at) + 1 if suspect.at >= 0 else _line_of_disguised(text)
            yield Finding(Problem(str(path), line, f"{suspect.what}; {_ADVICE}"), "error")


_ADVICE = "write for the customer, and take it out"


def _entry(item: Placed, text: str, *where: str | int) -> Iterator[Finding]:
    suspect = find_injection(text)
    if suspect is None:
        return
    problem = item.problem(f"{suspect.what}; {_ADVICE}", *where)
    inside = text.count("\n", 0, suspect.at) if suspect.at >= 0 else _line_of_disguised(text) - 1
    # A block text (`answer: |-`) begins in the line below its key.
    block = item.document.path.read_text(encoding="utf-8").splitlines()[problem.line - 1].rstrip()
    below = 1 if block.endswith(("|", "|-", "|+", ">", ">-", ">+")) else 0
    yield Finding(
        Problem(problem.file, problem.line + (inside + below if below else 0), problem.message), "error"
    )


def _line_of_disguised(text: str) -> int:
    lines = text.split("\n")
    return next((at for at, line in enumerate(lines, start=1) if find_injection(line) is not None), 1)
