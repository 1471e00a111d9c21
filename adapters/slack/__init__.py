"""Slack: the adapter and its settings."""

from adapters.slack.adapter import SlackAdapter
from adapters.slack.settings import SlackSettings, SlackWorkspace

__all__ = ["SlackAdapter", "SlackSettings", "SlackWorkspace"]
