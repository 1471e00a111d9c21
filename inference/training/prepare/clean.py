"""Taking noise out of one turn's text. Nothing here masks; that comes after, on what is left."""

from __future__ import annotations

import html
import re
import unicodedata

from inference.training.prepare.config import Cleaning
from inference.training.prepare.listed import listed

__all__ = ["Cleaner"]

_ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,15}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
_UNESCAPES = 3
"""Logs are often escaped twice."""
_REST = (
    r"(?:\s*/?|\s+(?:[a-z@:][\w:.-]*\s?=|(?:async|autoplay|checked|controls|defer|disabled|download|hidden|loop|"
    r"multiple|muted|noshade|nowrap|open|readonly|required|selected)\b)[^<>]*)>"
)
"""Of a tag, behind its name: nothing or attributes, so that `a<b and c>d` stays."""
_HIDDEN = re.compile(rf"<(script|style){_REST}", re.IGNORECASE)
_BREAKS = re.compile(rf"<(?:br|/?p|/?div|/?li|/?tr|/?h[1-6]|hr){_REST}", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|abbr|article|aside|audio|b|big|blockquote|body|button|center|code|dd|del|dl|dt|em|embed|figure|"
    r"font|footer|form|head|header|html|i|iframe|img|input|ins|label|link|main|mark|meta|nav|object|ol|"
    r"option|pre|s|section|select|small|source|span|strike|strong|sub|sup|svg|table|tbody|td|textarea|tfoot|"
    rf"th|thead|title|tt|u|ul|video){_REST}",
    re.IGNORECASE,
)
_COMMENT = "<!--"
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0001-\U000e007f\U000e0100-\U000e01ef]"
)
_KEPT_CONTROLS = frozenset("\n\t")

