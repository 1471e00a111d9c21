"""The fake that users' own tests get."""

from __future__ import annotations

import pytest

from bot.errors import InferenceUnavailable
from bot.ports import Generator
from bot.types import GenerateRequest
from inference.fake import FakeModel, Script


def request(id: str) -> GenerateRequest:
    return GenerateRequest(id=id, question="?", language="en", passages=())


async def said(model: Generator, id: str = "r") -> list[str]:
    return [piece async for piece in model.generate(request(id))]


async def test_replies_come_in_order_with_their_delays_and_the_last_is_repeated() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    model = FakeModel([Script(("a", "b"), delay=2.0), "c"], sleep=sleep)
    assert [await said(model), await said(model), await said(model)] == [["a", "b"], ["c"], ["c"]]
    assert slept == [2.0, 2.0, 0.0, 0.0]
    assert len(model.requests) == 3


async def test_a_scripted_failure_comes_after_the_pieces() -> None:
    model = FakeModel([Script(("half",), failure="died")])
    reply = model.generate(request("r"))
    assert await anext(reply) == "half"
    with pytest.raises(InferenceUnavailable, match="died"):
        await anext(reply)
    assert model.cancelled == []


async def test_closing_the_iterator_is_recorded_as_a_cancellation() -> None:
    model = FakeModel([Script(("a", "b"))])
    reply = model.generate(request("gone"))
    assert await anext(reply) == "a"
    await reply.aclose()
    assert model.cancelled == ["gone"]


async def test_an_absent_model_refuses() -> None:
    with pytest.raises(InferenceUnavailable):
        await said(FakeModel(["a"], ready=False))
