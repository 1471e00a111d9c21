"""What staff do with feedback: correct, review, take out for training; each deed goes on the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.feedback.item import Item, Status
from bot.feedback.rows import Exchange, exchanges, runs
from bot.ports import Masker
from bot.store import Store, audit, feedback
from bot.store.subjects import DataKeys, key_is_gone

__all__ = ["FeedbackDesk"]

T = TypeVar("T")
CONTACTS = frozenset({"PHONE", "EMAIL", "ADDRESS"})
"""Kinds of data of which the bank's own may stand in a reply."""


def _nothing(_: str) -> bool:
    return False


class FeedbackDesk:
    """Over an open store. All times are epoch seconds; `by` is a staff id, and whoever calls has made sure
    that they may (`bot.trust.people`).

    Args:
        stated: whether the bank itself says a number or an address (`inference.privacy.leaks.stated_in`):
            in what is answered, that isn't masked.
    """

    def __init__(self, store: Store, masker: Masker, *, stated: Callable[[str], bool] = _nothing) -> None:
        self._store = store
        self._masker = masker
        self._stated = stated

    async def items(self, *, status: Status | None = None, limit: int | None = None) -> list[Item]:
        """The oldest first; texts aren't masked yet."""
        return await self._store.read(
            lambda c: feedback.items(c, self._store.keys, status=status, limit=limit)
        )

    async def item(self, id: int) -> Item:
        """Raises StoreError if there is none (any more)."""
        found = await self._store.read(lambda c: feedback.items(c, self._store.keys, ids=(id,)))
        if not found:
            raise StoreError(f"there is no feedback {id} (any more); `teller feedback list` shows it")
        return found[0]

    async def correct(
        self, message: str, text: str, *, by: str, passages: Sequence[str] = (), now: float
    ) -> int:
        """What an answer should have been; its id. It waits for a colleague's review.

        Args:
            message: id of feedback on the answer, or the answer's own key.

        Raises:
            StoreError: no such answer, or nothing is said.
        """
        return await self._say_instead("correction", feedback.find_answer, message, text, by, passages, now)

    async def resolution(
        self, number: str, text: str, *, by: str, passages: Sequence[str] = (), now: float
    ) -> int:
        """What answered the question of a ticket; its id. It waits for a colleague's review.

        Raises:
            StoreError: no such ticket, its question isn't kept any more, or nothing is said.
        """
        return await self._say_instead("resolution", feedback.find_case, number, text, by, passages, now)

    async def review(self, ids: Sequence[int], status: Status, *, by: str, now: float) -> list[Item]:
        """Approve or reject, all or none. Raises StoreError, NotAllowed (see `bot.store.feedback.review`)."""

        def write(connection: Connection) -> list[Item]:
            found = feedback.review(connection, self._store.keys, ids, status, by, now)
            for item in found:
                data = {"feedback": item.id, "by": by, "kind": item.kind, "verdict": item.verdict}
                data |= {"on": item.event_id, "was": item.status}
                audit.note(connection, now, f"feedback.{status}", item.conversation, "", data)
            return found

        return await self._store.write(write)

    async def reviewed(self, *, gap_s: float, leave_out: Sequence[str] = ()) -> list[tuple[Exchange, ...]]:
        """Everything that was approved, masked, as dialogues (`bot.feedback.rows.runs`).

        Args:
            leave_out: paragraphs that code appends to answers now, and that nobody is to learn; what it
                appended to an answer is known of that answer.
        """

        def read(connection: Connection) -> list[tuple[Exchange, ...]]:
            items = feedback.items(connection, self._store.keys, status="approved")
            bare = [
                replace(
                    item,
                    reply=_without(item.reply, (*item.appended, *leave_out)),
                    text=_without(item.text, leave_out),
                )
                for item in items
            ]
            found = exchanges(bare, self.masked, self.masked_reply)
            places = sorted({one.conversation for one in found})
            return list(runs(found, feedback.lines(connection, places), gap_s=gap_s))

        return await self._store.read(read)

    async def note_export(self, form: str, rows: int, sha256: str, *, by: str, now: float) -> None:
        """Put an export on the record; before it is handed out."""
        data = {"by": by, "form": form, "rows": rows, "sha256": sha256}
        await self._store.note_audit("feedback.exported", data, now=now)

    def masked(self, text: str) -> str:
        return self._masker.mask(text).text

    def masked_reply(self, text: str) -> str:
        """An answer masked, but for the bank's own numbers and addresses."""
        masked = self._masker.mask(text)
        shown, done, raw_at, at = masked.text, "", 0, 0
        for kind, value, instead in masked.pieces(text):
            # What lies between two pieces is the same in both texts.
            while not (text.startswith(value, raw_at) and shown.startswith(instead, at)):
                if at >= len(shown):
                    return shown
                done, raw_at, at = done + shown[at], raw_at + 1, at + 1
            done += value if kind in CONTACTS and self._stated(value) else instead
            raw_at, at = raw_at + len(value), at + len(instead)
        return done + shown[at:]

    async def _sealed(self, write: Callable[[Connection], T]) -> T:
        """Run a write under a customer's key, which another process may just have erased."""
        try:
            return await self._store.write(write)
        except IntegrityError as error:
            if key_is_gone(error):
                self._store.keys.clear()
                raise StoreError("the customer's question isn't kept any more") from None
            raise StoreError("the same was said by the same hand at this moment; try again") from None

    async def _say_instead(
        self,
        kind: Literal["correction", "resolution"],
        find: Callable[[Connection, DataKeys, str], tuple[str, str, str]],
        what: str,
        text: str,
        by: str,
        passages: Sequence[str],
        now: float,
    ) -> int:
        masked = self.masked_reply(text.strip())
        if not masked.strip():
            raise StoreError("say what the answer is: --text TEXT")

        def write(connection: Connection) -> int:
            keys = self._store.keys
            about = find(connection, keys, what)
            id = feedback.say_instead(
                connection, keys, about, masked, kind=kind, by=by, passages=passages, now=now
            )
            data = {"feedback": id, "by": by, "on": about[1], "passages": list(passages)}
            audit.note(connection, now, f"feedback.{kind}", about[0], "", data)
            return id

        return await self._sealed(write)


def _without(text: str, paragraphs: Sequence[str]) -> str:
    kept = [paragraph for paragraph in text.split("\n\n") if paragraph.strip() not in paragraphs]
    return "\n\n".join(kept).strip()
