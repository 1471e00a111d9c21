"""The page and its files: rendered once, served with a policy under which nothing foreign runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import jinja2
from aiohttp import web

from adapters.web.refusals import SECURITY_HEADERS, Refusal
from adapters.web.settings import WebSettings
from adapters.web.strings import ACCEPTED_TYPES, PAGE
from bot.types import Language

__all__ = ["Page"]

_HERE: Final = Path(__file__).parent
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)


class Page:
    """The chat page for one bank. Reads its files (blocking) when made: what was started is what is
    served."""

    def __init__(self, settings: WebSettings) -> None:
        self._files = {p.name: p.read_bytes() for p in (_HERE / "static").iterdir() if p.suffix in _TYPES}
        self.version = _version(self._files)
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        template = environment.get_template("chat.html")
        self._html: Mapping[Language, str] = {
            language: template.render(self._context(settings, language)) for language in _LANGUAGES
        }

    def _context(self, settings: WebSettings, language: Language) -> dict[str, Any]:
        config = {
            "bank": asdict(settings.bank_name),
            "greeting": asdict(settings.greeting),
            "suggestions": [asdict(suggestion) for suggestion in settings.suggestions],
            "accepted": asdict(ACCEPTED_TYPES),
            "uploadLimit": settings.upload_limit_bytes,
            "bodyLimit": settings.body_limit_bytes,
            "attachmentLimit": settings.attachments_per_message,
        }
        return {
            "language": language,
            "lang": "zh-Hans" if language == "zh" else "en",
            "version": self.version,
            "bank": getattr(settings.bank_name, language),
            "text": {key: getattr(value, language) for key, value in PAGE.items()},
            "config": config,
        }

    def render(self, request: web.Request) -> web.Response:
        """The page in the browser's language (the page itself knows a choice made before)."""
        headers = {
            **SECURITY_HEADERS,
            "Content-Security-Policy": _POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
            "Cache-Control": "no-store",
            "Vary": "Accept-Language",
        }
        language = _preferred(request.headers.get("Accept-Language", ""))
        response = web.Response(text=self._html[language], content_type="text/html", headers=headers)
        response.enable_compression()
        return response

    def file(self, name: str, version: str = "") -> web.Response:
        """One of the page's own files; kept by browsers for a year under its version's URL.

        Raises:
            Refusal: 404.
        """
        body = self._files.get(name)
        if body is None:
            raise Refusal(404, "not_found")
        # During a rolling restart a page may ask for another version's file: served, not kept.
        kept = version == self.version
        headers = {
            **SECURITY_HEADERS,
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "Cache-Control": "public, max-age=31536000, immutable" if kept else "no-cache",
        }
        response = web.Response(
            body=body, content_type=_TYPES[Path(name).suffix], charset="utf-8", headers=headers
        )
        response.enable_compression()
        return response


_LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")


def _version(files: Mapping[str, bytes]) -> str:
    """One hash over all files: modules name each other relatively, so they change together."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return digest.hexdigest()[:16]


def _preferred(accept: str) -> Language:
    """The first of our languages in an Accept-Language header, weights as browsers order them."""
    found = re.search(r"(?:^|[\s,])(zh|en)\b", accept.lower())
    return "en" if found and found[1] == "en" else "zh"
