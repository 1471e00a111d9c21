"""From YAML to accounts: what an operator writes becomes adapters, or a message that says what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.accounts import make_adapters
from bot.cli.check import ask_platforms
from bot.config import Config, load
from bot.errors import ConfigError, TellerError
from tests.emulators.telegram import TelegramEmulator

KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
TELEGRAM = {"enabled": True, "bots": [{"token": "1:abc"}]}
SLACK = {"enabled": True, "apps": [{"app_token": "xapp-1", "workspaces": [{"bot_token": "xoxb-1"}]}]}
CALLBACK = {"secret": "s", "token": "t", "encoding_aes_key": KEY}
WECOM: dict[str, Any] = {
    "enabled": True,
    "corp_id": "ww1",
    "apps": [{"agent_id": 1, **CALLBACK}, {"name": "hr", "agent_id": 2, **CALLBACK}],
    "kf": [CALLBACK],
    "aibots": [
        {"name": "bot", "token": "t", "encoding_aes_key": KEY},
        {"name": "live", "bot_id": "B", "secret": "s"},
    ],
    "groups": [{"name": "risk", "key": "k"}],
}


def config_of(folder: Path, **platforms: Any) -> Config:
    path = folder / "teller.yaml"
    path.write_text(yaml.safe_dump({"platforms": {"web": {"enabled": False}, **platforms}}))
    return load(path, {}).config


def test_every_account_becomes_an_adapter(tmp_path: Path) -> None:
    config = config_of(tmp_path, telegram=TELEGRAM, slack=SLACK, wecom=WECOM)
    made = [(a.name, a.account) for a in make_adapters(config)]
    wecom = [("wecom", name) for name in ("app", "hr", "kf", "bot", "live", "risk")]
    assert made == [("telegram", "default"), ("slack", "default"), *wecom]


def test_accounts_of_one_platform_have_paths_of_their_own_and_the_first_the_bare_one(tmp_path: Path) -> None:
    adapters = make_adapters(config_of(tmp_path, slack=SLACK, wecom=WECOM))
    paths = [
        (adapter.account, route.path)
        for adapter in adapters
        for route in adapter.routes()
        if route.method == "POST"  # type: ignore[attr-defined]
    ]
    assert len({path for _, path in paths}) == len(paths)
    assert {p for name, p in paths if name == "app"} == {"/webhooks/wecom/app", "/webhooks/wecom/app/app"}
    assert {p for name, p in paths if name == "hr"} == {"/webhooks/wecom/app/hr"}
    assert {p for name, p in paths if name == "kf"} == {"/webhooks/wecom/kf", "/webhooks/wecom/kf/kf"}
    assert {p for name, p in paths if name == "bot"} == {"/webhooks/wecom/aibot", "/webhooks/wecom/aibot/bot"}


@pytest.mark.parametrize(
    ("platforms", "words"),
    [
        ({"telegram": {"enabled": True}}, "bots is empty"),
        ({"telegram": {"enabled": True, "bots": [{"token": ""}]}}, "is empty"),
        ({"telegram": {"enabled": True, "bots": [{"token": "1:a"}, {"token": "1:b"}]}}, "given twice"),
        ({"telegram": {"enabled": True, "bots": [{"tokn": "1:a"}]}}, "token"),
        ({"slack": {"enabled": True, "apps": [{"workspaces": [{"bot_token": "x"}]}]}}, "app_token"),
        (
            {"slack": {**SLACK, "apps": [{**SLACK["apps"][0], "workspaces": []}]}},  # type: ignore[index]
            "workspaces",
        ),
        ({"wecom": {"enabled": True}}, "nothing to serve"),
        ({"wecom": {"enabled": True, "apps": [{"agent_id": 1, **CALLBACK}]}}, "corp_id is missing"),
        ({"wecom": {"enabled": True, "aibots": [{"token": "t", "bot_id": "b"}]}}, "either token"),
        ({"wecom": {**WECOM, "groups": [{"name": "kf", "key": "k"}]}}, "given twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, platforms: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        config_of(tmp_path, **platforms)
    assert all(problem.line > 0 for problem in caught.value.problems)


def test_a_webhook_without_a_public_address_is_refused(tmp_path: Path) -> None:
    bots = [{"token": "1:a", "receive": "webhook"}]
    with pytest.raises(TellerError, match=r"server\.public_url"):
        make_adapters(config_of(tmp_path, telegram={"enabled": True, "bots": bots}))


def test_a_key_that_is_none_is_named(tmp_path: Path) -> None:
    apps = [{"agent_id": 1, **CALLBACK, "encoding_aes_key": "short"}]
    with pytest.raises((TellerError, ConfigError), match=r"encoding_aes_key|EncodingAESKey"):
        make_adapters(config_of(tmp_path, wecom={"enabled": True, "corp_id": "ww1", "apps": apps}))


def test_platforms_that_are_off_import_nothing(tmp_path: Path) -> None:
    import subprocess

    program = (
        "import sys; from bot.accounts import make_adapters; from bot.config import Config;"
        "make_adapters(Config()); print([m for m in ('slack_bolt', 'telegram') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ── teller check --online ──


async def test_a_good_token_is_reported_and_a_bad_one_says_what_to_do(tmp_path: Path) -> None:
    async with TelegramEmulator() as telegram:
        for token, good in ((telegram.token, True), ("99:wrong", False)):
            config = config_of(
                tmp_path,
                telegram={"enabled": True, "base_url": telegram.base_url, "bots": [{"token": token}]},
            )
            found = await ask_platforms(make_adapters(config), "")
            assert {label for label, _ in found} == {"telegram/default"}
            assert all(finding.ok for _, finding in found) == good, found
            assert all(finding.detail for _, finding in found if not finding.ok)
            assert not any(token in finding.detail for _, finding in found)


async def test_a_platform_that_can_t_be_reached_hides_no_other(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        telegram={"enabled": True, "base_url": "http://127.0.0.1:9", "bots": [{"token": "1:abc"}]},
        slack={**SLACK, "base_url": "http://127.0.0.1:9/api/"},
    )
    found = await ask_platforms(make_adapters(config), "")
    assert {label for label, finding in found if not finding.ok} == {"telegram/default", "slack/default"}
