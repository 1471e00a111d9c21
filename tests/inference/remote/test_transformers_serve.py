"""The remote generator against a real OpenAI-compatible server: `transformers serve` on the packaged base."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks.served import served_folder, transformers_server
from bot.errors import InferenceUnavailable
from inference.generator import model
from inference.remote import RemoteGenerator, RemoteOptions
from tests.inference.remote.server import request

pytestmark = [pytest.mark.model, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(model_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    folder = tmp_path_factory.mktemp("served")
    base = served_folder(model.materialise_base(model_cache), folder / "base")
    async with transformers_server(base, log=folder / "log.txt") as address:
        yield address


def options(url: str, **more: object) -> RemoteOptions:
    # A base this small on a processor shared with other tests: the first call warms it up.
    return RemoteOptions(url=url, first_token=120.0, retries=0, **more)  # type: ignore[arg-type]


async def test_a_reply_is_streamed_and_counted(url: str) -> None:
    generator = RemoteGenerator(options(url))
    generator.start()
    try:
        asked = request(max_tokens=24, deadline=240.0)
        pieces = [piece async for piece in generator.generate(asked)]
        assert len(pieces) > 3
        assert "".join(pieces).strip()
        assert 3 < generator.stats().engine.tokens <= 24
        # Greedy: the same again.
        assert [piece async for piece in generator.generate(asked)] == pieces
        assert generator.ready
        assert generator.status().last_error == ""
    finally:
        await generator.stop()


async def test_several_at_once_and_one_given_up(url: str) -> None:
    generator = RemoteGenerator(options(url, max_concurrent=2))
    generator.start()
    try:

        async def whole(number: int) -> str:
            asked = request(id=f"r{number}", max_tokens=12, deadline=240.0)
            return "".join([piece async for piece in generator.generate(asked)])

        async def given_up() -> None:
            async with aclosing(
                generator.generate(request(id="gone", max_tokens=64, deadline=240.0))
            ) as reply:
                await anext(reply)

        replies = await asyncio.gather(whole(1), given_up(), whole(2), whole(3))
        assert [bool(reply and reply.strip()) for reply in replies] == [True, False, True, True]
        assert generator.stats().engine.running == 0
        assert generator.ready
    finally:
        await generator.stop()


async def test_an_unknown_model_and_a_closed_port_are_clear(url: str) -> None:
    """The server was started with one model and refuses others."""
    for bad in (options(url, model="no/such-model"), options("http://127.0.0.1:9/v1")):
        generator = RemoteGenerator(bad)
        generator.start()
        try:
            with pytest.raises(InferenceUnavailable, match="answer verbatim"):
                async for _ in generator.generate(request(max_tokens=4, deadline=60.0)):
                    pass
            assert generator.status().last_error
        finally:
            await generator.stop()
