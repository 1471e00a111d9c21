"""The whole counter in one process, over real sockets and a real store."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import aiohttp
import pytest
import structlog
import yaml
from blockbuster import BlockBuster

from adapters.fake import FakePlatform
from bot.app import App, Rooms
from bot.config import LiveConfig, load
from bot.config.models import Log
from bot.errors import ConfigError, StoreBusy, StoreError
from bot.logs import set_up_logs
from bot.types import Buttons, Sources
from inference.fake import FakeModel, Script
from inference.privacy.logs import MaskEvent
from tests.conftest import eventually
from tests.counter import write_config


class Counter:
    def __init__(self, app: App, platform: FakePlatform) -> None:
        self.app = app
        self.platform = platform

    async def get(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.app.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status, await response.text()

    async def ready(self) -> dict[str, object]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.app.port}/readyz") as response,
        ):
            report: dict[str, object] = await response.json()
            return report


@asynccontextmanager
async def counter(path: Path, model: FakeModel | None = None) -> AsyncIterator[Counter]:
    platform = FakePlatform()
    app = App(LiveConfig(load(path)), rooms=Rooms(adapters=[platform], generator=model))
    async with app.running():
        yield Counter(app, platform)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_config(tmp_path, server={"port": 0})


async def test_a_question_is_answered_with_its_source_in_the_askers_language(path: Path) -> None:
    async with counter(path) as opened:
        await opened.platform.say("卡丢了怎么办")
        chinese = await opened.platform.reply()
        await opened.platform.say("What if I lose my card?", chat="smith")
        english = await opened.platform.reply()
    for reply, language in ((chinese, "zh"), (english, "en")):
        assert reply.language == language
        [sources] = [part for part in reply.parts if isinstance(part, Sources)]
        assert [c.id for c in sources.citations] == ["cards.lost"]


async def test_the_words_that_answer_are_marked_and_staff_read_what_it_was_about(path: Path) -> None:
    async with counter(path) as opened:
        await opened.platform.say("转了8000元多久能到账")
        reply = await opened.platform.reply()
        await opened.platform.say("转人工")
        await opened.platform.reply()
        [ticket] = await opened.app.store.tickets()
        found = await opened.app.store.ticket(ticket.number)
    [sources] = [part for part in reply.parts if isinstance(part, Sources)]
    [citation] = sources.citations
    assert citation.mark is not None
    assert citation.excerpt[slice(*citation.mark)]
    assert found is not None
    assert found[0].summary.startswith("客户先问：转了8000元多久能到账\n提到的数字和日期：8000元\n")
    assert f"《{citation.title}》" in found[0].summary


async def test_off_topic_gets_an_honest_i_dont_know_with_choices(tmp_path: Path) -> None:
    suggestions = [{"zh": "怎么开户？", "en": "How do I open an account?"}]
    path = write_config(tmp_path, server={"port": 0}, bank={"suggestions": suggestions})
    async with counter(path) as opened:
        await opened.platform.say("螺蛳粉")
        reply = await opened.platform.reply()
    assert "不想随便答错" in reply.text
    [buttons] = [part for part in reply.parts if isinstance(part, Buttons)]
    assert [b.label for b in buttons.choices] == ["怎么开户？"]


async def test_nothing_blocks_the_event_loop_while_messages_are_handled(path: Path) -> None:
    async with counter(path) as opened:
        detector = BlockBuster(["bot", "adapters"])
        detector.activate()
        try:
            for number in range(5):
                await opened.platform.say("转账要多久", id=f"m{number}")
            replies = [await opened.platform.reply() for _ in range(5)]
        finally:
            detector.deactivate()
    assert all(reply.text.startswith("转账要多久") for reply in replies)


async def test_rules_that_dont_act_are_named_from_the_start(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = path.parent / "rules" / "rules.yaml"
    text = rules.read_text(encoding="utf-8")
    rules.write_text(text.replace("action: block", "action: warn"), encoding="utf-8")
    async with counter(path) as opened:
        await eventually(lambda: "teller_rules_unapproved 1.0" in opened.app.metrics.render().decode())
        report = await opened.ready()
    assert report["ready"]
    assert report["rules"]["unapproved"] == ["t.sell"]  # type: ignore[index]
    assert "rules.unapproved" in capsys.readouterr().out


async def test_what_runs_can_be_seen(path: Path) -> None:
    async with counter(path) as opened:
        await opened.platform.say("卡丢了怎么办", id="m1")
        await opened.platform.reply()
        await opened.platform.say("卡丢了怎么办", id="m1")
        await eventually(lambda: 'outcome="sent"' in opened.app.metrics.render().decode())
        assert await opened.get("/healthz") == (200, '{"alive": true}')
        status, metrics = await opened.get("/metrics")
        report = await opened.ready()
    assert status == 200
    for line in (
        'teller_intake_total{outcome="accepted",platform="fake"} 1.0',
        'teller_intake_total{outcome="duplicate",platform="fake"} 1.0',
        'teller_turns_total{outcome="done"} 1.0',
        'teller_sends_total{outcome="sent",platform="fake"} 1.0',
        'teller_answers_total{language="zh",source="verbatim"} 1.0',
        "teller_retrieval_seconds_count 1.0",
        'teller_queue_depth{queue="inbox"} 0.0',
    ):
        assert line in metrics, line
    assert report["ready"] is True
    assert report["answers"] == "verbatim"
    assert report["inference"] == {"state": "off"}
    assert report["config"] == {"version": opened.app.live.current.version, "error": ""}


async def test_logs_hold_no_words_of_customers_and_no_secrets(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logs(Log(level="debug", format="json"))
    async with counter(path) as opened:
        await opened.platform.say("我的暗号是紫色大象 secret-elephant")
        reply = await opened.platform.reply()
    logged = capsys.readouterr().err
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()
    assert "turn.done" in logged
    for forbidden in ("elephant", "大象", reply.text[:10], "a secret for the tests"):
        assert forbidden not in logged


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_error_that_quotes_a_customer_is_masked_in_its_traceback(
    form: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logs(Log(level="debug", format=form), MaskEvent())
    try:
        raise ValueError("can't read 我的手机13911027745")
    except ValueError as error:
        structlog.get_logger("t").error("turn.failed", exc_info=error)
        logging.getLogger("t").error("lib failed", exc_info=error)
    logged = capsys.readouterr().err
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()
    assert logged.count("Traceback") == 2
    assert "13911027745" not in logged


async def test_messages_accepted_before_a_stop_are_answered_after_the_next_start(path: Path) -> None:
    async with counter(path) as opened:
        store = opened.app.store

        async def broken(*_args: object, **_more: object) -> list[object]:
            raise StoreBusy("not now")

        store.claim = broken  # type: ignore[assignment]
        await opened.platform.say("卡丢了怎么办")
    async with counter(path) as opened:
        assert (await opened.platform.reply()).text.startswith("卡丢了怎么办")


async def test_while_it_shuts_down_nothing_is_acknowledged(path: Path) -> None:
    async with counter(path) as opened:
        platform = opened.platform
        host = platform._host
    platform._host = host
    with pytest.raises(StoreBusy):
        await platform.say("卡丢了")


async def test_a_locked_database_refuses_intake_and_recovers(path: Path) -> None:
    async with counter(path) as opened:
        other = sqlite3.connect(path.parent / "store.db")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            await opened.platform.say("卡丢了怎么办", id="m1")
        other.rollback()
        other.close()
        assert await opened.platform.say("卡丢了怎么办", id="m1")
        assert (await opened.platform.reply(patience=20)).text


async def test_a_second_process_on_the_same_database_is_refused(path: Path) -> None:
    async with counter(path):
        with pytest.raises(StoreError, match="another teller"):
            async with counter(path):
                pass


async def test_new_knowledge_is_live_and_wrong_knowledge_leaves_the_last_good(path: Path) -> None:
    entries = path.parent / "knowledge" / "entries" / "all.yaml"
    good = yaml.safe_load(entries.read_text())
    async with counter(path) as opened:
        await asyncio.sleep(0.3)
        good["entries"][1]["zh"]["answer"] = "新的说法：马上挂失。"
        entries.write_text(yaml.safe_dump(good, allow_unicode=True))
        version = (await opened.ready())["knowledge"]["version"]  # type: ignore[index]
        for _ in range(100):
            if (await opened.ready())["knowledge"]["version"] != version:  # type: ignore[index]
                break
            await asyncio.sleep(0.05)
        await opened.platform.say("卡丢了怎么办")
        assert (await opened.platform.reply()).text == "新的说法：马上挂失。"
        entries.write_text("entries:\n  - id: cards.lost\n    topc: cards\n")
        for _ in range(100):
            report = (await opened.ready())["knowledge"]
            if report["error"]:  # type: ignore[index]
                break
            await asyncio.sleep(0.05)
        assert "all.yaml:3" in report["error"]  # type: ignore[index]
        await opened.platform.say("卡丢了怎么办", chat="li")
        assert (await opened.platform.reply()).text == "新的说法：马上挂失。"


async def test_wrong_knowledge_at_the_start_is_one_clear_error(path: Path) -> None:
    entries = path.parent / "knowledge" / "entries" / "all.yaml"
    text = entries.read_text()
    entries.write_text(text + text.removeprefix("entries:\n"))
    with pytest.raises(ConfigError, match=r"all\.yaml:\d+: .*cards\.lost"):
        async with counter(path):
            pass


async def test_the_model_is_asked_and_its_death_costs_only_its_words(tmp_path: Path) -> None:
    path = write_config(tmp_path, server={"port": 0}, answers={"generate": "always"})
    words = "卡丢了请到网点或手机银行办理。"
    model = FakeModel([words, Script(("卡丢了",), failure="the worker died")])
    async with counter(path, model) as opened:
        await opened.platform.say("卡丢了怎么办", chat="a")
        assert (await opened.platform.reply()).text == words
        await opened.platform.say("卡丢了怎么办", chat="b")
        assert (await opened.platform.reply()).text == "卡丢了怎么办：请到网点或手机银行办理。"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\x01",
        "😀",
        "长" * 100_000,
        "مرحبا بالعالم",
        "\u202e\u202d",
        "'; DROP TABLE inbox; --",
        "{0}%s",
    ],
)
async def test_any_message_gets_a_polite_answer(path: Path, text: str) -> None:
    async with counter(path) as opened:
        await opened.platform.say(text)
        reply = await opened.platform.reply()
        assert reply.text
        assert "Traceback" not in reply.text
        assert (await opened.app.store.depths()).dead_letters == 0
