"""`teller ask` and `teller chat`: the counter on the command line, without a store or a server."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, open_config, run_async, say_line
from bot.config import LiveConfig
from bot.ids import new_id, utc_now
from bot.locales import say
from bot.logs import set_up_logs
from bot.store import Outcome
from bot.tickets.ticket import TicketDraft
from bot.types import (
    Buttons,
    Conversation,
    Exchange,
    InboundEvent,
    OutboundMessage,
    Sender,
    Sources,
    Text,
    encode,
)

__all__ = ["Counter", "ask", "chat"]


def ask(
    question: Annotated[str, typer.Argument(help="What a customer would write.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    model: Annotated[bool, typer.Option(help="Start the inference worker too, and wait for it.")] = False,
) -> None:
    """Answer one question, as a customer would get it."""
    live = open_config(config)
    set_up_logs(live.config.log.model_copy(update={"level": "error"}))
    run_async(_ask(live, question, json=json, model=model))


async def _ask(live: LiveConfig, question: str, *, json: bool, model: bool) -> None:
    async with Counter.open(live, model=model) as counter:
        told = await counter.tell(question)
        if json:
            say_line(encode(told.report).decode())
        else:
            print_messages(told.messages)


def chat(
    config: ConfigOption = DEFAULT_CONFIG,
    model: Annotated[bool, typer.Option(help="Start the inference worker too.")] = False,
) -> None:
    """Talk with the counter; an empty line or Ctrl-D ends."""
    live = open_config(config)
    set_up_logs(live.config.log.model_copy(update={"level": "error"}))
    run_async(_chat(live, model=model))


async def _chat(live: LiveConfig, *, model: bool) -> None:
    import asyncio

    async with Counter.open(live, model=model) as counter:
        say_line(live.config.bank.greeting.zh)
        say_line(live.config.bank.greeting.en)
        while True:
            sys.stdout.write("\n> ")
            sys.stdout.flush()
            line = await asyncio.to_thread(sys.stdin.readline)
            if not line.strip():
                return
            print_messages((await counter.tell(line)).messages)


def print_messages(messages: Sequence[OutboundMessage]) -> None:
    """Messages as lines of text."""
    for part in (part for message in messages for part in message.parts):
        match part:
            case Text():
                say_line(part.text)
            case Sources():
                for citation in part.citations:
                    say_line(f"  [{citation.id}] {citation.title}")
            case Buttons():
                say_line(part.prompt)
                for button in part.choices:
                    say_line(f"  · {button.label}")
            case _:
                pass


@dataclass
class Told:
    """One answer, with the report that `--json` prints."""

    messages: tuple[OutboundMessage, ...]
    report: dict[str, Any] = field(default_factory=dict)


class Counter:
    """The very rails that `teller run` uses, over memory instead of a store."""

    def __init__(self, live: LiveConfig, handler: Any) -> None:
        self._live = live
        self._handler = handler
        self._history: list[Exchange] = []
        self._language = ""
        self._state: dict[str, Any] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, live: LiveConfig, *, model: bool = False) -> AsyncIterator[Counter]:
        from bot.answering import Answering
        from bot.assembly import (
            current_of,
            make_guard,
            make_reader,
            make_retriever,
            make_rules,
            make_safeguards,
            make_wealth,
            own_worker,
        )
        from bot.metrics import Metrics
        from bot.rails import build_handler

        async with AsyncExitStack() as stack:
            retriever = make_retriever(live)
            stack.callback(retriever.close)
            await retriever.load()
            worker = None
            if model and live.config.inference.enabled:
                worker = await stack.enter_async_context(own_worker(live, 120))
            metrics = Metrics()
            answering = Answering(retriever, make_guard(), worker, metrics, new_id, reader=make_reader())
            safe = make_safeguards(live, metrics, utc_now, make_rules(live), retriever)
            wealth = make_wealth(live)
            yield cls(live, build_handler(answering, safe, current_of(wealth)))

    async def tell(self, text: str) -> Told:
        """Handle one message of the one customer there is."""
        from bot.rails.base import Context

        started, now = time.perf_counter(), utc_now()
        event = InboundEvent(
            event_id=new_id(),
            conversation=Conversation("console", "local", "me"),
            sender=Sender("me"),
            kind="message",
            parts=(Text(text),),
            occurred_at=now,
            received_at=now,
            correlation_id=new_id(),
        )
        context = Context(
            self._live.config,
            history=tuple(self._history),
            known_language=self._language,
            state=self._state,
            staff=self._live.current.staff,
            disclaimers=self._live.current.disclaimers,
            now=now,
        )
        outcome = await self._handler(event, context)
        latency = (time.perf_counter() - started) * 1000
        self._language = outcome.language or self._language
        self._state = self._state if outcome.state is None else outcome.state
        messages = (*outcome.messages, *(_handed_over(ticket) for ticket in outcome.tickets))
        if messages:
            said = "\n\n".join(message.text for message in messages)
            self._history.append(Exchange(outcome.seen, said, outcome.passages))
        return Told(messages, report_of(messages, outcome, latency))


def _handed_over(ticket: TicketDraft) -> OutboundMessage:
    """What the customer is told of a ticket, which only a store could number."""
    text = "\n".join(filter(None, (ticket.before, say("tickets.console", ticket.language))))
    return OutboundMessage(
        ticket.conversation, (Text(text),), ticket.cause, "notice", language=ticket.language
    )


def report_of(messages: Sequence[OutboundMessage], outcome: Outcome, latency_ms: float) -> dict[str, Any]:
    """The stable JSON of `teller ask --json`."""
    parts = [part for message in messages for part in message.parts]
    facts = {entry.kind: entry.data for entry in outcome.audit}
    answered, assessed = facts.get("turn.answered", {}), facts.get("risk.assessed", {})
    source = "handoff" if outcome.tickets else answered.get("source", "template")
    return {
        "text": "\n\n".join(message.text for message in messages),
        "language": messages[0].language if messages else "",
        "citations": [
            {"id": c.id, "title": c.title, "excerpt": c.excerpt}
            for part in parts
            if isinstance(part, Sources)
            for c in part.citations
        ],
        "choices": [b.label for part in parts if isinstance(part, Buttons) for b in part.choices],
        "action": assessed.get("action", "escalate" if outcome.tickets else "none"),
        "rules": [rule["id"] for rule in assessed.get("rules", ())],
        "intent": answered.get("intent") or None,
        "confidence": answered.get("confidence", 0.0),
        "source": source if source in ("verbatim", "generated", "flow", "handoff") else "template",
        "latency_ms": round(latency_ms, 1),
    }
