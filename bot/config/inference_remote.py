"""The `inference.remote` section: a model on an OpenAI-compatible server (docs/models.md)."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from bot.config.section import Positive, Section

__all__ = ["InferenceRemote"]

Patience = Annotated[float, Field(gt=0, le=600)]
_NEAR = (".local", ".internal", ".localhost")


class InferenceRemote(Section):
    url: str = ""
    """Base of the API, e.g. `https://models.bank.example/v1`. Set, it takes the packaged worker's place."""
    model: str = Field(default="", max_length=256)
    """As the server calls it; may be left out where the server has only one."""
    api_key: SecretStr | None = None
    connect_s: Patience = 5
    first_token_s: Patience = 10
    """From a call to its first text. The whole reply has `inference.deadline_s`."""
    max_concurrent: Positive = 8
    """Replies written at the same time; `inference.max_waiting` more may wait."""
    retries: Annotated[int, Field(ge=0, le=5)] = 2
    """Further tries before the first text, if the server can't be reached, is overloaded or failed."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0

    @field_validator("url")
    @classmethod
    def _well_formed(cls, url: str) -> str:
        url = url.strip()
        return _checked(url).rstrip("/") if url else ""

    @field_validator("api_key")
    @classmethod
    def _sendable(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        value = key.get_secret_value().strip()
        if not value:
            raise ValueError("is empty; leave it out for a server that wants no key")
        if not re.fullmatch(r"[!-~]+", value):
            raise ValueError("has spaces or characters that no key has; was it copied whole and alone?")
        return SecretStr(value)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is no URL: its host or port is malformed") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("must start with https:// (or http:// for a server on your own network)")
    if not host or port == 0 or re.search(r"[\s\x00-\x20\\]", url):
        raise ValueError("must be like https://host:port/v1, without spaces")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a name or password; write inference.remote.api_key")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError("must end with its path, without ? or #")
    if parts.path.rstrip("/").endswith("/completions"):
        raise ValueError("must be the API's base, without /chat/completions")
    if parts.scheme == "http" and not _is_near(host):
        raise ValueError("must start with https://: what customers ask would cross the network in the clear")
    return url


def _is_near(host: str) -> bool:
    """Whether a host is this machine, a private address, or a name that means something only here."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_NEAR)
    return address.is_loopback or address.is_private
