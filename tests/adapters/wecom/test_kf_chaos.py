"""微信客服: whatever fails, every message is taken once and in order."""

from __future__ import annotations

from random import Random

import pytest

from bot.errors import QueueFull, StoreBusy
from tests.adapters.wecom.kf_rig import CUSTOMER, Rig, rig_of

MESSAGES = 60


async def mishap(rig: Rig, chance: Random) -> None:
    """Something that happens between two messages, or nothing."""
    match chance.randrange(10):
        case 0:
            rig.host.failure = chance.choice([StoreBusy("locked"), QueueFull("full")])
        case 1 | 2:
            rig.host.failure = None
        case 3:
            rig.qyapi.fail("kf/sync_msg", chance.randint(1, 2), status=502)
        case 4:
            rig.qyapi.fail("kf/sync_msg", 1, errcode=chance.choice([-1, 45009, 95007]))
        case 5:
            rig.kf.page_sizes.extend(chance.choices([0, 1, 2, 3], k=3))
        case 6:
            rig.qyapi.expire_tokens()
        case 7:
            rig.kf.nudging = not rig.kf.nudging
        case 8:
            await rig.adapter.stop()
            await rig.adapter.close()
            rig.adapter = rig.new_adapter()
            await rig.adapter.start(rig.host)


@pytest.mark.parametrize("seed", range(8))
async def test_nothing_is_lost_doubled_or_out_of_order(seed: int) -> None:
    chance = Random(seed)
    async with rig_of() as rig:
        said = [f"第{number}条" for number in range(MESSAGES)]
        for text in said:
            await mishap(rig, chance)
            await rig.kf.say(CUSTOMER, text)
        rig.host.failure, rig.kf.nudging = None, True
        rig.qyapi._failures.clear()
        rig.time.pass_(61)  # past the limit on pulls without a token
        await rig.kf.nudge()
        await rig.heard(MESSAGES)
        await rig.quiet()
        assert [event.text for event in rig.host.events] == said
