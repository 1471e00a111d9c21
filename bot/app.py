"""The composition root: builds the rooms that a process's roles need, and runs them together.

With `bot.assembly`, which makes the parts, the only core module besides the command line that sees `bot`,
`adapters` and `inference` at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import structlog
from aiohttp import web

from adapters.base import Adapter
from bot.accounts import make_adapters
from bot.answering import Answering
from bot.assembly import (
    current_of,
    make_guard,
    make_masker,
    make_notes,
    make_reader,
    make_retriever,
    make_rules,
    make_safeguards,
    make_wealth,
    make_worker,
)
from bot.bus import Bus, open_bus
from bot.config import LiveConfig
from bot.errors import TellerError
from bot.health import Health, health_routes, label_of
from bot.host import CounterHost
from bot.ids import new_id, utc_now
from bot.inference_link import BusGenerator, serve_generator
from bot.limits.load import Load
from bot.lock import DataLock
from bot.metrics import Metrics
from bot.ports import Clock, Generator, Guard, Ids, Retriever, RiskRules
from bot.rails import build_handler
from bot.sender import Sender
from bot.store import Store
from bot.suitability.shelf import LiveCounter
from bot.trust.keyring import find_keys
from bot.turns import Turns

if TYPE_CHECKING:
    from inference.retrieval.retriever import KnowledgeRetriever

__all__ = ["ROLES", "App", "Role", "Rooms"]

log = structlog.get_logger(__name__)

Role = Literal["intake", "turns", "sender", "inference", "scheduler"]
ROLES: tuple[Role, ...] = get_args(Role)
SWEEP_S = 600.0
START_S = 20.0
"""How long one adapter may take to start; the others start beside it."""
RESTART_S = 30.0
"""Seconds after which an adapter that couldn't be started is tried again."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a caller may put in another's place: tests do, and so can an embedding program."""

    adapters: Sequence[Adapter] | None = None
    generator: Generator | None = None
    retriever: Retriever | None = None
    guard: Guard | None = None
    rules: RiskRules | None = None
    clock: Clock = utc_now
    new_id: Ids = field(default=new_id)


async def _stop_all(adapters: Sequence[Adapter]) -> None:
    """Side by side, so that one that takes its time uses up nobody else's."""
    for error in await asyncio.gather(*(adapter.stop() for adapter in adapters), return_exceptions=True):
        if isinstance(error, Exception):
            log.error("adapter.stop_failed", exc_info=error)


