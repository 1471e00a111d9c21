"""What a file's name tells: only whether it is meant to deceive."""

from __future__ import annotations

import unicodedata
from typing import Final

from bot.limits.files.refusal import Unsafe

__all__ = ["RUN", "check_name", "extensions"]

RUN: Final = frozenset((
    "exe", "com", "scr", "pif", "bat", "cmd", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta", "msi",
    "msp", "mst", "cpl", "dll", "sys", "lnk", "url", "reg", "ps1", "psm1", "jar", "apk", "ipa", "app",
    "dmg", "pkg", "deb", "rpm", "sh", "bash", "zsh", "run", "bin", "elf", "py", "pyc", "pl", "rb", "php",
    "phtml", "jsp", "asp", "aspx", "html", "htm", "xhtml", "mht", "svg", "swf", "chm", "iso", "img",
    "vhd", "vhdx", "gadget", "inf", "scf", "appref-ms", "xll", "docm", "xlsm", "pptm", "dotm",
))  # fmt: skip
"""Extensions that some system runs when the file is opened."""
_SHOWN: Final = frozenset((
    "pdf", "png", "jpg", "jpeg", "jfif", "gif", "webp", "bmp", "tif", "tiff", "heic", "txt", "csv",
    "log", "md", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "wps", "et", "rtf", "mp3", "m4a", "wav",
    "ogg", "oga", "opus", "mp4", "mov", "avi", "webm", "zip", "rar", "7z", "gz",
))  # fmt: skip
"""Extensions that people trust."""
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def check_name(name: str) -> None:
    """Refuse a name that hides what the file is: `statement.pdf.exe`, or one that is shown backwards.

    A plain `photo.exe` passes: content decides, and what is kept is named for its content. So would
    `statement.pdf.exe.png` be, were it not that nobody means well by such a name.

    Raises:
        Unsafe: name.
    """
    parts = extensions(name)
    trusted = False
    for part in parts:
        if part in RUN and (trusted or "   " in name):
            raise Unsafe("name", f"the name has .{part} behind a harmless extension")
        trusted = trusted or part in _SHOWN
    if any(c in _BIDI for c in name) and any(part in RUN for part in parts):
        raise Unsafe("name", "the name changes its direction to hide its extension")


def extensions(name: str) -> list[str]:
    """All extensions of a name, in lower case, without what isn't seen: width, control characters, spaces
    and dots at its end."""
    name = unicodedata.normalize("NFKC", name)
    name = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf")).rstrip(" .").lower()
    base = name.replace("\\", "/").rpartition("/")[2]
    return [part.strip() for part in base.split(".")[1:]]
