"""What people in charge do with keys and with customers' data; each deed goes on the record with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from bot.errors import NotAllowed, StoreError
from bot.store import audit, customers, sealer, vault
from bot.store.customers import Customer, Erased, Hold
from bot.store.schema import subjects
from bot.store.store import Store
from bot.store.subjects import versions_in_use
from bot.store.vault import Held, Revealed, Secret

__all__ = ["Custody", "KeyStatus"]

REWRAP = 200
"""Data keys rewrapped in one transaction."""


@dataclass(frozen=True, slots=True)
class KeyStatus:
    source: str
    current: int
    in_use: dict[int, int]
    """Master key version → data keys wrapped by it; 0 where it can be removed."""
    sealed: bool
    """Whether nothing is left in clear from before sealing."""


class Custody:
    """Over an open store. All times are epoch seconds; `by` and `second` are ids of staff, and whoever calls
    has made sure that they may (`bot.trust.people`)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # ── keys ──

    async def key_status(self) -> KeyStatus:
        def read(connection: Connection) -> KeyStatus:
            ring = self._store.keys.newest()
            used = versions_in_use(connection)
            in_use = {version: used.get(version, 0) for version in sorted({*ring.versions, *used})}
            sealed = sealer.is_all_sealed(connection)
            return KeyStatus(self._store.keys.source.name, ring.current, in_use, sealed)

        return await self._store.read(read)

    async def rotate(self, *, by: str, now: float) -> int:
        """Add a master key version and wrap every data key by it, in small steps while Teller runs.
        Returns how many were rewrapped. An interrupted one is finished by `rewrap`.

        Raises:
            KeyringError: the keyring can't be changed from here, or lacks a version.
        """
        ring = self._store.keys.source.add_master()
        self._store.keys.load(create=False)
        await self._store.note_audit("keys.rotated", {"by": by, "version": ring.current}, now=now)
        return await self.rewrap()

    async def rewrap(self) -> int:
        total = 0
        while done := await self._store.write(lambda c: self._store.keys.rewrap(c, REWRAP)):
            total += done
        return total

    async def remove_master(self, version: int, *, by: str, now: float) -> None:
        """Forget a master key version that wraps nothing.

        Raises:
            NotAllowed: it still wraps data keys, or is the current one.
        """

        def remove(connection: Connection) -> None:
            used = select(func.count()).where(subjects.c.key_version == version)
            number = connection.execute(used).scalar_one()
            if number:
                raise NotAllowed(
                    f"master key version {version} still wraps {number} data keys; "
                    "run `teller keys rewrap` first"
                )
            self._store.keys.source.remove_master(version)
            self._store.keys.load(create=False)
            audit.note(connection, now, "keys.removed", "", "", {"by": by, "version": version})

        await self._store.write(remove)

    async def seal_all(self) -> int:
        """Seal what earlier versions left in clear; how many rows."""
        total = 0
        while done := await self._store.seal_some():
            total += done
        if total:
            await self._store.scrub(compact=True)
        return total

    # ── customers ──

    async def find(self, id: str) -> Customer:
        """Raises StoreError if nobody is known by that id."""
        found = await self._store.read(lambda c: customers.find(c, self._store.keys, id))
        if found is None:
            raise StoreError(
                f"nobody is known as {id!r}; give platform:account:sender, or the key of a direct "
                "conversation (platform|account|chat|thread)"
            )
        return found

    async def export(self, id: str, *, by: str, now: float) -> dict[str, Any]:
        """Everything we hold of a customer, opened. The deed is on the record before anything is read."""
        customer = await self.find(id)
        data = {"customer": customer.index, "by": by, "conversations": list(customer.conversations)}
        await self._store.note_audit("customer.exported", data, now=now)
        return await self._store.read(lambda c: customers.export(c, self._store.keys, customer))

    async def erase(self, id: str, *, by: str, second: str, now: float) -> Erased:
        """Raises NotAllowed under a legal hold, or if `by` and `second` aren't two people."""
        if not by or by == second:
            raise NotAllowed("an erasure takes two different people: --by and --second")
        customer = await self.find(id)

        def write(connection: Connection) -> Erased:
            done = customers.erase(connection, self._store.keys, customer, now)
            data = {"customer": customer.index, "by": by, "second": second, "rows": done.rows}
            audit.note(connection, now, "customer.erased", "", "", data)
            return done

        erased = await self._store.write(write)
        self._store.keys.forget(customer.subjects)
        await self._store.scrub()
        return erased

    async def hold(self, id: str, *, reason: str, by: str, second: str, now: float) -> None:
        customer = await self._held_customer(id, by, second)

        def write(connection: Connection) -> None:
            customers.hold(connection, customer.index, reason, by, now)
            data = {"customer": customer.index, "by": by, "second": second, "reason": reason}
            audit.note(connection, now, "customer.held", "", "", data)

        await self._store.write(write)

    async def release(self, id: str, *, by: str, second: str, now: float) -> bool:
        """End a hold; False if there was none."""
        customer = await self._held_customer(id, by, second)

        def write(connection: Connection) -> bool:
            ended = customers.release(connection, customer.index)
            data = {"customer": customer.index, "by": by, "second": second}
            if ended:
                audit.note(connection, now, "customer.released", "", "", data)
            return ended

        return await self._store.write(write)

    async def hold_of(self, id: str) -> Hold | None:
        customer = await self.find(id)
        return await self._store.read(lambda c: customers.hold_of(c, customer.index))

    async def _held_customer(self, id: str, by: str, second: str) -> Customer:
        if not by or by == second:
            raise NotAllowed("a legal hold takes two different people: --by and --second")
        customer = await self.find(id)
        if not customer.index:
            raise StoreError("nobody has written in this conversation yet; there is no customer to hold")
        return customer

    # ── vault ──

    async def keep(self, subject: str, items: Sequence[Secret], *, now: float) -> None:
        await self._store.write(lambda c: vault.put(c, self._store.keys, subject, items, now))

    async def listing(self, id: str) -> list[Held]:
        """What the vault holds of a customer, masked. Raises StoreError if nobody is known by that id."""
        customer = await self.find(id)
        return await self._store.read(lambda c: vault.of_subjects(c, customer.subjects))

    async def reveal(
        self, token: str, *, by: str, role: str, reason: str, second: str = "", now: float
    ) -> Revealed:
        """Open one piece of personal data. The deed is on the record before the value is handed out.

        Raises:
            StoreError: there is no such token (any more).
        """
        found = await self._store.read(lambda c: vault.get(c, self._store.keys, token))
        data = {
            "token": token,
            "by": by,
            "role": role,
            "reason": reason,
            "second": second,
            "kind": "" if found is None else found.kind,
            "customer": "" if found is None else found.customer,
        }
        await self._store.note_audit("vault.revealed" if found else "vault.missed", data, now=now)
        if found is None:
            raise StoreError("there is nothing in the vault under this token; it may have expired")
        return found

    async def summary(self, id: str) -> dict[str, Any]:
        """What is known of a customer without opening anything."""
        customer = await self.find(id)
        held = await self._store.read(lambda c: customers.hold_of(c, customer.index))
        return {**asdict(customer), "hold": None if held is None else asdict(held)}
