"""Programs and scripts, by their first bytes; and the harmless file that virus scanners are tested with."""

from __future__ import annotations

import re
from typing import Final

from bot.limits.files.refusal import Unsafe

__all__ = ["check_program", "check_text"]

# https://www.eicar.org/download-anti-malware-testfile/ in pieces, so that no scanner stops at this one.
EICAR: Final = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!" + b"$H+H*"

_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"MZ", "a Windows or DOS program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xfe\xed\xfa\xce", "a macOS program"),
    (b"\xfe\xed\xfa\xcf", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a Java class or macOS program"),
    (b"dex\n", "an Android program"),
    (b"\0asm", "a WebAssembly program"),
    (b"L\0\0\0\x01\x14\x02\0", "a Windows shortcut"),
    (b"MSCF", "a Windows cabinet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file or an installer, which can carry macros"),
    (b"!<arch>\n", "a package or library"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"ITSF", "a compiled help file"),
    (b"#!", "a script"),
)
_SPACE: Final = b"\xef\xbb\xbf \t\r\n\0"
_ACTIVE: Final = re.compile(
    rb"<\s*(?:script|iframe|object|embed|applet|meta\s+http-equiv|!doctype\s+html|html|svg|hta:)"
    rb"|<\?(?:php|=)|<%@?|\bon(?:load|error|click|mouseover)\s*=\s*[\"']?[a-z_(]"
    rb"|^\s*(?:@echo\s+off|powershell(?:\.exe)?\s|Windows Registry Editor|\[InternetShortcut\])"
    rb"|\b(?:WScript\.Shell|ActiveXObject|CreateObject\s*\(|Invoke-Expression|IEX\s*\(|FromBase64String)",
    re.IGNORECASE | re.MULTILINE,
)
_TEXT_LOOKED_AT: Final = 1 << 20


def check_program(data: bytes) -> None:
    """Raises Unsafe (program, virus) for what a computer would run."""
    if EICAR in data:
        raise Unsafe("virus", "the EICAR test file, which stands for a virus")
    for magic, what in _MAGIC:
        if data.startswith(magic):
            raise Unsafe("program", what)


def check_text(data: bytes) -> None:
    """Raises Unsafe (active) for text that a browser, a server or a shell would act on."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16", "replace").encode()
    body = data[:_TEXT_LOOKED_AT].lstrip(_SPACE)
    if body.startswith(b"#!"):
        raise Unsafe("program", "a script")
    if found := _ACTIVE.search(body):
        what = found[0][:20].decode("latin-1").strip()
        raise Unsafe("active", f"text with active content: {what}")
