"""What the web chat's server says to a customer, in both languages. The page's own strings live in
static/strings.js."""

from __future__ import annotations

from typing import Final

from adapters.web.settings import Localized

__all__ = ["ACCEPTED_TYPES", "ERRORS", "PAGE", "say", "size"]

ACCEPTED_TYPES: Final = Localized(
    zh="图片（PNG、JPEG、WebP、GIF）、PDF、纯文本、音频（WebM、OGG、MP3、M4A、WAV）",
    en="pictures (PNG, JPEG, WebP, GIF), PDF, plain text, audio (WebM, OGG, MP3, M4A, WAV)",
)

ERRORS: Final[dict[str, Localized]] = {
    "bad_json": Localized(
        zh="消息格式有误，请刷新页面后重试。",
        en="The message could not be read. Please reload the page and try again.",
    ),
    "bad_field": Localized(
        zh="消息中的“{field}”有误，请刷新页面后重试。",
        en="The field “{field}” of the message is wrong. Please reload the page and try again.",
    ),
    "bad_id": Localized(
        zh="消息编号须为 1 至 {limit} 个字母、数字、“-”或“_”。",
        en="A message needs an id of 1 to {limit} letters, digits, “-” or “_”.",
    ),
    "empty": Localized(zh="消息是空的，请输入内容。", en="The message is empty. Please write something."),
    "too_many_attachments": Localized(
        zh="一条消息最多可带 {limit} 个文件。", en="A message can carry at most {limit} files."
    ),
    "unknown_attachment": Localized(
        zh="文件已失效，请重新上传。", en="A file is no longer available. Please upload it again."
    ),
    "not_found": Localized(zh="没有找到该内容。", en="Not found."),
    "body_too_large": Localized(
        zh="消息太长，最多 {limit}。请分几条发送。",
        en="The message is too long: {limit} at most. Please send it in several parts.",
    ),
    "not_json": Localized(
        zh="请以 application/json 格式提交。", en="Requests must be sent as application/json."
    ),
    "bad_upload": Localized(
        zh="没有收到文件，请重新选择。", en="No file was received. Please choose it again."
    ),
    "empty_file": Localized(zh="文件是空的，请重新选择。", en="The file is empty. Please choose another."),
    "upload_too_large": Localized(
        zh="文件太大，最大可上传 {limit}。", en="The file is too large: {limit} at most."
    ),
    "upload_type": Localized(
        zh="不支持这种文件。可上传：{types}。", en="This type of file isn't accepted. You can send {types}."
    ),
    "upload_unsafe": Localized(
        zh="为了安全，这个文件没有收下。请换成普通的图片、PDF 或文字文件再试，也可以直接用文字说明。",
        en="To be safe, this file wasn't taken. Please try an ordinary picture, PDF or text file, or just "
        "tell us in words.",
    ),
    "too_slow": Localized(
        zh="上传超时，请检查网络后重试。",
        en="The upload took too long. Please check your connection and try again.",
    ),
    "forbidden": Localized(
        zh="请求来自其他网站，已拒绝。请在本页面操作。",
        en="The request came from another site and was refused. Please use this page.",
    ),
    "no_session": Localized(
        zh="会话已过期，请刷新页面。", en="Your session has ended. Please reload the page."
    ),
    "busy": Localized(
        zh="现在咨询的人较多，请稍候，系统会自动重试。",
        en="We are very busy just now. Please wait a moment; the message will be sent again.",
    ),
    "too_often": Localized(
        zh="您发送得太快了，请稍候再试。", en="That was a little too fast. Please wait a moment."
    ),
    "failed": Localized(
        zh="系统出了点问题，请稍后再试。", en="Something went wrong on our side. Please try again later."
    ),
}

PAGE: Final[dict[str, Localized]] = {
    "title": Localized(zh="在线客服", en="Online help"),
    "skip": Localized(zh="跳到输入框", en="Skip to the message box"),
    "noscript": Localized(
        zh="在线客服需要启用 JavaScript。您也可以致电或到网点办理。",
        en="This chat needs JavaScript. You can also call us or visit a branch.",
    ),
}


def say(code: str, **values: object) -> dict[str, str]:
    """The error `code` in both languages; a `Localized` value fills in per language."""
    text = ERRORS[code]

    def fill(language: str, template: str) -> str:
        own = {k: getattr(v, language) if isinstance(v, Localized) else v for k, v in values.items()}
        return template.format(**own)

    return {"zh": fill("zh", text.zh), "en": fill("en", text.en)}


def size(count: int) -> str:
    """Bytes as a customer reads them: `8 MB`, `256 KB`, `500 B` (1 KB = 1024 B)."""
    for unit, factor in (("MB", 1024 * 1024), ("KB", 1024)):
        if count >= factor:
            return f"{count / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count} B"
