"""Tencent's own client speaks with our emulator of WeCom: what that checks is what the real wire has."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.emulators.aibot_socket import SECRET, AibotSocket

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 3000
SCRIPT = """
const {WSClient} = require('@wecom/aibot-node-sdk');
const {createHash} = require('crypto');
const quiet = {debug() {}, info() {}, warn() {}, error() {}};
const [, , wsUrl, secret] = process.argv;
const client = new WSClient({botId: 'BOT', secret, wsUrl, logger: quiet, heartbeatInterval: 50});
const card = {card_type: 'button_interaction', main_title: {title: 'Choose'}, task_id: 't1',
              button_list: [{text: 'A', style: 1, key: 'a'}]};
const say = value => console.log(JSON.stringify(value));
client.on('message.text', async frame => {
  const id = 'stream-1';
  await client.replyStream(frame, id, 'gro', false);
  await client.replyStream(frame, id, 'grown', true);
  try { await client.replyStream(frame, id, 'late', true); } catch (e) { say({late: e.errcode}); }
  await client.sendMessage(frame.body.from.userid, {msgtype: 'markdown', markdown: {content: '**pushed**'}});
  await client.sendMessage(frame.body.from.userid, {msgtype: 'template_card', template_card: card});
  const media = await client.uploadMedia(Buffer.alloc(600000, 7), {type: 'file', filename: 'a.bin'});
  await client.sendMediaMessage(frame.body.from.userid, 'file', media.media_id);
  say({media: media.media_id});
});
client.on('message.image', async frame => {
  const {buffer, filename} = await client.downloadFile(frame.body.image.url, frame.body.image.aeskey);
  say({filename, sha: createHash('sha256').update(buffer).digest('hex')});
});
client.on('event.enter_chat', async frame => {
  await client.replyWelcome(frame, {msgtype: 'text', text: {content: 'welcome'}});
});
client.on('event.template_card_event', async frame => {
  await client.updateTemplateCard(frame, {...card, main_title: {title: 'Chosen'}});
  say({pressed: frame.body.event.template_card_event.event_key});
});
client.on('event.disconnected_event', () => { say({evicted: true}); process.exit(0); });
client.connect();
"""


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Tencent's client. Skips where there is no node, npm or registry."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm aren't installed")
    folder = tmp_path_factory.mktemp("node")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), "@wecom/aibot-node-sdk@1"]
    if subprocess.run(command, capture_output=True, timeout=120, check=False).returncode:
        pytest.skip("npm can't install @wecom/aibot-node-sdk here")
    (folder / "peer.js").write_text(SCRIPT)
    return folder


async def test_tencents_client_and_our_emulator_understand_each_other(sdk: Path) -> None:
    async with AibotSocket() as wecom:
        peer = await asyncio.create_subprocess_exec(
            "node", "peer.js", wecom.ws_url, SECRET, cwd=sdk, stdout=asyncio.subprocess.PIPE
        )
        assert peer.stdout is not None
        try:
            await wecom.connected()
            bubble = await wecom.say("hello")
            assert json.loads(await peer.stdout.readline()) == {"late": 846608}
            media = json.loads(await peer.stdout.readline())["media"]
            assert (bubble.states, bubble.finished) == (["gro", "grown"], True)
            assert wecom.media[media] == b"\x07" * 600_000
            assert [body["msgtype"] for body in wecom.pushed] == ["markdown", "template_card", "file"]
            await wecom.send_picture(PNG, name="a.png")
            fetched = json.loads(await peer.stdout.readline())
            assert fetched == {"filename": "a.png", "sha": hashlib.sha256(PNG).hexdigest()}
            await wecom.enter()
            await wecom.press(wecom.pushed[1]["template_card"], "a")
            assert json.loads(await peer.stdout.readline()) == {"pressed": "a"}
            await wecom.until(lambda: wecom.welcomes == ["welcome"] and len(wecom.updates) == 1)
            await wecom.until(lambda: sum(frame["cmd"] == "ping" for frame in wecom.frames) >= 3)
            await wecom.evict()
            assert json.loads(await peer.stdout.readline()) == {"evicted": True}
            assert await asyncio.wait_for(peer.wait(), 5) == 0
            assert [refusal for refusal in wecom.refusals if "846608" not in refusal] == []
        finally:
            if peer.returncode is None:
                peer.kill()
                await peer.wait()
