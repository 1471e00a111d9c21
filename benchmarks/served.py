"""`transformers serve` on the packaged base: a real OpenAI-compatible server to measure and test against."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

__all__ = ["served_folder", "transformers_server"]

_TEMPLATE = """\
{{ bos_token }}{% for message in messages %}{{ message.role }}: {{ message.content }}
{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"""
"""The packaged base brings no chat template; the server asks for one."""


def served_folder(base: Path, folder: Path) -> Path:
    """A folder that `transformers serve` takes: the base's files, linked, and a chat template."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in base.iterdir():
        link = folder / file.name
        if not link.exists():
            link.symlink_to(file.resolve())
    (folder / "chat_template.jinja").write_text(_TEMPLATE)
    return folder


@asynccontextmanager
async def transformers_server(
    folder: Path, *options: str, log: Path, threads: int | None = None, patience: float = 300
) -> AsyncIterator[str]:
    """Its API's base address (`http://127.0.0.1:PORT/v1`), once it answers.

    Raises:
        RuntimeError: it ended or wasn't there after `patience` seconds; `log` says why.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", *options]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out, env=environment)
    try:
        await _until_healthy(f"http://127.0.0.1:{port}/health", process, log, time.monotonic() + patience)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _until_healthy(url: str, process: asyncio.subprocess.Process, log: Path, until: float) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            if process.returncode is not None or time.monotonic() > until:
                raise RuntimeError(f"transformers serve isn't there, see {log}")
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.5)
