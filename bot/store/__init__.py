"""The durable store: SQLite embedded, PostgreSQL scaled."""

from bot.store.history import Row
from bot.store.inbox import Claim, Owner
from bot.store.letters import DeadLetter
from bot.store.outbox import Dispatch
from bot.store.store import AuditEntry, Depths, Outcome, Store, StoredFile

__all__ = [
    "AuditEntry",
    "Claim",
    "DeadLetter",
    "Depths",
    "Dispatch",
    "Outcome",
    "Owner",
    "Row",
    "Store",
    "StoredFile",
]
