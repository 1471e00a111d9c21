"""What an operator says about a Slack app."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BASE_URL", "SlackSettings", "SlackWorkspace"]

BASE_URL = "https://slack.com/api/"


@dataclass(frozen=True, slots=True)
class SlackWorkspace:
    """One workspace that the app is installed in."""

    name: str
    """What the operator calls it: `Conversation.account` of everything said there."""
    bot_token: str
    """Bot User OAuth Token, `xoxb-…`."""
    team_id: str = ""
    """`T…`; may be left out where there is only one workspace."""


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """One Slack app. With an `app_token` it receives by Socket Mode, with a `signing_secret` by HTTP."""

    workspaces: tuple[SlackWorkspace, ...]
    account: str = "default"
    signing_secret: str = ""
    app_token: str = ""
    """App-Level Token with `connections:write`, `xapp-…`."""
    base_url: str = BASE_URL
    timeout_s: float = 10.0
    """Longest wait for one answer of the Web API."""
    file_limit: int = 20 << 20
    """Bytes of the largest file that is fetched from a customer's message."""

    def __post_init__(self) -> None:
        names = [workspace.name for workspace in self.workspaces]
        if not names or len(set(names)) < len(names):
            raise ValueError("a Slack app needs at least one workspace, each with a name of its own")
        if len(names) > 1 and not all(workspace.team_id for workspace in self.workspaces):
            raise ValueError("where there are several Slack workspaces, each needs its team_id (T…)")
        if not (self.signing_secret or self.app_token):
            raise ValueError("a Slack app needs a signing_secret (HTTP) or an app_token (Socket Mode)")

    @property
    def paths(self) -> tuple[str, ...]:
        """The HTTP paths on which Slack's requests are taken."""
        path = "/webhooks/slack/events"
        return (path, f"{path}/default") if self.account == "default" else (f"{path}/{self.account}",)
