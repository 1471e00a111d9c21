"""Payloads as Slack makes them. https://docs.slack.dev/apis/events-api and /reference/interaction-payloads"""

from __future__ import annotations

from typing import Any

from tests.emulators.slack_state import Team

__all__ = ["block_actions", "event_callback", "message_event", "slash_command"]

Json = dict[str, Any]


def event_callback(team: Team, number: int, event: Json, at: float) -> Json:
    return {
        "token": "deprecated",
        "team_id": team.id,
        "context_team_id": team.id,
        "api_app_id": "A0001",
        "event": event,
        "type": "event_callback",
        "event_id": f"Ev{number:08d}",
        "event_time": int(at),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": team.id,
                "user_id": team.bot_user,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{number}",
    }


def message_event(
    team: Team, channel: str, user: str, text: str, ts: str, thread: str = "", **more: Any
) -> Json:
    kind = {"D": "im", "G": "mpim"}.get(channel[0], "channel")
    event: Json = {
        "type": "message",
        "user": user,
        "ts": ts,
        "client_msg_id": f"client-{ts}",
        "text": text,
        "team": team.id,
        "blocks": [],
        "channel": channel,
        "event_ts": ts,
        "channel_type": kind,
    }
    if thread:
        event |= {"thread_ts": thread}
    return event | more


def slash_command(
    team: Team, number: int, command: str, text: str, channel: str, user: str, url: str
) -> Json:
    return {
        "token": "deprecated",
        "team_id": team.id,
        "team_domain": "lanwan",
        "channel_id": channel,
        "channel_name": "directmessage" if channel.startswith("D") else "counter",
        "user_id": user,
        "user_name": "wang",
        "command": command,
        "text": text,
        "api_app_id": "A0001",
        "is_enterprise_install": "false",
        "response_url": url,
        "trigger_id": f"{number}.0001.abcdef",
    }


def block_actions(
    team: Team, number: int, button: Json, message: Json, channel: str, user: str, at: str, url: str
) -> Json:
    thread = {"thread_ts": message["thread_ts"]} if message.get("thread_ts") else {}
    return {
        "type": "block_actions",
        "user": {"id": user, "username": "wang", "name": "wang", "team_id": team.id},
        "api_app_id": "A0001",
        "token": "deprecated",
        "container": {
            "type": "message",
            "message_ts": message["ts"],
            "channel_id": channel,
            "is_ephemeral": False,
            **thread,
        },
        "trigger_id": f"{number}.0002.abcdef",
        "team": {"id": team.id, "domain": "lanwan"},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": channel, "name": "directmessage"},
        "message": message,
        "state": {"values": {}},
        "response_url": url,
        "actions": [{**button, "block_id": "b1", "action_ts": at}],
    }
