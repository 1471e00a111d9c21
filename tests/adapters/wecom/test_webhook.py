"""A group's webhook: what is posted, at what pace, and what becomes of WeCom's refusals."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.base import Attachment
from adapters.wecom.webhook import WeComGroup, WeComGroupAdapter
from adapters.wecom.webhook.encoder import encode, literal
from bot.errors import RetryLater, SendAmbiguous, SendError, SendRefused, UnknownAttachment
from bot.types import (
    Button,
    Buttons,
    Card,
    Conversation,
    Draft,
    FileOut,
    ImageOut,
    OutboundMessage,
    OutPart,
    Text,
)
from tests.adapters.host import MemoryHost
from tests.adapters.wecom.app_rig import PNG, Clock
from tests.emulators.qyapi import Group, Qyapi
from tests.emulators.qyapi_checks import check_group_message

KEY = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa"
GROUP = Conversation("wecom", "risk-group", "risk-group")
_numbers = count(1)


def message(*parts: OutPart) -> OutboundMessage:
    return OutboundMessage(GROUP, parts, f"digest|{next(_numbers)}", "digest")


@dataclass
class Post:
    qyapi: Qyapi
    group: Group
    adapter: WeComGroupAdapter
    host: MemoryHost
    clock: Clock

    async def send(self, *parts: OutPart) -> None:
        await self.adapter.send(message(*parts))

    async def keep(self, data: bytes, name: str = "a.png") -> str:
        return await self.host.keep_attachment(GROUP, Attachment(name, "image/png", data))


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    clock = Clock()
    async with Qyapi(clock=clock) as qyapi:
        group = qyapi.add_group(KEY)
        chosen = WeComGroup(key=KEY, account="risk-group", webhook_base=qyapi.base_url)
        adapter = WeComGroupAdapter(chosen, clock=clock)
        host = MemoryHost(clock)
        await adapter.start(host)
        yield Post(qyapi, group, adapter, host, clock)
        await adapter.stop()
        await adapter.close()


def encoded(*parts: OutPart) -> list[tuple[str, Any]]:
    return [(made.msgtype, made.body) for made in encode(message(*parts))]


# ── the encoder ──


def test_text_is_text_and_buttons_are_numbered() -> None:
    choices = Buttons((Button("受理", "take"), Button("转交", "pass")), "怎么处理？")
    assert encoded(Text("新工单。"), choices) == [
        ("text", {"content": "新工单。\n\n怎么处理？\n1. 受理\n2. 转交"})
    ]


def test_a_card_is_markdown_with_its_buttons_numbered_below() -> None:
    fields = (("金额", "50万元"), ("客户", "1024"))
    card = Card("大额预警", fields, "请复核。", (Button("放行", "v"),), "https://b.example/1")
    content = "**大额预警**\n\n> 金额：50万元\n> 客户：1024\n\n请复核。\n\n[https://b.example/1](https://b.example/1)"
    assert encoded(card) == [("markdown", {"content": content}), ("text", {"content": "1. 放行"})]


def test_a_card_that_is_a_headline_with_a_link_is_news() -> None:
    assert encoded(Card("降准", text="央行宣布下调。", uri="https://b.example/news")) == [
        (
            "news",
            {
                "articles": [
                    {"title": "降准", "url": "https://b.example/news", "description": "央行宣布下调。"}
                ]
            },
        )
    ]


def test_what_markdown_would_format_is_shown_as_it_is() -> None:
    shown = literal("**粗** `码` [链](http://x) <@all> <font color>\n# 题\n> 引")
    for formatting in ("**", "](", "<@", "<font", "\n#", "\n>"):
        assert formatting not in shown
    assert shown.replace("\u200b", "") == "**粗** `码` [链](http://x) <@all> <font color>\n# 题\n> 引"


def test_long_texts_are_split_by_bytes() -> None:
    long = "每日要闻：央行公开市场操作净投放。" * 200
    made = encoded(Text(long), Card("要闻", (("摘要", "见下"),), long))
    assert {kind for kind, _ in made} == {"text", "markdown"}
    assert all(len(b["content"].encode()) <= (2048 if kind == "text" else 4096) for kind, b in made)


_parts = st.one_of(
    st.builds(Text, st.text(max_size=3000)),
    st.builds(
        Card,
        st.text(max_size=60),
        st.lists(st.tuples(st.text(max_size=8), st.text(max_size=40)), max_size=8).map(tuple),
        st.text(max_size=2000),
        st.just(()),
        st.sampled_from(["", "https://bank.example/1", "not a link"]),
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_parts, max_size=3))
def test_whatever_is_said_the_group_takes_it(parts: list[OutPart]) -> None:
    for made in encode(message(*parts)):
        check_group_message({"msgtype": made.msgtype, made.msgtype: made.body})


# ── posting ──


async def test_a_text_is_posted(post: Post) -> None:
    await post.send(Text("早报"))
    assert [shown.text for shown in post.group.shown] == ["早报"]


async def test_a_picture_is_posted_with_its_checksum(post: Post) -> None:
    await post.send(Text("图："), ImageOut(await post.keep(PNG), "走势"))
    assert base64.b64decode(post.group.shown[1].body["base64"]) == PNG


async def test_a_picture_above_two_megabytes_is_posted_as_a_file(post: Post) -> None:
    await post.send(ImageOut(await post.keep(PNG + bytes(2 << 20)), "走势"))
    (shown,) = post.group.shown
    assert shown.kind == "file"
    assert post.qyapi.media[shown.body["media_id"]].name == "a.png"


async def test_a_file_is_uploaded_and_posted(post: Post) -> None:
    await post.send(FileOut(await post.keep(b"%PDF-1.7"), "日报.pdf", "application/pdf"))
    (shown,) = post.group.shown
    assert post.qyapi.media[shown.body["media_id"]].name == "日报.pdf"


async def test_what_wecom_would_not_take_is_described(post: Post) -> None:
    await post.send(ImageOut(await post.keep(b"tiny"), "走势"))
    assert post.group.shown[0].text == "[图片] 走势"


async def test_an_attachment_that_is_gone_is_a_refusal(post: Post) -> None:
    with pytest.raises(SendRefused):
        await post.send(FileOut("nope", "a.pdf"))


async def test_twenty_a_minute_and_the_next_waits(post: Post) -> None:
    for number in range(20):
        await post.send(Text(f"第{number}条"))
    with pytest.raises(RetryLater) as late:
        await post.send(Text("第21条"))
    assert post.qyapi.calls["webhook/send"] == 20
    post.clock.move(late.value.retry_after)
    await post.send(Text("第21条"))
    assert len(post.group.shown) == 21


async def test_a_failure_in_the_middle_repeats_nothing(post: Post) -> None:
    digest = message(Text("一"), ImageOut(await post.keep(PNG), "图"), Text("二"))
    post.qyapi.fail("webhook/send", skip=1, status=503)
    with pytest.raises(SendError):
        await post.adapter.send(digest)
    await post.adapter.send(digest)
    assert [shown.kind for shown in post.group.shown] == ["text", "image", "text"]


async def test_a_robot_taken_out_of_its_group_is_a_refusal_and_bad_health(post: Post) -> None:
    post.qyapi.groups.clear()
    with pytest.raises(SendRefused, match="make a new one"):
        await post.send(Text("早报"))
    assert not (await post.adapter.health()).ok


async def test_wecoms_own_rate_limit_is_waited_out(post: Post) -> None:
    post.qyapi.fail("webhook/send", errcode=45009)
    with pytest.raises(RetryLater):
        await post.send(Text("早报"))


async def test_a_lost_answer_is_ambiguous(post: Post) -> None:
    post.qyapi.fail("webhook/send", garbage=b"?")
    with pytest.raises(SendAmbiguous) as failed:
        await post.send(Text("早报"))
    assert KEY not in str(failed.value)


async def test_the_key_is_checked_without_a_word_in_the_group(post: Post) -> None:
    found = {finding.what: finding for finding in await post.adapter.check("")}
    assert found["webhook"].ok
    assert found["clock"].ok
    assert post.group.shown == []
    post.qyapi.groups.clear()
    found = {finding.what: finding for finding in await post.adapter.check("")}
    assert not found["webhook"].ok
    assert KEY not in found["webhook"].detail


async def test_nothing_comes_in_and_nothing_grows(post: Post) -> None:
    assert post.adapter.routes() == []
    assert list(post.adapter.accounts) == ["risk-group"]
    await post.adapter.draft(Draft(GROUP, "k", "…", 1))
    await post.adapter.typing(GROUP, "zh")
    with pytest.raises(UnknownAttachment):
        await post.adapter.fetch(GROUP, "x")
    assert post.qyapi.calls.total() == 0
    assert KEY not in repr(WeComGroup(key=KEY))
