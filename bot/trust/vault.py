"""The vault: personal data that is masked everywhere else, revealed by role and reason, on the record.

Rails don't write to it: they put `Secret`s into `Outcome.secrets`, and the masked text carries the tokens.
"""

from __future__ import annotations

from typing import Protocol

from bot.errors import NotAllowed
from bot.store.custody import Custody
from bot.store.store import Store
from bot.store.vault import NEVER_KEPT, Secret, new_token
from bot.trust.people import Approvals

__all__ = ["NEVER_KEPT", "Secret", "Vault", "new_token"]


class Now(Protocol):
    def __call__(self) -> float: ...


class Vault:
    """Over an open store.

    Args:
        approvals: who may have data revealed.
        now: epoch seconds.
    """

    def __init__(self, store: Store, approvals: Approvals, now: Now) -> None:
        self._custody = Custody(store)
        self._approvals = approvals
        self._now = now

    async def put(self, subject: str, kind: str, value: str, masked: str) -> str:
        """Keep one piece of a subject's personal data; its token.

        Raises:
            NotAllowed: authentication data, which is never stored.
        """
        secret = Secret(new_token(), kind, value, masked)
        await self._custody.keep(subject, [secret], now=self._now())
        return secret.token

    async def reveal(self, token: str, *, by: str, role: str, reason: str, second: str = "") -> str:
        """The value in clear.

        Raises:
            NotAllowed: no reason was given, or these people may not.
            StoreError: there is no such token.
        """
        if not reason.strip():
            raise NotAllowed("say why it must be revealed: --reason")
        self._approvals.require("personal.reveal", by, second, role=role)
        revealed = await self._custody.reveal(
            token, by=by, role=role, reason=reason, second=second, now=self._now()
        )
        return revealed.value
