"""A counter with the shipped questionnaire and products, and a customer who talks to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from bot.config import Config
from bot.config.models import Bank
from bot.config.suitability import Suitability
from bot.rails.base import Context, chain, reply
from bot.rails.choices import choices
from bot.rails.normalise import normalise
from bot.rails.suitability import SuitabilityRail
from bot.store import Outcome
from bot.suitability.profile import Profile, merge
from bot.suitability.questionnaire import Questionnaire
from bot.suitability.shelf import Counter, load_counter
from bot.types import Button, Buttons, Conversation, ConversationKind, Exchange, InboundEvent, Text
from tests.make import NOON, event

__all__ = ["CONFIG", "Customer", "counter", "questionnaire"]

CONFIG = Path(__file__).parents[3] / "config"
ELSEWHERE = "an answer from the knowledge"


@cache
def counter() -> Counter:
    return load_counter(CONFIG / "suitability.yaml", CONFIG / "products.yaml")


def questionnaire() -> Questionnaire:
    found = counter().questionnaire
    assert found is not None
    return found


class Customer:
    """Keeps what a store would: state, profile, and the last message."""

    def __init__(
        self,
        *,
        group: bool = False,
        profile: Profile | None = None,
        jurisdiction: str = "CN",
        **settings: Any,
    ) -> None:
        self.settings = Suitability(**settings)
        self.bank = Bank(jurisdiction=jurisdiction)
        self.counter = counter()
        self.group = group
        self.state: dict[str, Any] = {}
        self.profile = profile or Profile()
        self.now: datetime = NOON
        self.language = "zh"
        self.history: tuple[Exchange, ...] = ()
        self.outcome = Outcome()
        self.passed_on: list[str] = []

        async def answer(incoming: InboundEvent, context: Context) -> Outcome:
            self.passed_on.append(context.text)
            return Outcome(messages=(reply(incoming, context.language, Text(ELSEWHERE)),), seen=context.text)

        self.handler = chain((choices, normalise, SuitabilityRail(lambda: self.counter)), answer)

    async def say(self, text: str) -> str:
        return await self._take(event(text))

    async def press(self, label: str) -> str:
        """Press the button with that label (or its beginning)."""
        found = [button for button in self.buttons if button.label.startswith(label)]
        assert found, f"no button {label!r} among {[button.label for button in self.buttons]}"
        return await self.press_value(found[0].value)

    async def press_value(self, value: str) -> str:
        return await self._take(event("", kind="button", value=value))

    async def _take(self, incoming: InboundEvent) -> str:
        kind: ConversationKind = "group" if self.group else "direct"
        incoming = msgspec.structs.replace(
            incoming, conversation=Conversation("fake", "test", "wang", kind=kind)
        )
        context = Context(
            Config(suitability=self.settings, bank=self.bank),
            state=self.state,
            history=self.history,
            now=self.now,
            profile=self.profile,
            known_language=self.language,
        )
        again = await self.handler(incoming, context)
        self.outcome = await self.handler(incoming, context)
        assert again == self.outcome  # a turn that runs twice decides the same
        if self.outcome.state is not None:
            self.state = msgspec.json.decode(msgspec.json.encode(self.outcome.state))
        self.language = self.outcome.language or self.language
        if self.outcome.profile is not None:
            self.profile = merge(self.profile, self.outcome.profile)
        return self.text

    @property
    def text(self) -> str:
        return "\n".join(message.text for message in self.outcome.messages)

    @property
    def answers(self) -> dict[str, str]:
        """What is answered of the test under way."""
        found: dict[str, str] = self.state["suitability"].get("answers", {})
        return found

    @property
    def buttons(self) -> list[Button]:
        parts = [part for message in self.outcome.messages for part in message.parts]
        return [button for part in parts if isinstance(part, Buttons) for button in part.choices]

    async def answer_all(self, **answers: str) -> str:
        """From an open first question to the declaration; the option ids given, else the last one
        without a knock-out."""
        for question in questionnaire().questions:
            plain = [option for option in question.options if option.cap is None and not option.ends]
            wanted = question.option(answers[question.id]) if question.id in answers else plain[-1]
            if question.dimension == "age" and question.id not in answers:
                wanted = question.option("middle")
            assert wanted is not None
            await self.press(wanted.text.zh)
            if any(button.label == "看懂了，继续" for button in self.buttons):
                await self.press("看懂了")
        return self.text

    async def take_test(self, **answers: str) -> str:
        await self.say("我要做风险测评")
        await self.press("开始")
        await self.answer_all(**answers)
        await self.press("确认")
        if any(button.label == "明白，能接受" for button in self.buttons):
            await self.press("明白")
        return self.text

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)
