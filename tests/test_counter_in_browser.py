"""The whole counter in a real browser: store, turns, rails, guard, sender, page; only the model is scripted.

`TELLER_SCREENSHOT=docs/chat.png` also takes the README's picture, with the shipped knowledge.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from bot.app import App, Rooms
from bot.config import LiveConfig, load
from inference.fake import FakeModel, Script
from tests.adapters.test_web_browser import ARGS
from tests.counter import write_config

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOT = os.environ.get("TELLER_SCREENSHOT", "")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium fonts-noto-cjk"),
]

WORDS = ("卡丢了，", "请到网点", "或手机银行", "办理，", "请到网点或手机银行办理。")


async def test_a_conversation_streams_shows_its_source_and_survives_a_reload(tmp_path: Path) -> None:
    path = write_config(
        tmp_path,
        server={"port": 0},
        platforms={"web": {"enabled": True}, "http": {"enabled": False}},
        answers={"generate": "always"},
    )
    model = FakeModel([Script(WORDS, delay=0.6)])
    async with (
        App(LiveConfig(load(path)), rooms=Rooms(generator=model)).running() as app,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        page = await browser.new_page(viewport={"width": 390, "height": 844}, locale="zh-CN")
        await page.goto(f"http://127.0.0.1:{app.port}/")
        await page.fill("#input", "卡丢了怎么办")
        await page.keyboard.press("Enter")
        log = page.locator("#log")
        # It grows: the beginning is to be seen while the end isn't there yet.
        await expect(page.locator(".draft .text")).to_have_text(re.compile("^卡丢了，"))
        await expect(log).to_contain_text("".join(WORDS))
        # The source opens.
        source = log.locator("summary, button", has_text="卡丢了怎么办").last
        await source.click()
        await expect(log).to_contain_text("卡丢了怎么办：请到网点或手机银行办理。")
        await page.reload()
        await expect(log).to_contain_text("".join(WORDS))
        assert (await log.inner_text()).count("".join(WORDS)) == 1
        await browser.close()


@pytest.mark.skipif(not SCREENSHOT, reason="TELLER_SCREENSHOT names no file")
async def test_the_picture_for_the_readme(tmp_path: Path) -> None:
    live = LiveConfig(load(Path("config/teller.yaml")))
    store = live.config.store.model_copy(update={"url": f"sqlite:///{tmp_path}/store.db"})
    changes = {
        "store": store,
        "server": live.config.server.model_copy(update={"port": 0}),
        "inference": live.config.inference.model_copy(update={"enabled": False}),
    }
    live = LiveConfig(dataclasses.replace(live.current, config=live.config.model_copy(update=changes)))
    async with App(live).running() as app, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        page = await browser.new_page(viewport={"width": 900, "height": 860}, locale="zh-CN")
        await page.goto(f"http://127.0.0.1:{app.port}/")
        for question in ("信用卡丢了怎么办？", "那补一张多少钱？"):
            before = await page.locator("#log").inner_text()
            await page.fill("#input", question)
            await page.keyboard.press("Enter")
            await expect(page.locator("#log")).not_to_have_text(before)
            await page.wait_for_timeout(2500)
        await page.screenshot(path=SCREENSHOT)
        await browser.close()
