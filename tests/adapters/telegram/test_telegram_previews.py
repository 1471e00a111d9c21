"""Answers that grow, and the final message in their place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.base import Attachment
from adapters.telegram.limits import Limits
from adapters.telegram.previews import draft_id
from bot.errors import SendError, StoreBusy
from bot.types import Button, Buttons, Card, ImageOut, Text
from tests.adapters.telegram.rig import Rig, draft, fast, here, reply, rig
from tests.conftest import eventually
from tests.emulators.telegram import TelegramEmulator


@asynccontextmanager
async def quick() -> AsyncIterator[Rig]:
    """A bot to which seconds are hundredths."""
    clock = fast(100)
    async with rig(receiving=False, api=TelegramEmulator(clock=clock), limits=Limits(clock)) as bot:
        running = bot.adapter._running
        assert running is not None
        running.previews._private._every_s = running.previews._group._every_s = 0.01
        yield bot


async def grow(bot: Rig, chat: Any, *texts: str, key: str = "k1") -> None:
    for number, text in enumerate(texts, 1):
        await bot.adapter.draft(draft(chat, text, number, key=key))
        await asyncio.sleep(0.05)


async def test_in_a_private_chat_an_answer_grows_as_a_draft_and_ends_as_one_message() -> None:
    async with quick() as bot:
        wang = bot.api.world.customer()
        await grow(bot, wang.chat, "请", "请先", "请先挂失")
        await bot.adapter.send(reply(wang.chat, "请先挂失。", key="k1"))
        drafts = [call.params for call in bot.api.made("sendMessageDraft")]
        assert [d["text"] for d in drafts] == ["请", "请先", "请先挂失"]
        assert {d["draft_id"] for d in drafts} == {draft_id("k1")}
        assert [m["text"] for m in wang.chat.messages.values()] == ["请先挂失。"]
        assert bot.api.made("editMessageText") == []


async def test_a_draft_that_comes_late_is_not_shown() -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        await bot.adapter.send(reply(wang.chat, "好。", key="k1"))
        await grow(bot, wang.chat, "好")
        assert bot.api.made("sendMessageDraft") == []


@pytest.mark.parametrize("refusal", ["old server", "this chat"])
async def test_where_drafts_are_refused_a_message_is_edited_instead(refusal: str) -> None:
    async with quick() as bot:
        wang = bot.api.world.customer()
        if refusal == "old server":
            bot.api.sending.takes_drafts = False
        else:
            bot.api.fail("sendMessageDraft", 400, "Bad Request: TEXTDRAFT_PEER_INVALID", times=9)
        await grow(bot, wang.chat, "请")
        delivery = await bot.adapter.send(reply(wang.chat, Card("挂失", text="请先挂失。"), key="k1"))
        [message] = wang.chat.messages.values()
        assert (message["text"], message["entities"][0]["type"]) == ("挂失\n请先挂失。", "bold")
        assert delivery.message_id == str(message["message_id"])
        assert (await bot.adapter.health()).ok


async def test_in_a_group_an_answer_grows_by_edits_and_the_last_is_formatted() -> None:
    async with quick() as bot:
        group = bot.api.world.group()
        await grow(bot, group, "请", "请先**挂", "请先**挂失**")
        parts = (Text("请先挂失。"), Buttons((Button("补卡", "kb:r"),)))
        await bot.adapter.send(reply(group, *parts, key="k1"))
        edits = [call.params for call in bot.api.made("editMessageText")]
        assert all("entities" not in edit and "reply_markup" not in edit for edit in edits[:-1])
        [message] = [m for m in group.messages.values() if m["from"] == bot.api.bot]
        assert (message["text"], len(message["reply_markup"]["inline_keyboard"])) == ("请先挂失。", 1)
        assert len(bot.api.made("sendMessage")) == 1


async def test_in_a_group_the_growing_answer_is_already_a_reply_to_the_question() -> None:
    async with rig() as bot:
        group = bot.api.world.group()
        update = bot.api.world.customer().say("@teller_bot 贷款", group)
        event = await bot.event(1)
        await bot.adapter.draft(draft(group, "请", 1, key="k1", to=event.event_id))
        shown = await bot.api.sent(group)
        await bot.adapter.send(reply(group, "请看。", key="k1", to=event.event_id))
        assert shown["reply_to_message"]["message_id"] == update["message"]["message_id"]
        assert group.messages[shown["message_id"]]["text"] == "请看。"


async def test_a_long_answer_takes_the_drafts_place_and_goes_on_below() -> None:
    async with rig(receiving=False) as bot:
        group = bot.api.world.group()
        await grow(bot, group, "请")
        await bot.adapter.send(reply(group, "长" * 5000, key="k1"))
        shown = [m["text"] for m in group.messages.values() if m["from"] == bot.api.bot]
        assert [len(text) for text in shown] == [4096, 904]


async def test_a_draft_longer_than_a_message_is_cut() -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        await grow(bot, wang.chat, "长" * 5000)
        [call] = await bot.api.called("sendMessageDraft")
        assert len(call.params["text"]) == 4096


async def test_a_final_text_that_already_stands_there_is_success() -> None:
    async with rig(receiving=False) as bot:
        group = bot.api.world.group()
        await grow(bot, group, "请先挂失。")
        for _ in range(2):
            await bot.adapter.send(reply(group, "请先挂失。", key="k1"))
        assert [m["text"] for m in group.messages.values() if m["from"] == bot.api.bot] == ["请先挂失。"]


async def test_a_draft_deleted_meanwhile_is_sent_anew() -> None:
    async with rig(receiving=False) as bot:
        group = bot.api.world.group()
        await grow(bot, group, "请")
        group.messages.clear()
        await bot.adapter.send(reply(group, "请先挂失。", key="k1"))
        assert [m["text"] for m in group.messages.values()] == ["请先挂失。"]


async def test_a_draft_that_an_answer_cannot_be_put_into_is_taken_away() -> None:
    async with rig(receiving=False) as bot:
        group = bot.api.world.group()
        await grow(bot, group, "请")
        ref = await bot.host.keep_attachment(here(group), Attachment("a.png", "image/png", b"\x89PNG"))
        await bot.adapter.send(reply(group, ImageOut(ref, "图"), key="k1"))
        [message] = [m for m in group.messages.values() if m["from"] == bot.api.bot]
        assert "photo" in message


async def test_a_flood_in_a_draft_costs_the_answer_nothing() -> None:
    async with quick() as bot:
        wang = bot.api.world.customer()
        bot.api.fail("sendMessageDraft", 429, retry_after=30)
        await grow(bot, wang.chat, "请", "请先")
        await bot.adapter.send(reply(wang.chat, "请先挂失。", key="k1"))
        assert [m["text"] for m in wang.chat.messages.values()] == ["请先挂失。"]


async def test_a_group_whose_previews_are_many_keeps_a_place_for_the_answer() -> None:
    async with quick() as bot:
        group = bot.api.world.group()
        for number in range(40):
            await bot.adapter.draft(draft(group, "字" * (number + 1), number + 1, key="k1"))
            await asyncio.sleep(0.01)
        await bot.adapter.send(reply(group, "好。", key="k1"))
        previews = len(bot.api.made("sendMessage")) + len(bot.api.made("editMessageText"))
        assert 2 <= previews <= 11
        assert bot.api.flood.refused == 0


async def test_an_answers_preview_is_found_by_another_process() -> None:
    async with rig(receiving=False) as one:
        group = one.api.world.group()
        await grow(one, group, "请")
        await eventually(lambda: one.api.made("sendMessage"))
        await one.adapter.close()
        await one.adapter.start(one.host, receive=False)
        await one.adapter.send(reply(group, "请先挂失。", key="k1"))
        assert [m["text"] for m in group.messages.values() if m["from"] == one.api.bot] == ["请先挂失。"]


async def test_a_preview_never_raises() -> None:
    async with quick() as bot:
        wang = bot.api.world.customer()
        for status in (400, 401, 403, 429, 500):
            bot.api.fail("*", status, times=3)
            await grow(bot, wang.chat, "请", "请先", key=f"k{status}")
        bot.host.failure = StoreBusy("locked")
        await grow(bot, wang.chat, "请", key="k9")


async def test_a_preview_whose_answer_failed_is_still_there_for_the_next_try() -> None:
    async with rig(receiving=False) as bot:
        group = bot.api.world.group()
        await grow(bot, group, "请")
        bot.api.fail("editMessageText", 502)
        with pytest.raises(SendError):
            await bot.adapter.send(reply(group, "请先挂失。", key="k1"))
        await bot.adapter.send(reply(group, "请先挂失。", key="k1"))
        assert [m["text"] for m in group.messages.values() if m["from"] == bot.api.bot] == ["请先挂失。"]
