"""`platforms:` in `config/teller.yaml`: the accounts Teller stands on (docs/platforms.md)."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    SecretStr,
    field_validator,
    model_validator,
)

from bot.config.section import Positive, Seconds, Section

__all__ = [
    "HttpPlatform",
    "Platforms",
    "SlackApp",
    "SlackPlatform",
    "SlackWorkspace",
    "TelegramBot",
    "TelegramPlatform",
    "WeComAibot",
    "WeComApp",
    "WeComGroup",
    "WeComKf",
    "WeComPlatform",
    "WebPlatform",
]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""What an account is called: in paths, in `/readyz`, in the store. Keep it once chosen."""


def _given(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("is empty; is the environment variable or file it comes from filled in?")
    return secret


def _is_aes_key(key: SecretStr) -> SecretStr:
    value = key.get_secret_value()
    if value and not re.fullmatch(r"[A-Za-z0-9+/]{43}", value):
        raise ValueError(
            f"an EncodingAESKey has 43 letters and digits, and this has {len(value)} characters; copy it "
            "again from WeCom's admin page"
        )
    return key


def _written(id: object) -> object:
    """Ids that are numbers may be written as such."""
    return str(id) if isinstance(id, int) and not isinstance(id, bool) else id


Secret = Annotated[SecretStr, AfterValidator(_given)]
AesKey = Annotated[SecretStr, AfterValidator(_is_aes_key)]


def _require_distinct(what: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{what}: the name {twice[0]!r} is given twice; each account needs its own")


def _require_own_tokens(what: str, tokens: list[SecretStr]) -> None:
    given = [token.get_secret_value() for token in tokens if token.get_secret_value()]
    if len(set(given)) < len(given):
        raise ValueError(f"{what}: two have the same token, and would take each other's messages")


class WebPlatform(Section):
    """Teller's own web chat, at the server's root."""

    enabled: bool = True
    upload_limit_mb: Annotated[float, Field(gt=0, le=100)] = 8
    body_limit_kb: Positive = 256
    secure_cookies: bool = False
    """True where customers reach the page by https through a proxy."""


class HttpPlatform(Section):
    """The bank's own app or any system that posts signed JSON (docs/http.md)."""

    enabled: bool = False
    account: str = "default"
    secret: SecretStr = SecretStr("")
    deliver_url: HttpUrl | None = None
    timeout_s: Seconds = 10

    @model_validator(mode="after")
    def _complete(self) -> HttpPlatform:
        if self.enabled and not self.secret.get_secret_value():
            raise ValueError("secret is missing: without one anybody could write as any customer")
        if self.enabled and self.deliver_url is None:
            raise ValueError("deliver_url is missing: there is nowhere to send replies")
        return self

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if secret.get_secret_value() and len(secret.get_secret_value()) < 16:
            raise ValueError("must have at least 16 characters")
        return secret


# ── Telegram ─────────────────────────────────────────────────────────────────────────────────────


class TelegramBot(Section):
    """One bot of @BotFather's."""

    name: Name = "default"
    token: Secret
    receive: Literal["polling", "webhook"] = "polling"
    """`polling` needs no public address; `webhook` is registered at `server.public_url`."""
    webhook_secret: SecretStr = SecretStr("")
    """Empty: one is derived from the token."""
    staff_chats: tuple[Annotated[str, BeforeValidator(_written)], ...] = ()
    """Chat ids in which every message is read, mentioned or not."""


class TelegramPlatform(Section):
    enabled: bool = False
    bots: tuple[TelegramBot, ...] = ()
    base_url: str = "https://api.telegram.org"
    base_file_url: str = ""
    """Empty: derived from `base_url`."""
    proxy: str = ""
    """`http://host:port` through which Telegram is reached."""
    timeout_s: Seconds = 10

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.enabled and not self.bots:
            raise ValueError("bots is empty: give at least one, with its token")
        _require_distinct("bots", [bot.name for bot in self.bots])
        _require_own_tokens("bots", [bot.token for bot in self.bots])
        return self


# ── Slack ────────────────────────────────────────────────────────────────────────────────────────


class SlackWorkspace(Section):
    """A workspace that an app is installed in."""

    name: Name = "default"
    team_id: str = ""
    """`T…`; needed where an app has several workspaces."""
    bot_token: Secret


class SlackApp(Section):
    """One Slack app. With an `app_token` it receives by Socket Mode, else over HTTP."""

    name: Name = "default"
    signing_secret: SecretStr = SecretStr("")
    app_token: SecretStr = SecretStr("")
    workspaces: Annotated[tuple[SlackWorkspace, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not (self.signing_secret.get_secret_value() or self.app_token.get_secret_value()):
            raise ValueError("give an app_token (Socket Mode) or a signing_secret (HTTP)")
        if len(self.workspaces) > 1 and not all(w.team_id for w in self.workspaces):
            raise ValueError("where an app has several workspaces, each needs its team_id (T…)")
        return self


class SlackPlatform(Section):
    enabled: bool = False
    apps: tuple[SlackApp, ...] = ()
    base_url: str = "https://slack.com/api/"
    timeout_s: Seconds = 10

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.enabled and not self.apps:
            raise ValueError("apps is empty: give at least one, with its tokens")
        _require_distinct("apps", [app.name for app in self.apps])
        _require_own_tokens("apps", [app.app_token for app in self.apps])
        _require_distinct("workspaces", [w.name for app in self.apps for w in app.workspaces])
        return self


# ── WeCom ────────────────────────────────────────────────────────────────────────────────────────


class WeComApp(Section):
    """A self-built app 自建应用."""

    name: Name = "app"
    corp_id: str = ""
    """Empty: the platform's."""
    agent_id: Positive
    secret: Secret
    token: Secret
    encoding_aes_key: Annotated[AesKey, AfterValidator(_given)]
    cards: bool = True
    """False where customers read in the WeChat plug-in 微信插件, which may not show template cards."""


class WeComKf(Section):
    """微信客服, managed through one app's secret."""

    name: Name = "kf"
    corp_id: str = ""
    secret: Secret
    token: Secret
    encoding_aes_key: Annotated[AesKey, AfterValidator(_given)]
    open_kfids: tuple[str, ...] = ()
    """The customer-service accounts to serve; empty: every one that WeCom tells of."""
    servicers: tuple[str, ...] = ()
    """Member ids that conversations are handed to; empty: the account's queue."""
    departments: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Other people for some departments."""


class WeComAibot(Section):
    """An AI bot 智能机器人: by callback (`token`, `encoding_aes_key`) or by a long connection (`bot_id`,
    `secret`)."""

    name: Name = "aibot"
    token: SecretStr = SecretStr("")
    encoding_aes_key: AesKey = SecretStr("")
    bot_id: str = ""
    secret: SecretStr = SecretStr("")
    bot_name: str = ""
    """As customers see it: its @mention is taken out of what they write in groups."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        callback = bool(self.token.get_secret_value() and self.encoding_aes_key.get_secret_value())
        connection = bool(self.bot_id and self.secret.get_secret_value())
        if callback == connection:
            raise ValueError(
                "give either token and encoding_aes_key (callback) or bot_id and secret (long connection)"
            )
        return self

    @property
    def by_connection(self) -> bool:
        return bool(self.bot_id)


class WeComGroup(Section):
    """A group's webhook 群机器人: Teller posts, and hears nothing."""

    name: Name = "group"
    key: Secret
    """What follows `key=` in the address WeCom shows."""


class WeComPlatform(Section):
    enabled: bool = False
    corp_id: str = ""
    """企业ID, for the apps that name none of their own."""
    apps: tuple[WeComApp, ...] = ()
    kf: tuple[WeComKf, ...] = ()
    aibots: tuple[WeComAibot, ...] = ()
    groups: tuple[WeComGroup, ...] = ()
    api_base: str = "https://qyapi.weixin.qq.com"
    webhook_base: str = "https://qyapi.weixin.qq.com"
    aibot_ws_url: str = "wss://openws.work.weixin.qq.com"
    timeout_s: Seconds = 10

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names = [a.name for a in self.apps] + [k.name for k in self.kf]
        names += [b.name for b in self.aibots] + [g.name for g in self.groups]
        if self.enabled and not names:
            raise ValueError("nothing to serve: give apps, kf, aibots or groups")
        corps = [a.corp_id for a in self.apps] + [k.corp_id for k in self.kf]
        if not all(corp_id or self.corp_id for corp_id in corps):
            raise ValueError("corp_id is missing (企业ID, under 我的企业)")
        _require_distinct("apps, kf, aibots and groups", names)
        return self


class Platforms(Section):
    web: WebPlatform = WebPlatform()
    http: HttpPlatform = HttpPlatform()
    telegram: TelegramPlatform = TelegramPlatform()
    slack: SlackPlatform = SlackPlatform()
    wecom: WeComPlatform = WeComPlatform()
