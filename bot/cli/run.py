"""`teller run`: open the counter."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Annotated

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, fail, open_config, run_async, say_line
from bot.config import LiveConfig
from bot.logs import IDENTITIES, set_up_logs

__all__ = ["run"]


def run(
    config: ConfigOption = DEFAULT_CONFIG,
    roles: Annotated[
        str, typer.Option(help="Which parts to run: intake,turns,sender,inference,scheduler, or all.")
    ] = "all",
    port: Annotated[int | None, typer.Option(help="Listen on this port instead of server.port.")] = None,
) -> None:
    """Open the counter and serve until SIGTERM or Ctrl-C."""
    from bot.app import ROLES
    from inference.privacy.logs import MaskEvent

    named = [name.strip() for name in roles.split(",") if name.strip()]
    wanted: list[str] = list(ROLES) if roles == "all" else named
    unknown = [name for name in wanted if name not in ROLES]
    if unknown or not wanted:
        raise fail(f"unknown role {', '.join(unknown) or '(none)'}; known: all, {', '.join(ROLES)}", 2)
    live = open_config(config)
    if port is not None:
        live = _on_port(live, port)
    set_up_logs(live.config.log, MaskEvent(exempt=IDENTITIES))
    # The loop waits this long for the interpreter when a thread (store, search) holds it. The usual
    # 5 ms, several times in each request, would be most of an acknowledgement.
    sys.setswitchinterval(0.0005)
    run_async(_serve(live, wanted))


def _on_port(live: LiveConfig, port: int) -> LiveConfig:
    import dataclasses

    server = live.config.server.model_copy(update={"port": port})
    config = live.config.model_copy(update={"server": server})
    return LiveConfig(dataclasses.replace(live.current, config=config))


async def _serve(live: LiveConfig, roles: list[str]) -> None:
    from bot.app import App

    app = App(live, roles)  # type: ignore[arg-type]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, app.stopped.set)
    async with app.running():
        if "intake" in app.roles:
            say_line(f"Teller is open at http://{live.config.server.host}:{app.port}  (stop with Ctrl-C)")
        await app.stopped.wait()
    if app.broken:
        raise fail(f"{app.broken} broke; the log says how")
