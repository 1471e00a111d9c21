"""Files that customers send to an app, and the names WeCom gives them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import Attachment
from adapters.wecom.media import file_name, kind_of, picture_type
from bot.errors import AttachmentRefused, SendError, UnknownAttachment
from bot.types import Conversation
from tests.adapters.wecom.app_rig import PNG, Rig, app_rig

CHAT = Conversation("wecom", "app", "zhangsan")


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with app_rig(attachment_bytes=1000) as made:
        yield made


async def test_a_picture_is_fetched_with_its_name_and_type(rig: Rig) -> None:
    media_id = rig.qyapi.keep_media("身份证.png", PNG, "image/png")
    await rig.qyapi.message("zhangsan", "image", MediaId=media_id, PicUrl="http://p")
    (part,) = rig.host.events[0].parts
    got = await rig.adapter.fetch(CHAT, part.ref)  # type: ignore[union-attr]
    assert got == Attachment("身份证.png", "image/png", PNG)


async def test_a_file_that_is_gone_is_unknown(rig: Rig) -> None:
    media_id = rig.qyapi.keep_media("a.png", PNG)
    rig.clock.move(3 * 24 * 3600)
    with pytest.raises(UnknownAttachment, match="3 days"):
        await rig.adapter.fetch(CHAT, media_id)
    with pytest.raises(UnknownAttachment):
        await rig.adapter.fetch(CHAT, "")


async def test_a_file_too_large_is_refused(rig: Rig) -> None:
    with pytest.raises(AttachmentRefused):
        await rig.adapter.fetch(CHAT, rig.qyapi.keep_media("a.png", bytes(1001)))


async def test_wecom_down_is_an_error_for_now(rig: Rig) -> None:
    rig.qyapi.fail("media/get", status=503)
    with pytest.raises(SendError, match="503"):
        await rig.adapter.fetch(CHAT, rig.qyapi.keep_media("a.png", PNG))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.jpg"', "a b.jpg"),
        ("attachment; filename=a.jpg", "a.jpg"),
        ("attachment; filename*=UTF-8''%E6%B5%81%E6%B0%B4.pdf", "流水.pdf"),
        ('attachment; filename="%E6%B5%81%E6%B0%B4.pdf"', "流水.pdf"),
        ('attachment; filename="流水.pdf"', "流水.pdf"),
        ('attachment; filename="../../etc/passwd"', "_.._etc_passwd"),
        ('attachment; filename="a\\"b.txt"', "a_b.txt"),
        ("attachment", "file"),
        ('attachment; filename="..."', "file"),
        ('attachment; filename="\udcff\udcfe.txt"', "_.txt"),
    ],
)
def test_names_are_read_however_they_are_written(header: str, name: str) -> None:
    assert file_name(header) == name


@given(st.text(st.characters(), max_size=300))
def test_no_name_leads_out_of_a_folder(noise: str) -> None:
    name = file_name(f'attachment; filename="{noise}"')
    assert 0 < len(name) <= 120
    assert not set(name) & set('/\\:*?"<>|\x00\n')
    assert name not in (".", "..")
    name.encode()


def test_what_wecom_shows_as_a_picture() -> None:
    assert picture_type(PNG) == "image/png"
    assert picture_type(b"\xff\xd8\xff\xe0") == "image/jpeg"
    assert picture_type(b"GIF89a") == ""
    assert kind_of(Attachment("a", "image/png", PNG)) == "image"
    assert kind_of(Attachment("a", "image/png", PNG), image_limit=10) == "file"
    with pytest.raises(AttachmentRefused):
        kind_of(Attachment("a", "image/png", bytes((20 << 20) + 1)))
