"""One scripted conversation, end to end, on every platform's own wire, with the real model.

Question → streamed answer with its source → button → picture both ways → long text → hand-over notice.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.app import App
from bot.ids import utc_now
from bot.store import StoredFile
from bot.types import HandOver, ImageOut, OutboundMessage, OutPart, Text
from inference.client import WorkerSupervisor
from inference.generator.options import WorkerOptions
from tests.conftest import eventually
from tests.platforms.faces import FACES, PNG, Face, WeComKf, sees
from tests.platforms.setting import LONG, counter


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(model_cache: Path) -> AsyncIterator[WorkerSupervisor]:
    """The real worker, started once for all platforms."""
    supervisor = WorkerSupervisor(WorkerOptions(model="gemma3-270m", cache=str(model_cache)))
    supervisor.start()
    await supervisor.wait_ready(240)
    yield supervisor
    await supervisor.stop()


async def post(app: App, face: Face, key: str, *parts: OutPart) -> None:
    """What the scheduler or staff would send."""
    message = OutboundMessage(face.conversation, parts, key, "notice")
    await app.store.post(message, now=utc_now().timestamp())


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.model
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("make", FACES, ids=lambda face: face.name)
async def test_a_whole_conversation(make: type[Face], tmp_path: Path, worker: WorkerSupervisor) -> None:
    async with make() as face, counter(face, tmp_path, generator=worker) as app:
        # A question that a document answers: written by the model, growing, with its source.
        await face.say("银行卡遗失以后怎么挂失、怎么补卡？")
        answer = await sees(face, lambda text: "来源" in text, patience=120)
        assert "临时挂失" in answer
        assert "挂失与补卡" in answer or "银行卡服务指南" in answer
        if face.streams:
            assert face.growths() >= 1
        # A word that the bank can't place: choices, and one of them is pressed.
        before = len(face.shown())
        await face.say("今天天气怎么样")
        await sees(face, lambda text: "怎么开户" in text, after=before)
        before = len(face.shown())
        await face.press("怎么开户")
        await sees(face, lambda text: "怎么开户：请到网点或手机银行办理。" in text, after=before)
        # A picture from the customer, and one to the customer.
        before = len(face.shown())
        await face.send_picture()
        await sees(face, lambda text: "收到您的图片" in text, after=before)
        ref = app.rooms.new_id()
        picture = StoredFile("chart.png", "image/png", PNG)
        await app.store.keep_attachment(ref, face.conversation, picture, now=utc_now().timestamp())
        await post(app, face, "picture-1", Text("这是您要的图。"), ImageOut(ref, "走势图"))
        await sees(face, lambda text: "这是您要的图" in text, after=before)
        if face.gets_pictures:
            await sees(face, lambda _: PNG in face.pictures())
        else:
            assert "[图片] 走势图" in "\n".join(face.shown()[before:])
        # A text longer than the platform takes at once arrives whole and in order.
        before = len(face.shown())
        await face.say("Show me the full terms and conditions")
        shown = await sees(face, lambda text: "Clause 55" in text, after=before)
        assert squeezed(LONG) in squeezed(shown)
        # A person takes over.
        before = len(face.shown())
        notice = "正在为您转接人工客服，请稍候。"
        await post(app, face, "handover-1", Text(notice), HandOver())
        await sees(face, lambda text: notice in text, after=before)
        if isinstance(face, WeComKf):
            await handed_over(app, face)


async def handed_over(app: App, face: WeComKf) -> None:
    """At the platform's own desk the bot is silent until the person ends the conversation."""
    await eventually(lambda: face.kf.session(face.user).servicer == "lisi")
    before = len(face.shown())
    await face.say("怎么开户")
    for _ in range(400):
        if await was_left_alone(app, face, "怎么开户"):
            break
        await asyncio.sleep(0.05)
    assert await was_left_alone(app, face, "怎么开户")
    await face.kf.end(face.user)
    await face.say("转账要多久")
    await sees(face, lambda text: "转账要多久：请到网点" in text, after=before)
    assert "怎么开户：" not in "\n".join(face.shown()[before:])


async def was_left_alone(app: App, face: Face, text: str) -> bool:
    """Whether the customer's last message is `text`, and its turn is over."""
    last = (await app.store.transcript(face.conversation.key, limit=1))[-1]
    return last.event is not None and last.event.text == text and not (await app.store.depths()).inbox