_THINGS = listed(
    "图片 照片 截图 表情 动画表情 自定义表情 语音 语音消息 视频 小视频 视频通话 语音通话 文件 链接 位置 名片 "
    "小程序 聊天记录 红包 转账 卡片 卡片消息 富文本 图文消息 引用 image photo picture sticker emoji voice "
    "audio video file link attachment location gif screenshot"
)
_FACES = listed(
    "微笑 撇嘴 色 发呆 得意 流泪 害羞 闭嘴 睡 大哭 尴尬 发怒 调皮 呲牙 惊讶 难过 囧 抓狂 吐 偷笑 愉快 "
    "白眼 傲慢 困 惊恐 憨笑 悠闲 咒骂 疑问 嘘 晕 衰 骷髅 敲打 再见 擦汗 抠鼻 鼓掌 坏笑 右哼哼 鄙视 委屈 "
    "快哭了 阴险 亲亲 可怜 笑脸 生病 脸红 破涕为笑 恐惧 失望 无语 嘿哈 捂脸 奸笑 机智 皱眉 耶 吃瓜 加油 "
    "汗 天啊 社会社会 旺柴 好的 打脸 哇 翻白眼 让我看看 叹气 苦涩 裂开 嘴唇 爱心 心碎 拥抱 强 弱 握手 "
    "胜利 抱拳 勾引 拳头 合十 啤酒 咖啡 蛋糕 凋谢 菜刀 炸弹 便便 月亮 太阳 庆祝 礼物 玫瑰 ok"
)
_PLACEHOLDER = re.compile(
    r"[\[【](?:"
    + "|".join(sorted(_THINGS + _FACES, key=len, reverse=True))
    + r")(?:[:：][^\]】\n]{0,80})?[\]】]",
    re.IGNORECASE,
)
_RECALLED = re.compile(
    r"^[\[【(（]?(?:"
    r"(?:对方|[您你我]|客户|客服|用户|坐席)?\s?撤回了(?:[一该此]条|上一条)?消息|"
    r"(?:[\"“「][^\"”」\n]{1,20}[\"”」]|[^\W我你您谁怎么啥何吗刚]{1,12})\s?撤回了一条消息|"
    r"(?:[此该]|[这本一此该]条)?消息已被?撤回|"
    r"(?:(?!(?:I|we|who|have|has|can|how|why)\b)[\w.'-]+ ){0,3}"
    r"(?:recalled|unsent|deleted|removed) (?:a|this) message|"
    r"this message (?:was|has been) (?:recalled|deleted|unsent)(?: by [\w ]{1,20})?"
    r")[\s，,]*(?:重新编辑)?[.。!！]?[\]】)）]?$",
    re.IGNORECASE | re.MULTILINE,
)
"""A line that is such a notice and nothing else."""
_URL = re.compile(r"(?:https?://|www\.)[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE)
_URL_END = ".,;:!?)]'"

_REPEATED = re.compile(r"([!！?？,，、;；:：~～…·])\1+")
_DOTS = re.compile(r"\.{3,}|。{2,}")
_LINES = re.compile(r"([-=_—─#])\1{3,}")
_EMOJI = "[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff\U0001f1e6-\U0001f1ff]"
_EMOJI_RUN = re.compile(rf"({_EMOJI})(?:\s?{_EMOJI})+")
_SPACES = re.compile(r"[^\S\n]+")
_NEWLINES = re.compile(r" ?\n[ \n]*")


class Cleaner:
    """Cleans turns as the configuration says."""

    def __init__(self, settings: Cleaning) -> None:
        self._keep_urls = settings.urls == "keep"
        self._boilerplate = [re.compile(pattern, re.MULTILINE) for pattern in settings.boilerplate]

    def __call__(self, text: str) -> str:
        """The text without markup, control characters, placeholders, links, runs and boilerplate; may be
        empty. Linear in the text's length but for the configured patterns."""
        text = _visible(_plain(_visible(text)))
        text = _RECALLED.sub("", _PLACEHOLDER.sub("", text))
        if not self._keep_urls:
            text = _URL.sub(_after_url, text)
        text = _tidy(text)
        for pattern in self._boilerplate:
            text = pattern.sub("", text)
        text = _LINES.sub("", _EMOJI_RUN.sub(r"\1", _REPEATED.sub(r"\1", text)))
        text = _DOTS.sub(lambda dots: "…" if dots[0][0] == "。" else "...", text)
        return _tidy(text)


def _visible(text: str) -> str:
    """Without control, zero-width and unassigned characters; line ends are \\n."""
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n"))
    if text.isprintable():
        return text
    return "".join(
        c for c in text if c.isprintable() or c in _KEPT_CONTROLS or unicodedata.category(c) == "Zs"
    )


def _plain(text: str) -> str:
    for _ in range(_UNESCAPES):
        if "&" not in text:
            break
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    if "<" not in text:
        return text
    text = _without_comments(_without_hidden(text))
    return _TAG.sub("", _BREAKS.sub("\n", text))


def _without_hidden(text: str) -> str:
    """Scripts and styles go with what they hold; one that never ends, to the end."""
    low = text.lower()
    if len(low) != len(text):
        return text
    out, done = [], 0
    for begun in _HIDDEN.finditer(text):
        if begun.start() < done:
            continue
        out.append(text[done : begun.start()])
        end = low.find(f"</{begun[1].lower()}", begun.end())
        close = low.find(">", end) if end >= 0 else -1
        done = close + 1 if close >= 0 else len(text)
    return "".join([*out, text[done:]])


def _without_comments(text: str) -> str:
    out, done = [], 0
    while (begun := text.find(_COMMENT, done)) >= 0:
        end = text.find("-->", begun)
        if end < 0:
            break
        out.append(text[done:begun])
        done = end + 3
    return "".join([*out, text[done:]])


def _after_url(url: re.Match[str]) -> str:
    """Punctuation that ends the sentence, not the link, stays."""
    return url[0][len(url[0].rstrip(_URL_END)) :]


def _tidy(text: str) -> str:
    return _NEWLINES.sub("\n", _SPACES.sub(" ", text)).strip()
