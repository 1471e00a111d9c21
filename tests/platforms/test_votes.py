"""👍 and 👎 under an answer, on the platforms that show them; the others show nothing in their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.feedback.desk import FeedbackDesk
from inference.privacy.masker import TextMasker
from tests.platforms.faces import FACES, Face, Slack, Telegram, sees
from tests.platforms.setting import counter


@pytest.mark.parametrize("make", FACES, ids=lambda face: face.name)
async def test_an_answer_can_be_voted_on(make: type[Face], tmp_path: Path) -> None:
    async with make() as face, counter(face, tmp_path) as app:
        await face.say("怎么开户")
        shown = await sees(face, lambda text: "怎么开户：请到网点" in text)
        if make not in (Telegram, Slack):
            assert "👍" not in shown
            return
        before = len(face.shown())
        await face.press("👍")
        await sees(face, lambda text: "谢谢您的肯定" in text, after=before)
        await face.redeliver()
        await face.press("👎")
        await sees(face, lambda text: "已改为👎" in text, after=before)
        assert len(face.shown()) == before + 2
        [item] = await FeedbackDesk(app.store, TextMasker()).items()
        assert (item.question, item.verdict) == ("怎么开户", "down")
        assert item.reply.startswith("怎么开户：请到网点")
        # A vote is nothing that was said.
        lines = await app.store.transcript(face.conversation.key, limit=10)
        assert [line.role for line in lines if line.event] == ["customer"]
