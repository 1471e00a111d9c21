"""From the configuration to an answer: the section, `teller check`, and the whole counter."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from adapters.fake import FakePlatform
from bot.app import App, Rooms
from bot.assembly import make_worker, own_worker
from bot.cli import app as command_line
from bot.config import LiveConfig, load
from bot.errors import ConfigError
from inference.client import WorkerSupervisor
from inference.remote import RemoteGenerator
from tests.conftest import eventually
from tests.counter import write_config
from tests.inference.remote.server import Behaviour, refuses, reply, request, serving, streams

ANSWER = "What if I lose my card? Visit a branch or use the app."


def written(folder: Path, **remote: object) -> Path:
    return write_config(
        folder,
        server={"port": 0},
        answers={"generate": "always"},
        inference={"enabled": True, "remote": remote},
    )


# ── the section ──


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://models.bank.example/v1/", "https://models.bank.example/v1"),
        ("https://models.bank.example:8443", "https://models.bank.example:8443"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://10.1.2.3/v1", "http://10.1.2.3/v1"),
        ("http://vllm:8000/v1", "http://vllm:8000/v1"),
        ("http://vllm.models.internal/v1", "http://vllm.models.internal/v1"),
    ],
)
def test_a_right_url_is_taken(tmp_path: Path, url: str, kept: str) -> None:
    config = load(written(tmp_path, url=url)).config
    assert config.inference.remote.url == kept


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("models.bank.example/v1", "must start with https://"),
        ("ftp://models.bank.example/v1", "must start with https://"),
        ("http://models.bank.example/v1", "in the clear"),
        ("http://8.8.8.8/v1", "in the clear"),
        ("https:///v1", "must be like"),
        ("https://models.bank.example/v 1", "must be like"),
        ("https://models.bank.example:0/v1", "must be like"),
        ("https://models.bank.example:eighty/v1", "malformed"),
        ("https://[::1/v1", "malformed"),
        ("https://me:hush@models.bank.example/v1", "name or password"),
        ("https://models.bank.example/v1?key=hush", "without ? or #"),
        ("https://models.bank.example/v1/chat/completions", "the API's base"),
    ],
)
def test_check_refuses_a_wrong_url_with_its_line_and_repeats_no_secret(
    tmp_path: Path, url: str, said: str
) -> None:
    path = tmp_path / "teller.yaml"
    path.write_text(f"inference:\n  remote:\n    url: {url!r}\n")
    result = CliRunner().invoke(command_line, ["check", "-c", str(path)])
    assert result.exit_code == 2
    assert "teller.yaml:3: inference.remote.url: " in result.output
    assert said in result.output
    assert "hush" not in result.output


def test_the_key_comes_from_the_environment_or_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "teller.yaml"
    (tmp_path / "key").write_text("k-file\n")
    path.write_text("inference: {remote: {url: 'https://m.example/v1', api_key_file: key}}")
    loaded = load(path)
    assert loaded.config.inference.remote.api_key is not None
    assert loaded.config.inference.remote.api_key.get_secret_value() == "k-file"
    assert "k-file" not in repr(loaded.config)
    path.write_text("inference: {remote: {url: 'https://m.example/v1', api_key: '${KEY}'}}")
    for value, said in (
        ("", "needs the environment variable KEY"),
        (" ", "is empty"),
        ("k-1\nX-Injected: 1", "spaces or characters"),
        ("钥匙", "spaces or characters"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            load(path, {"KEY": value})
        assert not value.strip() or value not in str(caught.value)


def test_one_key_chooses_between_the_worker_and_a_model_elsewhere(tmp_path: Path) -> None:
    for url, made in (("", WorkerSupervisor), ("https://models.bank.example/v1", RemoteGenerator)):
        path = tmp_path / "teller.yaml"
        path.write_text(f"inference: {{remote: {{url: '{url}'}}}}")
        assert isinstance(make_worker(LiveConfig(load(path))), made)


async def test_commands_that_need_a_generator_get_it(tmp_path: Path) -> None:
    async with serving(streams(*reply("Hello."))) as server:
        async with own_worker(LiveConfig(load(written(tmp_path, url=server.url))), 1) as generator:
            assert "".join([piece async for piece in generator.generate(request())]) == "Hello."
        assert not generator.ready


# ── the whole counter ──


@pytest.mark.parametrize(
    ("behaviour", "source", "text"),
    [
        (
            streams(*reply("Visit a branch", " or use the app.")),
            "generated",
            "Visit a branch or use the app.",
        ),
        (streams(*reply("It costs CNY 500.")), "verbatim", ANSWER),  # the guard's
        (refuses(401), "verbatim", ANSWER),
    ],
)
async def test_customers_get_its_guarded_answer_or_the_banks_own_words(
    tmp_path: Path, behaviour: Behaviour, source: str, text: str
) -> None:
    async with serving(behaviour) as server:
        path = written(tmp_path, url=server.url, model="m", api_key="k-1", retries=0)
        platform = FakePlatform()
        app = App(LiveConfig(load(path)), rooms=Rooms(adapters=[platform]))
        async with app.running():
            await eventually(lambda: app.health.generator is not None and app.health.generator.ready)
            await platform.say("What if I lose my card?")
            answer = await platform.reply()
            url = f"http://127.0.0.1:{app.port}/readyz"
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                report = await response.json()
            metrics = app.metrics.render().decode()
        assert answer.text.startswith(text)
        assert f'teller_answers_total{{language="en",source="{source}"}} 1.0' in metrics
        assert report["answers"] == "generated"
        assert (report["inference"]["state"], report["inference"]["kind"]) == ("ready", "remote")
        assert "k-1" not in str(report)
        assert len(server.bodies) == 1
        assert server.headers[0]["Authorization"] == "Bearer k-1"
