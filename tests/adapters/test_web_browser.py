"""The page in a real browser, against a real server."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    async_playwright,
    expect,
)

from adapters.web import WebAdapter
from bot.errors import StoreBusy
from bot.types import Button, Buttons, Card, Citation, Conversation, Draft, File, Image, Sources, Votes
from tests.adapters.host import MemoryHost
from tests.adapters.web_host import SETTINGS, Served, message, serve

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium fonts-noto-cjk"),
]

SCROLL = "document.getElementById('scroll')"
LONG = "\n".join(f"第 {number} 行" for number in range(60))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def served() -> AsyncIterator[Served]:
    adapter = WebAdapter(replace(SETTINGS, upload_limit_bytes=100 * 1024), heartbeat=1)
    async with serve(adapter, MemoryHost()) as it:
        yield it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(chromium: Browser) -> AsyncIterator[BrowserContext]:
    context = await chromium.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def context(shared: BrowserContext) -> BrowserContext:
    """A customer's browser. What it kept for another test is another origin's, cookies apart."""
    await shared.clear_cookies()
    return shared


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext, served: Served) -> AsyncIterator[Page]:
    """The page, opened; at the end nothing in it has failed or been blocked."""
    page = await context.new_page()
    page.set_default_timeout(8000)
    wrong: list[str] = []

    def note(said: ConsoleMessage) -> None:
        if said.type == "error" and "Failed to load resource" not in said.text:
            wrong.append(said.text)

    page.on("console", note)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    await opened(page, served)
    yield page
    await page.close()
    assert wrong == []


async def opened(page: Page, served: Served) -> None:
    await page.goto(served.url)
    await page.wait_for_selector("body.ready")


async def ask(page: Page, served: Served, text: str = "限额是多少？") -> Conversation:
    """Say something and wait for it to be accepted."""
    number = len(served.host.events) + 1
    await page.fill("#input", text)
    await page.press("#input", "Enter")
    event = await served.host.event(number)
    await expect(page.locator(".line.customer").last).to_have_attribute("data-state", "sent")
    return event.conversation


def picture(width: int = 60, height: int = 40) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes((20, 110, 100)) * width) * height
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def file(name: str, data: bytes, mime: str = "") -> Any:
    return {"name": name, "mimeType": mime, "buffer": data}


# ── talking ─────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_grows_in_place_and_is_finished_once(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    await served.adapter.typing(conversation, "zh")
    await expect(page.locator(".typing")).to_be_visible()
    for sequence, text in enumerate(("每日", "每日 20 万", "每日 20 万元")):
        await served.adapter.draft(Draft(conversation, "a", text, sequence))
        await expect(page.locator(".draft .text")).to_have_text(text)
    await expect(page.locator(".typing")).to_have_count(0)
    await served.adapter.draft(Draft(conversation, "a", "older", 0))
    await served.say(message(conversation, "a", "每日 20 万元。"))
    await expect(page.locator(".line.bot:not(.draft) .text")).to_have_text("每日 20 万元。")
    await expect(page.locator(".line.bot")).to_have_count(1)
    await served.adapter.draft(Draft(conversation, "a", "late", 99))
    await served.say(message(conversation, "b", "还有什么可以帮您？"))
    await expect(page.locator(".line.bot")).to_have_count(2)
    await expect(page.locator(".draft")).to_have_count(0)


async def test_the_welcome_offers_questions_that_are_asked_at_a_press(page: Page, served: Served) -> None:
    await expect(page.locator("#greeting")).to_have_text(SETTINGS.greeting.zh)
    suggestions = page.locator("#suggestions button")
    await expect(suggestions).to_have_count(len(SETTINGS.suggestions))
    await suggestions.nth(1).click()
    assert (await served.host.event(1)).text == SETTINGS.suggestions[1].zh
    await expect(page.locator("#welcome")).to_be_hidden()


async def test_sources_open_and_close(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    citation = Citation("limit", "转账限额", "指纹每日 50 万元。", "https://bank.example/limits")
    await served.say(message(conversation, "a", "见下。", Sources((citation,))))
    await expect(page.get_by_text("来源", exact=True)).to_be_visible()
    excerpt = page.get_by_text("指纹每日 50 万元。")
    await expect(excerpt).to_be_hidden()
    await page.get_by_text("转账限额", exact=True).click()
    await expect(excerpt).to_be_visible()
    link = page.get_by_role("link", name="查看原文")
    await expect(link).to_have_attribute("href", "https://bank.example/limits")
    await page.get_by_text("转账限额", exact=True).click()
    await expect(excerpt).to_be_hidden()


async def test_the_words_that_answer_are_marked_in_their_source(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    text = "🏦 指纹 **每日** 50 万元。见 https://bank.example/a。"
    start = text.index("50")
    marked = Citation("limit", "转账限额", text, mark=(start, start + 5))
    wrong = Citation("other", "其他", "每日一次。", mark=(2, 99))
    await served.say(message(conversation, "a", "见下。", Sources((marked, wrong))))
    await page.get_by_text("转账限额", exact=True).click()
    await page.get_by_text("其他", exact=True).click()
    await expect(page.locator(".excerpt mark")).to_have_text("50 万元")
    await expect(page.locator(".excerpt strong")).to_have_text("每日")
    await expect(page.locator(".excerpt").first.get_by_role("link")).to_have_attribute(
        "href", "https://bank.example/a"
    )
    await expect(page.locator(".excerpt").nth(1)).to_have_text("每日一次。")


async def test_a_quick_reply_answers_once_and_stays_marked(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    choices = Buttons((Button("确认转账", "yes"), Button("取消", "no")), "要继续吗？")
    await served.say(message(conversation, "c", choices, kind="confirmation"))
    await page.get_by_role("button", name="取消").click()
    event = await served.host.event(2)
    assert (event.kind, event.value, event.text) == ("button", "no", "取消")
    for _ in ("live", "after a reload"):
        await expect(page.get_by_role("button", name="确认转账")).to_be_disabled()
        await expect(page.locator(".choice.taken")).to_have_text("取消")
        await page.reload()
        await page.wait_for_selector("body.ready")
    assert len(served.host.events) == 2


async def test_a_vote_is_sent_marked_and_can_be_changed_without_a_line_of_its_own(
    page: Page, served: Served
) -> None:
    conversation = await ask(page, served)
    await served.say(message(conversation, "v", "限额 5 万元。", Votes("vote:up:1", "vote:down:1")))
    up, down = (
        page.get_by_role("button", name="有帮助", exact=True),
        page.get_by_role("button", name="没有帮助"),
    )
    await up.click()
    event = await served.host.event(2)
    assert (event.kind, event.value) == ("button", "vote:up:1")
    await expect(up).to_have_attribute("aria-pressed", "true")
    await up.click()
    await down.click()
    assert (await served.host.event(3)).value == "vote:down:1"
    await expect(up).to_have_attribute("aria-pressed", "false")
    await expect(down).to_have_attribute("aria-pressed", "true")
    await expect(page.locator(".line.customer")).to_have_count(1)
    assert len(served.host.events) == 3


async def test_a_vote_that_is_refused_is_taken_back(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    await served.say(message(conversation, "v", "限额 5 万元。", Votes("vote:up:1", "v" * 600)))
    down = page.get_by_role("button", name="没有帮助")
    async with page.expect_response("**/api/messages") as refused:
        await down.click()
    assert (await refused.value).status == 400
    await expect(down).to_have_attribute("aria-pressed", "false")
    assert len(served.host.events) == 1


async def test_a_change_that_is_refused_leaves_the_vote_as_it_was(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    await served.say(message(conversation, "v", "限额 5 万元。", Votes("vote:up:1", "v" * 600)))
    up = page.get_by_role("button", name="有帮助", exact=True)
    down = page.get_by_role("button", name="没有帮助")
    async with page.expect_response("**/api/messages"):
        await up.click()
    async with page.expect_response("**/api/messages") as refused:
        await down.click()
    assert (await refused.value).status == 400
    await expect(down).to_have_attribute("aria-pressed", "false")
    await expect(up).to_have_attribute("aria-pressed", "true")


async def test_kinds_are_told_apart_by_word_and_mark(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    for kind, label in (("warning", "风险提示"), ("confirmation", "请您确认"), ("notice", "通知")):
        await served.say(message(conversation, kind, "内容", kind=kind))  # type: ignore[arg-type]
        heading = page.locator(f".line.{kind} .kind")
        await expect(heading).to_have_text(label)
        await expect(heading.locator("svg")).to_be_visible()
    await served.say(message(conversation, "s", "您好"), by_staff=True)
    await expect(page.locator(".line.staff .person")).to_have_text("人工客服")


async def test_what_the_bank_says_is_never_markup(page: Page, served: Served) -> None:
    conversation = await ask(page, served, "<b>我</b>")
    hostile = "<img src=x onerror=alert(1)> [点我](javascript:alert(1)) javascript:alert(1) https://bank.example/a?b=1。"
    citation = Citation("x", "<i>t</i>", "<u>e</u>", "javascript:alert(1)")
    card = Card("<b>c</b>", (("<b>", "<i>"),), uri="data:text/html,x")
    await served.say(message(conversation, "a", hostile, card, Sources((citation,))))
    await expect(page.locator(".line.bot .text").first).to_have_text(hostile)
    links = page.locator("#log a")
    await expect(links).to_have_count(1)
    await expect(links).to_have_attribute("href", "https://bank.example/a?b=1")
    await expect(links).to_have_attribute("rel", "noopener noreferrer")
    assert await page.locator("#log :is(b, i:not(.dots i), u, img)").count() == 0


async def test_lists_are_lists(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    text = "办理步骤：\n1. 打开 App\n2、点“转账”\n（3）确认\n\n利率：\n1.5% 起\n- **活期**\n• 定期\n\n结束"
    await served.say(message(conversation, "a", text))
    shown = page.locator(".line.bot .text")
    await expect(shown.locator("ol > li")).to_have_text(["打开 App", "点“转账”", "确认"])
    await expect(shown.locator("ul > li")).to_have_text(["活期", "定期"])
    await expect(shown.locator("ul strong")).to_have_text("活期")
    await expect(shown.locator("p")).to_have_text(["办理步骤：", "利率：1.5% 起", "结束"])


async def test_a_reload_keeps_the_conversation_and_repeats_nothing(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    await served.say(message(conversation, "a", "回答一"))
    await expect(page.locator(".line.bot")).to_have_count(1)
    served.host.release(message(conversation, "b", "回答二"))
    await page.reload()
    await expect(page.locator(".line .text")).to_have_text(["限额是多少？", "回答一", "回答二"])
    await served.say(message(conversation, "c", "回答三"))
    await expect(page.locator(".line .text")).to_have_text(["限额是多少？", "回答一", "回答二", "回答三"])


async def test_a_new_conversation_begins_only_when_confirmed(page: Page, served: Served) -> None:
    await ask(page, served)
    for answer, lines in (("取消", 1), ("开始新对话", 0)):
        await page.get_by_role("button", name="新对话", exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name=answer).click()
        await expect(page.locator(".line")).to_have_count(lines)
    await page.wait_for_selector("#welcome:not([hidden])")
    await ask(page, served, "新的问题")
    first, second = served.host.events
    assert first.conversation != second.conversation


async def test_reading_back_is_not_disturbed_by_news(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    await served.say(message(conversation, "a", LONG))
    await expect(page.locator(".line.bot")).to_have_count(1)
    at_end = f"{SCROLL}.scrollHeight - {SCROLL}.scrollTop - {SCROLL}.clientHeight < 5"
    await page.wait_for_function(f"() => {at_end}")
    await page.hover("#scroll")
    await page.mouse.wheel(0, -800)
    await page.wait_for_function(f"() => !({at_end})")
    before = await page.evaluate(f"{SCROLL}.scrollTop")
    await served.say(message(conversation, "b", "新的回答"))
    await expect(page.locator("#newer")).to_be_visible()
    assert await page.evaluate(f"{SCROLL}.scrollTop") == pytest.approx(before, abs=2)
    await page.click("#newer")
    await page.wait_for_function(f"() => {at_end}")
    await expect(page.locator("#newer")).to_be_hidden()


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


async def test_composing_with_an_input_method_does_not_send(
    page: Page, context: BrowserContext, served: Served
) -> None:
    devtools = await context.new_cdp_session(page)
    await page.focus("#input")
    await devtools.send("Input.imeSetComposition", {"text": "ni hao", "selectionStart": 6, "selectionEnd": 6})
    # Chromium reports Enter inside a composition as 229 (UI Events, section 7.3.1).
    enter = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
    await devtools.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    for event in ({"isComposing": True, "keyCode": 13}, {"isComposing": False, "keyCode": 229}):
        await page.dispatch_event("#input", "keydown", {"key": "Enter", "bubbles": True, **event})
    await devtools.send("Input.insertText", {"text": "你好"})
    await expect(page.locator("#input")).to_have_value("你好")
    assert await page.locator(".line").count() == 0
    await page.press("#input", "Enter")
    assert (await served.host.event(1)).text == "你好"


async def test_shift_enter_makes_a_line(page: Page, served: Served) -> None:
    await page.fill("#input", "一")
    await page.press("#input", "Shift+Enter")
    await page.keyboard.type("二")
    await page.press("#input", "Enter")
    assert (await served.host.event(1)).text == "一\n二"


async def test_nothing_is_sent_for_nothing(page: Page, served: Served) -> None:
    for text in ("", "  \n"):
        await page.fill("#input", text)
        await page.press("#input", "Enter")
        await page.click("#send", force=True)
    await ask(page, served, "有")
    assert len(served.host.events) == 1


async def test_a_busy_server_is_tried_again_under_the_same_id(page: Page, served: Served) -> None:
    served.host.failure = StoreBusy("locked")
    tries: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/api/messages"):
            tries.append(json.loads(request.post_data or "")["id"])

    page.on("request", note)
    await page.fill("#input", "急")
    await page.press("#input", "Enter")
    own = page.locator(".line.customer")
    await expect(own).to_have_attribute("data-state", "waiting")
    served.host.failure = None
    await expect(own).to_have_attribute("data-state", "sent")
    assert len(tries) == 2
    assert len(set(tries)) == 1
    assert len(served.host.events) == 1


async def test_after_enough_tries_the_customer_decides(chromium: Browser, served: Served) -> None:
    context = await chromium.new_context(locale="zh-CN")
    page = await context.new_page()
    await opened(page, served)
    await page.clock.install()
    served.host.failure = StoreBusy("locked")
    await page.fill("#input", "急")
    await page.press("#input", "Enter")
    own = page.locator(".line.customer")
    retry = page.get_by_role("button", name="重试")
    for _ in range(30):
        await page.clock.run_for(4000)
        if await retry.count():
            break
    await expect(own).to_have_attribute("data-state", "failed")
    await expect(own).to_contain_text("未发送")
    served.host.failure = None
    await retry.click()
    await expect(own).to_have_attribute("data-state", "sent")
    await expect(retry).to_have_count(0)
    assert len(served.host.events) == 1
    await context.close()


async def test_what_was_not_sent_outlives_a_reload(page: Page, served: Served) -> None:
    served.host.failure = StoreBusy("locked")
    await page.fill("#input", "别丢了我")
    await page.press("#input", "Enter")
    await expect(page.locator(".line.customer")).to_have_attribute("data-state", "waiting")
    served.host.failure = None
    await page.reload()
    await expect(page.locator(".line.customer")).to_have_attribute("data-state", "sent")
    await expect(page.locator(".line.customer .text")).to_have_text("别丢了我")
    assert len(served.host.events) == 1


async def test_offline_is_said_and_made_up_for(page: Page, context: BrowserContext, served: Served) -> None:
    await context.set_offline(True)
    await expect(page.locator("#banner")).to_contain_text("网络已断开")
    await page.fill("#input", "在吗")
    await page.press("#input", "Enter")
    await expect(page.locator(".line.customer")).to_have_attribute("data-state", "offline")
    await context.set_offline(False)
    await expect(page.locator(".line.customer")).to_have_attribute("data-state", "sent")
    await expect(page.locator("#banner")).to_be_hidden()


async def test_a_restarted_server_is_found_again_and_nothing_missed(context: BrowserContext) -> None:
    host = MemoryHost()
    page = await context.new_page()
    async with serve(WebAdapter(SETTINGS), host) as first:
        await opened(page, first)
        conversation = await ask(page, first)
        port = int(first.url.rpartition(":")[2])
    host.release(message(conversation, "a", "重启期间的回答"))
    async with serve(WebAdapter(SETTINGS), host, port):
        await expect(page.locator(".line.bot .text")).to_have_text("重启期间的回答", timeout=15_000)
        await page.close()


# ── files ───────────────────────────────────────────────────────────────────────────────────────


async def test_files_are_shown_sent_and_kept(page: Page, served: Served) -> None:
    await page.set_input_files("#file", [file("收据.png", picture()), file("说明.txt", "第一条".encode())])
    await expect(page.locator("#tray li.ready")).to_have_count(2)
    await page.get_by_role("button", name="移除 说明.txt").click()
    await expect(page.locator("#tray li")).to_have_count(1)
    await page.set_input_files("#file", [file("清单.txt", "第二条".encode())])
    await expect(page.locator("#tray li.ready")).to_have_count(2)
    await ask(page, served, "请看")
    _text, image, kept = served.host.events[0].parts
    assert isinstance(image, Image)
    assert isinstance(kept, File)
    assert (image.name, image.mime, kept.name) == ("收据.png", "image/png", "清单.txt")
    await expect(page.locator("#tray")).to_be_hidden()
    for _ in ("live", "after a reload"):
        shown = page.locator(".line.customer img")
        await expect(shown).to_have_js_property("naturalWidth", 60)
        await expect(page.get_by_role("link", name="清单.txt")).to_be_visible()
        await page.reload()


async def test_a_refused_file_says_what_would_do(page: Page, served: Served) -> None:
    await page.set_input_files("#file", [file("setup.png", b"MZ\0\0", "image/png")])
    refused = page.get_by_role("alert")
    await expect(refused).to_contain_text("setup.png")
    await expect(refused).to_contain_text("PDF")
    await page.set_input_files("#file", [file("big.png", picture() + bytes(100 * 1024))])
    await expect(refused).to_contain_text("100 KB")
    await page.click("#language")
    await expect(refused).to_contain_text("too large: 100 KB at most")
    assert await page.locator("#tray li").count() == 0
    await ask(page, served, "go on")
    await expect(page.locator("#refused")).to_be_hidden()


@pytest.mark.parametrize("way", ["paste", "drop"])
async def test_a_picture_can_be_pasted_and_dropped(page: Page, served: Served, way: str) -> None:
    await page.evaluate(
        """([way, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "shot.png", {type: "image/png"}));
            const init = {bubbles: true, cancelable: true};
            if (way === "paste") {
                const event = new ClipboardEvent("paste", {...init, clipboardData: data});
                document.getElementById("input").dispatchEvent(event);
            } else {
                for (const type of ["dragover", "drop"])
                    document.body.dispatchEvent(new DragEvent(type, {...init, dataTransfer: data}));
            }
        }""",
        [way, list(picture())],
    )
    await expect(page.locator("#tray li.ready img")).to_be_visible()
    await expect(page.locator("#drop")).to_be_hidden()
    await page.press("#input", "Enter")
    (image,) = (await served.host.event(1)).parts
    assert isinstance(image, Image)


# ── for everybody ───────────────────────────────────────────────────────────────────────────────


async def test_the_language_changes_everywhere_and_is_remembered(page: Page, served: Served) -> None:
    conversation = await ask(page, served)
    await served.say(message(conversation, "w", "当心", kind="warning"))
    await expect(page.locator(".kind")).to_have_text("风险提示")
    await page.get_by_role("button", name="Switch to English").click()
    for _ in ("live", "after a reload"):
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        await expect(page.locator("#bank")).to_have_text("Lanwan Bank")
        await expect(page.locator(".kind")).to_have_text("Risk warning")
        await expect(page.get_by_role("textbox", name="Type your question")).to_be_visible()
        await expect(page.locator(".line.bot .bubble")).to_have_attribute("lang", "zh-Hans")
        await page.reload()
    await ask(page, served, "hello")
    assert served.host.events[1].sender.locale == "en"


async def test_a_browser_in_english_is_met_in_english(chromium: Browser, served: Served) -> None:
    context = await chromium.new_context(locale="en-US")
    page = await context.new_page()
    await opened(page, served)
    await expect(page.locator("#greeting")).to_have_text(SETTINGS.greeting.en)
    await context.close()


async def focused(page: Page) -> str:
    name: str = await page.evaluate(
        "(document.activeElement.ariaLabel || document.activeElement.textContent || '').trim()"
    )
    return name


async def test_everything_is_done_by_keyboard(page: Page, served: Served) -> None:
    # A page that was just opened has the box focused; begin where Tab begins after the address bar.
    await page.evaluate(
        "document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')"
    )
    await page.keyboard.press("Tab")
    assert await focused(page) == "跳到输入框"
    await page.keyboard.press("Enter")
    await expect(page.locator("#input")).to_be_focused()
    await page.keyboard.type("限额")
    await page.keyboard.press("Enter")
    event = await served.host.event(1)
    citation = Citation("limit", "转账限额", "每日 50 万元。")
    choices = Buttons((Button("转人工", "staff"),))
    await served.say(message(event.conversation, "a", "见下", Sources((citation,)), choices))
    await expect(page.locator(".sources")).to_be_visible()
    for name in ("添加图片或文件", "转人工", "转账限额"):
        await page.keyboard.press("Shift+Tab")
        assert await focused(page) == name or name in await focused(page)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("每日 50 万元。")).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    assert (await served.host.event(2)).value == "staff"
    await expect(page.locator("#input")).to_be_focused()
    await page.locator("#reset").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await focused(page) == "取消"
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.locator("#reset")).to_be_focused()


NAMELESS = """() => [...document.querySelectorAll("button, a, input, textarea, img, [role], dialog, audio")]
    .filter((el) => el.checkVisibility() && !el.closest("[aria-hidden=true]"))
    .filter((el) => !(el.ariaLabel || el.textContent.trim() || el.hasAttribute("alt")
        || el.querySelector("img:not([alt=''])")
        || el.getAttribute("aria-labelledby") || el.matches("[role=group], [role=status]")))
    .map((el) => el.outerHTML)"""

# WCAG 2.2, 1.4.3: 4.5:1, or 3:1 for text of 24 px (18.66 px bold); disabled controls are exempt.
FAINT = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a));
    const behind = (el) => {
        if (!el) return [255, 255, 255];
        return over(rgba(getComputedStyle(el).backgroundColor), behind(el.parentElement));
    };
    const light = (rgb) => rgb.map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const faint = [];
    const written = (el) => [...el.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    for (const el of document.querySelectorAll("body *")) {
        if (!el.checkVisibility() || el.disabled || !(written(el) || el.matches("textarea, svg.i"))) continue;
        if (el.closest(".sr, .skip, script, noscript")) continue;
        const pseudo = el.matches("textarea") ? "::placeholder" : null;
        const style = getComputedStyle(el, pseudo);
        const ground = behind(el);
        const [a, b] = [light(over(rgba(style.color), ground)), light(ground)].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        const px = parseFloat(style.fontSize);
        const large = px >= 24 || px >= 18.66 && style.fontWeight >= 700 || el.matches("svg");
        if (ratio < (large ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${el.outerHTML.slice(0, 120)}`);
    }
    return faint;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_can_be_read_and_all_is_named(page: Page, served: Served, scheme: Any) -> None:
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    assert await page.evaluate(FAINT) == []
    assert await page.evaluate(NAMELESS) == []
    await page.set_input_files("#file", [file("a.png", picture()), file("b.exe", b"MZ\0")])
    await expect(page.locator("#tray li.ready")).to_have_count(1)
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await page.evaluate(FAINT) == []
    assert await page.evaluate(NAMELESS) == []
    conversation = await ask(page, served, "看 https://bank.example/x")
    card = Card("转账确认", (("金额", "¥50,000"),), "可撤销", uri="https://bank.example")
    parts = (
        "1. 一 https://bank.example\n2. **二**",
        card,
        Sources((Citation("c", "题", "文", "https://b.example"),)),
        Buttons((Button("是", "y"),)),
    )
    for kind in ("answer", "warning", "confirmation", "notice", "digest"):
        served.host.release(message(conversation, kind, *parts, kind=kind))
    await served.say(message(conversation, "s", "您好"), by_staff=True)
    await expect(page.locator(".line.staff")).to_be_visible()
    await served.adapter.draft(Draft(conversation, "d", "正在", 1))
    await expect(page.locator(".draft")).to_be_visible()
    await page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert await page.evaluate(FAINT) == []
    assert await page.evaluate(NAMELESS) == []
    log = page.get_by_role("log")
    await expect(log).to_have_attribute("aria-live", "polite")
    await expect(log).to_have_attribute("aria-label", "对话")
    await expect(page.locator(".draft")).to_have_attribute("aria-live", "off")
    ids = await page.evaluate("[...document.querySelectorAll('[id]')].map((el) => el.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (844, 390), (1280, 800)])
async def test_nothing_is_cut_off_or_pushed_aside(
    page: Page, served: Served, width: int, height: int
) -> None:
    await page.set_viewport_size({"width": width, "height": height})
    await page.reload()
    await expect(page.locator("#greeting")).to_be_in_viewport(ratio=1)
    conversation = await ask(page, served, "长" * 80 + "a" * 200)
    wide = "w" * 200 + " https://bank.example/" + "x" * 200
    source = Sources((Citation("c", "题" * 60, "y" * 200),))
    choices = Buttons((Button("是" * 60, "y"),))
    await served.say(
        message(conversation, "a", wide, Card("c" * 80, (("k" * 40, "v" * 40),)), source, choices)
    )
    await expect(page.locator(".line.bot")).to_be_visible()
    over = await page.evaluate(
        f"[document.documentElement, {SCROLL}].map((el) => [el.scrollWidth - el.clientWidth])"
    )
    assert over == [[0], [0]]
    box = await page.locator("#send").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= height
    assert box["x"] + box["width"] <= width


async def test_two_tabs_show_one_conversation(page: Page, context: BrowserContext, served: Served) -> None:
    await ask(page, served, "第一页说")
    other = await context.new_page()
    await opened(other, served)
    conversation = await ask(page, served, "还是第一页")
    await served.say(message(conversation, "a", "回答"))
    for tab in (page, other):
        await expect(tab.locator(".line .text")).to_have_text(["第一页说", "还是第一页", "回答"])
    await page.bring_to_front()
    await page.locator("#reset").click()
    await page.get_by_role("button", name="开始新对话").click()
    for tab in (page, other):
        await expect(tab.locator(".line")).to_have_count(0)
        await expect(tab.locator("#welcome")).to_be_visible()
    await other.close()


async def test_an_expired_session_is_renewed_without_losing_the_message(
    page: Page, context: BrowserContext, served: Served
) -> None:
    await context.clear_cookies()
    conversation = await ask(page, served, "还在吗")
    await served.say(message(conversation, "a", "在的"))
    await expect(page.locator(".line.bot .text")).to_have_text("在的")
