"""What an operator sets for a self-built app."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.wecom.wire import API_BASE

__all__ = ["WeComApp"]


@dataclass(frozen=True, slots=True)
class WeComApp:
    """One self-built app 自建应用 of one corporation."""

    corp_id: str
    agent_id: int
    secret: str = field(repr=False)
    token: str = field(repr=False)
    """As set under 接收消息."""
    encoding_aes_key: str = field(repr=False)
    """As set under 接收消息: 43 characters."""
    account: str = "default"
    bare_path: bool = False
    """Its callback is also served at /webhooks/wecom/app; that of the account `default` always is."""
    api_base: str = API_BASE
    cards: bool = True
    """Buttons and cards as template cards; False where customers read in the WeChat plug-in (微信插件),
    which may not show them: they become text with numbered choices."""
    greet_every_s: float = 24 * 3600.0
    """WeCom reports every opening of the app; a member is greeted once in so many seconds."""
    attachment_bytes: int = 20 << 20
    """The largest file that is fetched from a customer."""
    timeout_s: float = 10.0
    """For a call to WeCom."""
