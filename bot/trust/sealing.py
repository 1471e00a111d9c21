"""Sealing: AES-256-GCM over one field of one row.

A sealed value is `version (1 byte) + nonce (12) + ciphertext + tag (16)`; in a text column it is in
base64 behind `\\x01`, which no clear value begins with, so that rows from before sealing stay readable.
What it is bound to (tenant, table, column, the row's natural key, the data key's id) is authenticated
with it: a value that was copied to another row, column or database doesn't open.

Random 96-bit nonces: a data key is one customer's, and 2^32 messages under one key is the limit of
NIST SP 800-38D section 8.3.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.errors import KeyringError, SealBroken
from bot.trust.keyring import Keyring

__all__ = ["MARK", "DataKey", "is_sealed", "new_data_key", "unwrap", "wrap"]

MARK = "\x01"
BYTES_MARK = b"\x01tl"
"""What a sealed value of a binary column begins with."""
VERSION = b"\x01"
NONCE = 12
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one subject (whose data a row is), ready for use."""

    id: int
    subject: str
    tenant: str
    cipher: AESGCM = field(repr=False, compare=False)
    customer: str = ""
    """The customer's blind index; empty for what belongs to no single person."""

    def seal(self, table: str, column: str, row: str, text: str) -> str:
        """Seal text for a text column."""
        return MARK + base64.b64encode(self._encrypt(table, column, row, text.encode())).decode("ascii")

    def seal_bytes(self, table: str, column: str, row: str, data: bytes) -> bytes:
        return BYTES_MARK + self._encrypt(table, column, row, data)

    def open(self, table: str, column: str, row: str, value: str) -> str:
        """The inverse of `seal`; a value that isn't sealed comes back as it is.

        Raises:
            SealBroken: changed, moved from elsewhere, or sealed by another key.
        """
        if not value.startswith(MARK):
            return value
        try:
            sealed = base64.b64decode(value[1:], validate=True)
        except (binascii.Error, ValueError):
            raise _broken(table, column, row) from None
        return self._decrypt(table, column, row, sealed).decode()

    def open_bytes(self, table: str, column: str, row: str, value: bytes) -> bytes:
        if not value.startswith(BYTES_MARK):
            return value
        return self._decrypt(table, column, row, value[len(BYTES_MARK) :])

    def _encrypt(self, table: str, column: str, row: str, data: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return VERSION + nonce + self.cipher.encrypt(nonce, data, self._bound(table, column, row))

    def _decrypt(self, table: str, column: str, row: str, sealed: bytes) -> bytes:
        if sealed[:1] != VERSION or len(sealed) < 1 + NONCE + 16:
            raise _broken(table, column, row)
        nonce, data = sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
        try:
            return self.cipher.decrypt(nonce, data, self._bound(table, column, row))
        except InvalidTag:
            raise _broken(table, column, row) from None

    def _bound(self, table: str, column: str, row: str) -> bytes:
        return f"{self.tenant}|{table}|{column}|{self.id}|{row}".encode()


def is_sealed(value: str | bytes) -> bool:
    return value.startswith(MARK) if isinstance(value, str) else value.startswith(BYTES_MARK)


def new_data_key() -> bytes:
    return os.urandom(KEY_BYTES)


def wrap(ring: Keyring, version: int, subject: str, key: bytes) -> bytes:
    """A data key, encrypted by a master key."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(ring.master[version]).encrypt(nonce, key, _wrapping(ring, version, subject))


def unwrap(ring: Keyring, version: int, subject: str, wrapped: bytes) -> bytes:
    """The inverse of `wrap`.

    Raises:
        KeyringError: the keyring lacks that version.
        SealBroken: the wrapped key was changed, or another key stands under that version.
    """
    master = ring.master.get(version)
    if master is None:
        raise KeyringError(
            f"the keyring has no master key version {version} (it has {list(ring.versions)}), and data keys "
            "are wrapped by it; restore the newest keyring from its backup"
        )
    try:
        return AESGCM(master).decrypt(wrapped[:NONCE], wrapped[NONCE:], _wrapping(ring, version, subject))
    except InvalidTag:
        raise SealBroken(
            f"master key version {version} doesn't open a data key that was wrapped by version {version}: "
            "the database was changed, or that version of the keyring is another key"
        ) from None


def _wrapping(ring: Keyring, version: int, subject: str) -> bytes:
    return f"{ring.tenant}|subjects|wrapped_key|{version}|{subject}".encode()


def _broken(table: str, column: str, row: str) -> SealBroken:
    return SealBroken(
        f"{table}.{column} of {row!r} can't be opened: it was changed, moved from another row, or sealed by "
        "another key"
    )