class App:
    """One `teller run` process.

    app = App(live, roles)
    async with app.running():
        await app.stopped.wait()
    """

    def __init__(self, live: LiveConfig, roles: Sequence[Role] = ROLES, rooms: Rooms | None = None) -> None:
        self.live = live
        self.roles = frozenset(roles)
        if live.config.bus.url == "memory://" and not {"intake", "turns", "sender"} <= self.roles:
            raise TellerError(
                "processes of different roles need a common bus: set bus.url to nats://host:port"
            )
        self.rooms = rooms or Rooms()
        self.metrics = Metrics()
        self.port = 0
        """The port actually listened on."""
        self.stopped = asyncio.Event()
        self.broken = ""
        """The room whose failure ended the process, if one did."""
        self.store: Store
        self.health: Health

    @asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        """Start everything; on the way out stop it in order, within `turns.shutdown_s` seconds.

        Raises:
            ConfigError, StoreError, BusError: it can't be started.
        """
        async with AsyncExitStack() as stack:
            await self._start(stack)
            yield self

    async def _start(self, stack: AsyncExitStack) -> None:
        live, rooms, config = self.live, self.rooms, self.live.config
        self.store = await self._open_store(stack)
        bus = await open_bus(config.bus.url)
        stack.push_async_callback(bus.close)
        retriever = rooms.retriever
        if retriever is None and "turns" in self.roles:
            retriever = await self._load_knowledge(stack)
        made = list(rooms.adapters) if rooms.adapters is not None else make_adapters(config)
        adapters = [adapter for adapter in made if self._can_serve(adapter)]
        self.health = Health(live, self.store, retriever, adapters, self.roles, self.metrics)
        generator = await self._link_generator(stack, bus)
        masker = make_masker()
        host = CounterHost(self.store, bus, live, self.metrics, rooms.clock, rooms.new_id, masker)
        self.metrics.config.labels(live.current.version).set(1)

        # Stopped in the opposite order: intake first, then turns, then sends, then the rest.
        for adapter in adapters:
            stack.push_async_callback(adapter.close)
        grace = config.turns.shutdown_s / 3
        if "sender" in self.roles:
            platforms = {(a.name, account): a for a in adapters for account in a.accounts}
            sender = Sender(
                self.store,
                bus,
                platforms,
                self.metrics,
                rooms.clock,
                lease_s=config.turns.lease_s,
                mask=lambda text: masker.mask(text).text,
                fallback=lambda: live.current.staff.default_channel,
            )
            self._work(stack, sender.run(), "sender", lambda: sender.stop(grace))
        rules, wealth = rooms.rules, None
        if "turns" in self.roles and retriever is not None:
            load = Load(lambda: live.config.limits.load, time.monotonic, self.metrics)
            self.health.load = load
            answering = Answering(
                retriever,
                rooms.guard or make_guard(),
                generator,
                self.metrics,
                rooms.new_id,
                load,
                make_reader(),
            )
            rules = self.health.rules = rules or make_rules(live)
            if unapproved := self.health.unapproved():
                log.error("rules.unapproved", rules=unapproved, note="see `teller check`")
            wealth = self.health.wealth = make_wealth(live)
            safe = make_safeguards(live, self.metrics, rooms.clock, rules, retriever)
            turns = Turns(
                self.store,
                bus,
                live,
                build_handler(answering, safe, current_of(wealth)),
                self.metrics,
                rooms.clock,
                masker=safe.masker,
                load=load,
                notes=make_notes(retriever),
            )
            self._work(stack, turns.run(), "turns", lambda: turns.stop(grace))
        self._work(stack, self._watch(retriever, rules, wealth), "watch", None)
        self._work(stack, self.health.measure(), "health", None)
        self._work(stack, self._sweep(), "sweep", None)
        await self._serve(stack, adapters, host)
        log.info(
            "counter.open",
            port=self.port,
            roles=sorted(self.roles),
            config=live.current.version,
            knowledge=retriever.version if retriever else "",
        )

    def _can_serve(self, adapter: Adapter) -> bool:
        """Whether an adapter belongs into this process. Raises TellerError where roles are cut wrongly."""
        if not adapter.capabilities.connection_bound:
            return True
        if "intake" in self.roles and "sender" not in self.roles:
            raise TellerError(
                f"{adapter.name} account {adapter.account!r} sends over the connection that receives: "
                "give this process both roles, intake and sender"
            )
        return "intake" in self.roles

    # ── rooms ──

    async def _open_store(self, stack: AsyncExitStack) -> Store:
        url = self.live.current.store_url
        embedded = url.startswith("sqlite:///")
        if embedded:
            lock = DataLock(Path(url.removeprefix("sqlite:///") + ".lock"))
            lock.take()
            stack.callback(lock.release)
        store = await Store.open(url, keys=find_keys(self.live.current.keyring_path))
        stack.push_async_callback(store.close)
        if embedded:
            # The lock is ours, so whoever held leases in this database is dead.
            await store.recover()
        return store

    async def _load_knowledge(self, stack: AsyncExitStack) -> KnowledgeRetriever:
        """Start to load; go on as soon as anything can be found, be it by words alone."""
        retriever = make_retriever(self.live)
        loading = asyncio.create_task(retriever.load(), name="knowledge")

        async def stop() -> None:
            retriever.close()
            await asyncio.gather(loading, return_exceptions=True)

        stack.push_async_callback(stop)
        serving = asyncio.create_task(retriever.serving())
        await asyncio.wait({loading, serving}, return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        if loading.done():
            loading.result()
        else:
            loading.add_done_callback(self._broke)
            log.info("knowledge.embedding", note="answers are found by words alone until this is done")
        return retriever

    async def _link_generator(self, stack: AsyncExitStack, bus: Bus) -> Generator | None:
        """Host a worker if that is our role; reach one over the bus if we run turns."""
        config, rooms = self.live.config, self.rooms
        if rooms.generator is not None:
            return rooms.generator
        if not config.inference.enabled:
            return None
        if "inference" in self.roles:
            supervisor = make_worker(self.live)
            supervisor.start()
            stack.push_async_callback(supervisor.stop)
            await stack.enter_async_context(serve_generator(bus, supervisor))
            self.health.supervisor = supervisor
        if "turns" not in self.roles:
            return None
        generator = BusGenerator(bus, self.rooms.clock)
        self._work(stack, generator.listen(), "inference-link", None)
        self.health.generator = generator
        return generator

    async def _watch(
        self, retriever: Retriever | None, rules: RiskRules | None, wealth: LiveCounter | None
    ) -> None:
        async def reload_rules() -> None:
            reload = getattr(rules, "reload", None)
            if rules is None or reload is None:
                return
            try:
                if await reload():
                    log.info("rules.active", version=rules.version)
                self.health.rules_error = ""
            except Exception as error:  # whatever is wrong with them, the running set stays
                self.health.rules_error = str(error)
                log.error("rules.refused", error=str(error), still_active=rules.version)

        async def reload_knowledge() -> None:
            reload = getattr(retriever, "reload", None)
            if retriever is None or reload is None:
                return
            try:
                if await reload():
                    log.info("knowledge.active", version=retriever.version)
                self.health.knowledge_error = ""
            except Exception as error:  # whatever is wrong with it, the last good version serves
                self.health.knowledge_error = str(error)
                log.error("knowledge.refused", error=str(error), still_active=retriever.version)

        async def reload_wealth() -> None:
            if wealth is not None:
                await wealth.reload()

        folders = {
            self.live.current.knowledge_path: reload_knowledge,
            self.live.current.rules_path: reload_rules,
        }
        if wealth is not None:
            folders |= dict.fromkeys(wealth.paths, reload_wealth)
        await self.live.watch(folders, self.stopped)

    async def _start_adapter(self, adapter: Adapter, host: CounterHost, receives: bool) -> bool:
        """One platform that can't be started must not keep the others' customers out."""
        label = label_of(adapter)
        try:
            async with asyncio.timeout(START_S):
                await adapter.start(host, receive=receives)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:300]
            log.error("adapter.not_started", adapter=label, reason=reason, retry_s=RESTART_S)
            self.health.not_started[label] = reason
            return False
        self.health.not_started.pop(label, None)
        return True

    async def _start_later(self, adapter: Adapter, host: CounterHost, receives: bool) -> None:
        started = False
        while not started:
            await asyncio.sleep(RESTART_S)
            await adapter.stop()
            started = await self._start_adapter(adapter, host, receives)

    async def _sweep(self) -> None:
        """Remove what has expired, now and then."""
        while True:
            try:
                await self.store.sweep(
                    now=self.rooms.clock().timestamp(), retention=self.live.config.trust.retention
                )
            except Exception as error:  # whatever it is, the counter works on without
                self.metrics.errors.labels("sweep", type(error).__name__).inc()
            await asyncio.sleep(SWEEP_S)

    async def _serve(self, stack: AsyncExitStack, adapters: Sequence[Adapter], host: CounterHost) -> None:
        application = web.Application(client_max_size=1 << 20)
        application.add_routes(health_routes(self.health, self.metrics))
        receives = "intake" in self.roles
        for adapter in adapters if receives else ():
            application.add_routes(adapter.routes())
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)

        async def refuse_events() -> None:
            host.stopping = True

        stack.push_async_callback(refuse_events)
        stack.push_async_callback(_stop_all, adapters)
        starting = [self._start_adapter(adapter, host, receives) for adapter in adapters]
        for adapter, started in zip(adapters, await asyncio.gather(*starting), strict=True):
            if not started:
                self._work(stack, self._start_later(adapter, host, receives), "start-adapter", None)
        server = self.live.config.server
        site = web.TCPSite(runner, server.host, server.port)
        try:
            await site.start()
        except OSError as error:
            where = f"{server.host}:{server.port}"
            raise TellerError(
                f"can't listen on {where}: {error.strerror}; set server.port or --port"
            ) from None
        self.port = runner.addresses[0][1]

        async def close_intake() -> None:
            # First no new connections; then each adapter stores what it has read (some wires have no
            # redelivery) and stops; only then is nothing accepted any more.
            self.health.stopping = True
            await site.stop()

        stack.push_async_callback(close_intake)

    def _work(
        self,
        stack: AsyncExitStack,
        work: object,
        name: str,
        stop: Callable[[], object] | None,
    ) -> None:
        """Run a task for as long as the app lives; if it breaks, the process ends rather than limps."""
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)  # type: ignore[arg-type]
        task.add_done_callback(self._broke)

        async def finish() -> None:
            if stop is None:
                task.cancel()
            else:
                await stop()  # type: ignore[misc]
            with suppress(asyncio.CancelledError, Exception):
                await task

        stack.push_async_callback(finish)

    def _broke(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.broken = task.get_name()
            log.critical("room.broke", room=task.get_name(), exc_info=task.exception())
            self.metrics.errors.labels(task.get_name(), type(task.exception()).__name__).inc()
            self.stopped.set()
