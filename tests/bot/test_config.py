"""Configuration: clear refusals, secrets, and reload while running."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import Config, LiveConfig, load
from bot.config.source import parse_text
from bot.errors import ConfigError
from tests.conftest import eventually

ROOT = Path(__file__).parents[2]


def write(folder: Path, text: str) -> Path:
    path = folder / "teller.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), environment)
    return str(caught.value)


def test_the_shipped_configuration_is_right() -> None:
    assert load(ROOT / "config" / "teller.yaml").config.bank.suggestions


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, "")).config == Config()


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_right_one(tmp_path: Path) -> None:
    message = refusal(tmp_path, "server:\n  port: 8080\n  hsot: 0.0.0.0\n")
    assert "teller.yaml:3: unknown key 'server.hsot'; did you mean 'host'?\n    hsot:\n    ^" in message


def test_a_wrong_type_is_refused_with_its_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, "bank:\n  hotline: '1'\nserver:\n  port: eighty\n")
    assert "teller.yaml:4: server.port: " in message
    assert "'eighty'" in message


@pytest.mark.parametrize(
    ("text", "line", "at"),
    [
        ("server:\n  port: eighty\n", "port: eighty", "eighty"),
        ("server: {host: a, port: eighty}\n", "…port: eighty", "eighty"),
        ("bank: {name: {zh: 澜湾银行, en: 1, de: 澜湾}}\n", "…de:", "de:"),
        ("turns:\n  lease_s: -1  # long\n", "lease_s: -1", "-1"),
        (f"server:\n  port: {'a' * 300}\n", f"port: {'a' * 100}…", "aaa"),
        ("bank:\n  hotline: {'澜湾': 1}\n", "hotline:", "hotline"),
        ("server: {port: 8080, port_澜湾: 1}\n", "…port_澜湾:", "port_"),
    ],
)
def test_a_caret_stands_under_the_place(tmp_path: Path, text: str, line: str, at: str) -> None:
    shown, caret = refusal(tmp_path, text).splitlines()[-2:]
    assert shown.strip() == line
    assert caret.strip() == "^"
    assert shown[caret.index("^") :].startswith(at)


@pytest.mark.parametrize(
    "text",
    [
        "platforms:\n  telegram:\n    tokn: hunter2\n",
        "platforms:\n  http: {secret: hunter2, colour: red}\n",
        "store:\n  url: [hunter2]\n",
        "platforms: {telegram: {tokn: hunter2, bot_tokn: hunter2}}\n",
        "server: {tokn: hunter2, port: eighty, tocken: hunter2}\n",
        "server:\n  - tokn: hunter2\n",
    ],
)
def test_no_caret_shows_a_secret(tmp_path: Path, text: str) -> None:
    assert "hunter2" not in refusal(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, "sever: {}\nturns:\n  lease_s: -1\n  tries: 0\n")
    told = [line for line in message.splitlines() if not line.startswith("    ")]
    assert [line.split(":")[1] for line in told] == ["1", "3", "4"]


def test_a_missing_variable_is_refused_with_its_name_and_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, "platforms:\n  http:\n    secret: ${BANK_SECRET}\n")
    assert "teller.yaml:3: platforms.http.secret needs the environment variable BANK_SECRET" in message


def test_secrets_come_from_the_environment_or_a_file_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a very long secret\nsecond line\n")
    path = write(tmp_path, "platforms: {http: {secret_file: secret}}\nbank: {hotline: '${LINE:-123}'}\n")
    config = load(path, {}).config
    assert config.platforms.http.secret.get_secret_value() == "a very long secret"
    assert config.bank.hotline == "123"
    assert "very long" not in repr(config)
    message = refusal(tmp_path, "platforms: {http: {secret: hunter2}}\n")
    assert "at least 16" in message
    assert "hunter2" not in message


def test_a_secret_file_that_is_missing_or_given_twice_is_refused(tmp_path: Path) -> None:
    assert "can't be read" in refusal(tmp_path, "platforms: {http: {secret_file: nowhere}}\n")
    (tmp_path / "s").write_text("x" * 20)
    both = "platforms:\n  http:\n    secret: aaaaaaaaaaaaaaaaaaaa\n    secret_file: s\n"
    assert "keep one" in refusal(tmp_path, both)


def test_a_missing_file_and_broken_yaml_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.yaml")
    assert ":3: not YAML" in refusal(tmp_path, "a: 1\nb: [\n")
    assert ":2: key 'bank' is written twice" in refusal(tmp_path, "bank: {}\nbank: {}\n")


def test_words_and_times_stay_words_and_times() -> None:
    data = parse_text("a: no\nb: 9:30\nc: on\nd: 010\ne: 1.50\n", Path("x")).data
    assert data == {"a": "no", "b": "9:30", "c": "on", "d": 10, "e": 1.5}


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused_but_never_crashes(text: str) -> None:
    with suppress(ConfigError):
        parse_text(text, Path("x"))


def test_the_editor_schema_is_up_to_date() -> None:
    from bot.cli.check import schemas

    for name, text in schemas().items():
        assert (ROOT / "config" / "schema" / name).read_text(encoding="utf-8") == text, "run `teller schema`"
        json.loads(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("platforms: {http: {enabled: true, deliver_url: 'http://x.example'}}", "secret is missing"),
        (
            "platforms: {http: {enabled: true, secret: '${NOTHING:-}', deliver_url: 'http://x.example'}}",
            "secret is missing",
        ),
        ("platforms: {http: {enabled: true, secret: 'aaaaaaaaaaaaaaaa'}}", "deliver_url is missing"),
    ],
)
def test_a_platform_without_what_keeps_it_safe_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


@pytest.mark.parametrize("text", ["bank: &a [*a]", "a: " + "[" * 3000, "server: {port: " + "9" * 5000 + "}"])
def test_monstrous_files_are_refused_like_any_other(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text)


async def test_a_good_change_is_live_and_a_bad_one_keeps_the_last_good(tmp_path: Path) -> None:
    path = write(tmp_path, "bank: {hotline: '1'}\n")
    live, stop, reloads = LiveConfig(load(path)), asyncio.Event(), []

    async def on_knowledge() -> None:
        reloads.append(1)

    (tmp_path / "knowledge").mkdir()
    watching = asyncio.create_task(live.watch({live.current.knowledge_path: on_knowledge}, stop))
    await asyncio.sleep(0.3)
    first = live.current.version
    write(tmp_path, "bank: {hotline: '2'}\n")
    await eventually(lambda: live.config.bank.hotline == "2")
    second = live.current.version
    assert second != first
    write(tmp_path, "bank: {hotlnie: '3'}\n")
    await eventually(lambda: live.error)
    assert "did you mean 'hotline'" in live.error
    assert (live.config.bank.hotline, live.current.version) == ("2", second)
    write(tmp_path, "bank: {hotline: '4'}\n")
    await eventually(lambda: live.config.bank.hotline == "4" and not live.error)
    (tmp_path / "knowledge" / "a.yaml").write_text("entries: []")
    await eventually(lambda: reloads)
    stop.set()
    await watching
