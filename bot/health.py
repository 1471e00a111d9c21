"""`/healthz`, `/readyz` and `/metrics`: is it alive, can it work, and what is it doing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.config import LiveConfig
from bot.limits.load import Load
from bot.metrics import Metrics
from bot.ports import Generator, Retriever, RiskRules
from bot.store import Store
from bot.suitability.shelf import LiveCounter

__all__ = ["Health", "health_routes", "label_of"]

MEASURE_S = 2.0


class AdapterHealth(Protocol):
    name: str
    account: str

    async def health(self) -> Any: ...


class Supervisor(Protocol):
    """The part of the worker's supervisor that is shown."""

    def status(self) -> Any: ...
    def stats(self) -> Any: ...


class Health:
    """What `/readyz` knows."""

    def __init__(
        self,
        live: LiveConfig,
        store: Store,
        retriever: Retriever | None,
        adapters: Sequence[AdapterHealth],
        roles: frozenset[str],
        metrics: Metrics,
    ) -> None:
        self._live = live
        self._store = store
        self._retriever = retriever
        self._adapters = adapters
        self._roles = roles
        self._metrics = metrics
        self.supervisor: Supervisor | None = None
        self.generator: Generator | None = None
        self.knowledge_error = ""
        self.rules: RiskRules | None = None
        self.rules_error = ""
        self.wealth: LiveCounter | None = None
        self.not_started: dict[str, str] = {}
        """Adapters that couldn't be started yet, and why."""
        self.stopping = False
        self.load: Load | None = None
        """The gauge of a process that runs turns; `measure` feeds it."""

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """(can it work, the whole picture). Without the model it works, and says `verbatim`."""
        store = await self._store_state()
        ready = not self.stopping and store == "ok"
        loaded = self._live.current
        report: dict[str, Any] = {
            "ready": ready,
            "stopping": self.stopping,
            "roles": sorted(self._roles),
            "config": {"version": loaded.version, "error": self._live.error},
            "store": store,
            "platforms": {label_of(adapter): await self._state_of(adapter) for adapter in self._adapters},
        }
        if self._retriever is not None:
            report["knowledge"] = {"version": self._retriever.version, "error": self.knowledge_error}
            generating = self.generator is not None and self.generator.ready
            report["answers"] = "generated" if generating else "verbatim"
        if self.rules is not None:
            report["rules"] = {
                "version": self.rules.version,
                "error": self.rules_error,
                "unapproved": self.unapproved(),
            }
        if self.wealth is not None:
            report["suitability"] = {"error": self.wealth.error}
        if self.load is not None:
            report["load"] = self.load.report()
        if self.supervisor is not None:
            report["inference"] = msgspec.to_builtins(self.supervisor.status())
        elif not loaded.config.inference.enabled:
            report["inference"] = {"state": "off"}
        return ready, report

    def unapproved(self) -> list[str]:
        """Rules that should act and don't, since two people haven't approved them as they are."""
        found: list[str] = getattr(self.rules, "unapproved", list)()
        return found

    async def _state_of(self, adapter: AdapterHealth) -> dict[str, Any]:
        reason = self.not_started.get(label_of(adapter))
        if reason is not None:
            return {"ok": False, "detail": f"not started: {reason}"}
        state = await adapter.health()
        return {"ok": state.ok, "detail": state.detail}

    async def _store_state(self) -> str:
        try:
            async with asyncio.timeout(3):
                await self._store.ping()
        except Exception as error:
            return f"unavailable: {str(error) or 'no answer in 3 s'}"
        return "ok"

    async def measure(self) -> None:
        """Keep the gauges true until cancelled."""
        counted: dict[str, float] = {}
        while True:
            try:
                depths = await self._store.depths()
                for queue in ("inbox", "outbox", "dead_letters"):
                    self._metrics.depth.labels(queue).set(getattr(depths, queue))
                if self.load is not None:
                    self.load.measure(depths.inbox, inference=self._inference_queue())
            except Exception as error:  # a gauge must never end the counter
                self._metrics.errors.labels("measure", type(error).__name__).inc()
            self._metrics.rules_unapproved.set(len(self.unapproved()))
            generating = self.generator is not None and self.generator.ready
            self._metrics.inference_up.set(1 if generating else 0)
            if self.supervisor is not None:
                self._count(self.supervisor, counted)
            await asyncio.sleep(MEASURE_S)

    def _inference_queue(self) -> int:
        """Answers being or waiting to be written by a worker of this process."""
        if self.supervisor is None:
            return 0
        engine = self.supervisor.stats().engine
        return int(engine.running + engine.waiting)

    def _count(self, supervisor: Supervisor, counted: dict[str, float]) -> None:
        self._metrics.inference_restarts.set(supervisor.status().restarts)
        engine = supervisor.stats().engine
        for kind, value in (("generated", engine.tokens), ("prompt", engine.prompt_tokens)):
            # A restarted worker counts from zero again.
            before = counted.get(kind, 0.0)
            self._metrics.tokens.labels(kind).inc(value - before if value >= before else value)
            counted[kind] = value


def label_of(adapter: AdapterHealth) -> str:
    """`telegram`, or `telegram/second` for further accounts."""
    usual = adapter.account in ("default", adapter.name)
    return adapter.name if usual else f"{adapter.name}/{adapter.account}"


def health_routes(health: Health, metrics: Metrics) -> list[web.RouteDef]:
    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_request: web.Request) -> web.Response:
        ready, report = await health.ready()
        return web.json_response(report, status=200 if ready else 503)

    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", show)]
