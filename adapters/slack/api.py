"""The Web API through slack_sdk, with its refusals as Teller's errors.

The SDK's own retries are off: it sends again after a broken connection, when the first call may well
have been carried out, and it waits out a 429 inside the call.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.errors import RetryLater, SendAmbiguous, SendError, SendRefused

__all__ = ["QUIET", "Refusal", "TokenRefused", "Unwell", "answer", "code_of", "reply", "web_client"]

# The SDK puts whole payloads into its debug lines, and makes them even where nobody listens.
QUIET = logging.getLogger("adapters.slack.sdk")
QUIET.setLevel(logging.WARNING)

_TOKEN = {
    "invalid_auth": "the token is wrong",
    "not_authed": "there is no token",
    "token_revoked": "the token was revoked: install the app again and put the new token in",
    "token_expired": "the token has expired: switch token rotation off or put the new token in",
    "account_inactive": "the app was uninstalled from this workspace: install it again",
    "org_login_required": "the workspace is moving to an organisation; wait until Slack is done",
    "not_allowed_token_type": "this kind of token can't do that (xoxb-… for the bot, xapp-… for Socket Mode)",
    "no_permission": "the token lacks a permission: look at the app's scopes",
    "missing_scope": "the token lacks a scope",
    "invalid_app": "the app is gone or disabled",
    "app_missing_action_url": "the app has no request URL for this",
}
_REFUSED = {
    "channel_not_found": "the channel isn't there, or is private: invite the bot to it",
    "not_in_channel": "the bot isn't in the channel: invite the bot to it",
    "is_archived": "the channel is archived",
    "user_not_found": "the person isn't there any more",
    "user_disabled": "the person's account is deactivated",
    "cannot_dm_bot": "bots can't be written to",
    "messages_tab_disabled": "switch on App Home > Messages Tab in the app's settings",
    "restricted_action": "the workspace's settings forbid posting there",
    "restricted_action_read_only_channel": "the channel is read-only",
    "restricted_action_thread_only_channel": "the channel takes replies in threads only",
    "restricted_action_thread_locked": "the thread is locked",
    "cannot_reply_to_message": "that message can't be replied to",
    "thread_not_found": "the thread is gone",
    "msg_too_long": "the text is too long",
    "msg_blocks_too_long": "the blocks are too long",
    "no_text": "the text is empty",
    "invalid_blocks": "a block is malformed",
    "invalid_blocks_format": "the blocks are malformed",
    "invalid_arguments": "an argument is malformed",
    "file_uploads_disabled": "the workspace doesn't allow uploads",
}
# Documented as: parts of it may have been done before it broke.
_HALF_DONE = frozenset({"internal_error", "fatal_error"})
LONGEST_WAIT_S = 3600.0


class Refusal(SendRefused):
    """Slack said no for good; `code` is its word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unwell(SendError):
    """Slack said no, perhaps only for now; `code` is its word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TokenRefused(Unwell):
    """The token can't do it: nothing goes until an operator has mended that."""


def web_client(token: str | None, base_url: str, session: aiohttp.ClientSession) -> AsyncWebClient:
    return AsyncWebClient(token=token, base_url=base_url, session=session, retry_handlers=[], logger=QUIET)


def code_of(error: SendError) -> str:
    """Slack's word for a refusal, or empty."""
    return str(getattr(error, "code", ""))


async def answer(call: Awaitable[AsyncSlackResponse]) -> dict[str, Any]:
    """What a call was answered.

    Raises:
        RetryLater: too many calls; after how many seconds.
        Refusal: for good.
        SendAmbiguous: it may have been carried out all the same.
        SendError: not carried out.
    """
    response = await reply(call)
    return response.data if isinstance(response.data, dict) else {}


async def reply(call: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    """`answer`, with the headers."""
    try:
        return await call
    except SlackApiError as error:
        raise _refusal(error) from None
    except SlackClientError as error:
        raise SendError(f"the call can't be made: {type(error).__name__}") from None
    except (AttributeError, TypeError, ValueError) as error:
        # What the SDK raises at an answer that isn't Slack's, a proxy's page, say.
        raise SendAmbiguous(f"the answer wasn't Slack's: {type(error).__name__}") from None
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
        raise SendError(f"Slack can't be reached: {type(error).__name__}") from None
    except (TimeoutError, aiohttp.ClientError) as error:
        raise SendAmbiguous(f"Slack's answer didn't come: {type(error).__name__}") from None


def _refusal(error: SlackApiError) -> SendError:
    response = error.response
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
    data = getattr(response, "data", None)
    body: dict[str, Any] = data if isinstance(data, dict) else {}
    code = str(body.get("error", ""))
    if status == 429 or code in ("ratelimited", "rate_limited"):
        return RetryLater("Slack asks for patience (ratelimited)", _retry_after(response))
    if status >= 500 or code in _HALF_DONE or (status == 200 and not code):
        return SendAmbiguous(f"Slack failed ({code or status}); it may have been carried out")
    if code in _TOKEN:
        needed = f": needs {body['needed']}" if body.get("needed") else ""
        return TokenRefused(code, f"Slack: {code} ({_TOKEN[code]}{needed})")
    if code in _REFUSED or code.startswith("restricted_action"):
        return Refusal(code, f"Slack: {code} ({_REFUSED.get(code, _REFUSED['restricted_action'])})")
    return Unwell(code, f"Slack: {code or status}")


def _retry_after(response: Any) -> float:
    try:
        seconds = float(response.headers.get("Retry-After", "1"))
    except (AttributeError, TypeError, ValueError):
        seconds = 1.0
    return min(max(seconds, 0.1), LONGEST_WAIT_S)
