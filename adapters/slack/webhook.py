"""Slack's HTTP requests: events, slash-commands and interactions, all on one path."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from adapters.base import Host
from adapters.common.body import BodyRefused, read_body
from adapters.slack.fields import Fields, Malformed
from adapters.slack.intake import Intake
from adapters.slack.payloads import payload_of
from adapters.slack.reading import NAME
from adapters.slack.signature import verify

__all__ = ["Webhook"]

CHALLENGE = 1000


class Webhook:
    """Verifies, then parses, then has it stored, then answers 200 with an empty body."""

    def __init__(
        self, secret: str, clock: Callable[[], float], door: Callable[[], tuple[Host, Intake] | None]
    ) -> None:
        self._secret = secret
        self._clock = clock
        self._door = door

    async def probe(self, request: web.Request) -> web.Response:
        """The plain GET (`?ssl_check=1`) by which Slack looks at the certificate from time to time."""
        return web.Response(text="")

    async def receive(self, request: web.Request) -> web.Response:
        try:
            body = await read_body(request)
        except BodyRefused as error:
            self._refused(error.reason)
            return _problem(error.status, str(error))
        headers = request.headers
        wrong = verify(
            self._secret,
            headers.get("X-Slack-Request-Timestamp", ""),
            body,
            headers.get("X-Slack-Signature", ""),
            self._clock(),
        )
        if wrong:
            self._refused(wrong)
            return _problem(
                401, "the signature is wrong" if wrong == "bad_signature" else "the request is stale"
            )
        return await self.handle(body, headers.get("Content-Type", ""))

    async def handle(self, body: bytes, content_type: str) -> web.Response:
        """A body whose signature is right."""
        try:
            payload = payload_of(body, content_type)
            fields = Fields(payload)
            if "ssl_check" in fields:
                return web.Response(text="")
            if payload.get("type") == "url_verification":
                return web.Response(text=fields.text("challenge")[:CHALLENGE])
        except Malformed as error:
            self._refused("malformed")
            return _malformed(str(error))
        door = self._door()
        if door is None:
            return _later()
        match await door[1].take(payload, body):
            case "taken":
                # Empty: Slack would show any text of an answer to a slash-command.
                return web.Response(text="")
            case "malformed":
                return _malformed("not a payload that Slack documents")
            case _:
                return _later()

    def _refused(self, reason: str) -> None:
        door = self._door()
        if door is not None:
            door[0].refused(NAME, reason)


def _malformed(why: str) -> web.Response:
    # It would be as malformed the next time.
    response = _problem(400, why)
    response.headers["X-Slack-No-Retry"] = "1"
    return response


def _later() -> web.Response:
    response = _problem(503, "try again in a moment")
    response.headers["Retry-After"] = "1"
    return response


def _problem(status: int, message: str) -> web.Response:
    return web.Response(status=status, text=message)
