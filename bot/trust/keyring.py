"""The keyring: the few secrets that all others hang from, and the file they lie in.

    {"format": "teller-keyring-1", "tenant": "teller", "current": 2,
     "master": {"1": "<base64>", "2": "<base64>"}, "index": "<base64>", "audit": "<base64>"}

Master keys wrap the customers' data keys and have versions; the index key makes blind indexes; the audit
key authenticates the record. Each is 256 bit. Losing the file loses everything that is sealed, so it is
backed up apart from the database; whoever has both reads everything.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from bot.errors import KeyringError

__all__ = [
    "ENVIRONMENT",
    "EnvironmentKeys",
    "FileKeys",
    "FixedKeys",
    "KeySource",
    "Keyring",
    "find_keys",
    "new_keyring",
    "parse_keyring",
]

FORMAT = "teller-keyring-1"
ENVIRONMENT = "TELLER_KEYRING"
"""Environment variable that may hold the whole keyring as JSON, instead of a file."""
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys in force. Never shown: its `repr` names versions only."""

    master: Mapping[int, bytes] = field(repr=False)
    current: int
    index: bytes = field(repr=False)
    audit: bytes = field(repr=False)
    tenant: str = "teller"
    """Bound into everything that is sealed, so that two banks' data can't be mixed up."""

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(sorted(self.master))

    def blind(self, *parts: str) -> str:
        """A blind index of an identity: the same in, the same out, and no way back without the index
        key. 32 hexadecimal digits (128 bits of HMAC-SHA256)."""
        return hmac.new(self.index, "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()[:32]

    def check_values(self) -> dict[str, str]:
        """Name → a value that tells this key from others and gives nothing away about it."""
        keys = {f"master:{version}": key for version, key in self.master.items()}
        keys |= {"index": self.index, "audit": self.audit, "tenant": self.tenant.encode()}
        return {
            name: hmac.new(key, b"teller key check " + name.encode(), hashlib.sha256).hexdigest()[:16]
            for name, key in keys.items()
        }

    def with_new_master(self) -> Keyring:
        version = max(self.master) + 1
        return replace(self, master={**self.master, version: _random_key()}, current=version)

    def without(self, version: int) -> Keyring:
        if version == self.current:
            raise KeyringError(f"master key {version} is the current one; rotate first")
        return replace(self, master={v: key for v, key in self.master.items() if v != version})

    def dump(self) -> str:
        """The keyring as JSON: secret."""
        return json.dumps(
            {
                "format": FORMAT,
                "tenant": self.tenant,
                "current": self.current,
                "master": {str(v): base64.b64encode(key).decode() for v, key in sorted(self.master.items())},
                "index": base64.b64encode(self.index).decode(),
                "audit": base64.b64encode(self.audit).decode(),
            },
            indent=1,
        )


def new_keyring(tenant: str = "teller") -> Keyring:
    """Fresh random keys, master version 1."""
    return Keyring({1: _random_key()}, 1, _random_key(), _random_key(), tenant)


def parse_keyring(text: str, where: str) -> Keyring:
    """Read a keyring's JSON; `where` names it in errors, which never repeat any of it.

    Raises:
        KeyringError: what is wrong, and where.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise KeyringError(
            f"{where}:{error.lineno}: the keyring is not JSON; restore it from its backup (a new one can't "
            "open what is sealed)"
        ) from None
    except RecursionError:
        raise KeyringError(f"{where}: the keyring is not JSON; restore it from its backup") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise KeyringError(f'{where}: not a keyring: "format" must be "{FORMAT}"; restore it from its backup')
    master = data.get("master")
    if not isinstance(master, dict) or not master:
        raise KeyringError(f'{where}: "master" must map versions to keys; restore the file from its backup')
    keys = {_version(name, where): _key(key, f"master.{name}", where) for name, key in master.items()}
    current = data.get("current")
    if not isinstance(current, int) or current not in keys:
        raise KeyringError(f'{where}: "current" must be one of the versions under "master": {sorted(keys)}')
    tenant = data.get("tenant", "teller")
    if not isinstance(tenant, str) or "|" in tenant:
        raise KeyringError(f'{where}: "tenant" must be a name without "|"')
    index, audit = (_key(data.get(name), name, where) for name in ("index", "audit"))
    return Keyring(keys, current, index, audit, tenant)


def _version(name: str, where: str) -> int:
    if not name.isdecimal() or not 1 <= int(name) < 1 << 31:
        raise KeyringError(f"{where}: master key versions are whole numbers from 1, not {name[:20]!r}")
    return int(name)


def _key(value: Any, name: str, where: str) -> bytes:
    with contextlib.suppress(binascii.Error, ValueError, TypeError):
        key = base64.b64decode(value, validate=True)
        if len(key) == KEY_BYTES:
            return key
    raise KeyringError(f"{where}: {name} must be {KEY_BYTES} bytes in base64; restore it from its backup")


def _random_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


# ── where it comes from ──────────────────────────────────────────────────────────────────────────


class KeySource(Protocol):
    """Where a keyring comes from, and goes to when it is rotated."""

    @property
    def name(self) -> str:
        """For people: a path, or the variable's name."""
        ...

    def load(self, *, create: bool = False) -> Keyring:
        """The keyring as it is there now; with `create` a new one is made where none is.

        Raises:
            KeyringError: missing, broken, or open to other users of the machine.
        """
        ...

    def changed(self) -> bool:
        """Whether it may differ from what `load` gave last."""
        ...

    def add_master(self) -> Keyring:
        """Add a master key version and make it current. Raises KeyringError where that can't be done."""
        ...

    def remove_master(self, version: int) -> Keyring:
        """Forget a version that nothing is wrapped by any more."""
        ...


@dataclass(slots=True)
class FileKeys:
    """A keyring in a file of its own: mode 0600, in a folder of mode 0700."""

    path: Path
    _seen: tuple[int, int, int] = (0, 0, 0)

    @property
    def name(self) -> str:
        return str(self.path)

    def load(self, *, create: bool = False) -> Keyring:
        try:
            return self._load()
        except FileNotFoundError:
            if not create:
                raise KeyringError(
                    f"{self.path}: the keyring is missing, and the database is sealed with it; restore the "
                    "file from its backup, or point trust.keyring (or TELLER_KEYRING) at it"
                ) from None
        self._create(new_keyring())
        return self._load()

    def changed(self) -> bool:
        try:
            return _stamp(self.path.stat()) != self._seen
        except OSError:
            return False

    def add_master(self) -> Keyring:
        with self._locked():
            ring = self.load().with_new_master()
            self._replace(ring)
        return self.load()

    def remove_master(self, version: int) -> Keyring:
        with self._locked():
            ring = self.load()
            if version in ring.master:
                self._replace(ring.without(version))
        return self.load()

    def _load(self) -> Keyring:
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                loose = stat.S_IMODE(status.st_mode) & 0o077
                if loose:
                    raise KeyringError(
                        f"{self.path}: other users of this machine may read the keyring "
                        f"(mode {stat.S_IMODE(status.st_mode):04o}); run: chmod 600 {self.path}"
                    )
                text = file.read(1 << 20).decode()
        except FileNotFoundError:
            raise
        except UnicodeDecodeError:
            raise KeyringError(f"{self.path}: the keyring is not text; restore it from its backup") from None
        except OSError as error:
            raise KeyringError(f"{self.path}: the keyring can't be read: {error.strerror}") from None
        ring = parse_keyring(text, str(self.path))
        self._seen = _stamp(status)
        return ring

    def _create(self, ring: Keyring) -> None:
        """Make the file whole or not at all; of several that try at once, one wins."""
        temporary = self._write(ring)
        try:
            os.link(temporary, self.path)
        except FileExistsError:
            pass
        except OSError as error:
            raise KeyringError(f"{self.path}: the keyring can't be written: {error.strerror}") from None
        finally:
            temporary.unlink(missing_ok=True)
        self._sync_folder()

    def _replace(self, ring: Keyring) -> None:
        temporary = self._write(ring)
        try:
            temporary.replace(self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise KeyringError(f"{self.path}: the keyring can't be written: {error.strerror}") from None
        self._sync_folder()

    def _write(self, ring: Keyring) -> Path:
        """A new file with the ring beside the real one, on disk."""
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}")
        try:
            if not self.path.parent.exists():
                self.path.parent.mkdir(parents=True, mode=0o700)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(ring.dump() + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise KeyringError(f"{self.path}: the keyring can't be written: {error.strerror}") from None
        return temporary

    def _sync_folder(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One rotation at a time. The lock is a file of its own, because the keyring is replaced."""
        try:
            descriptor = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise KeyringError(f"{self.path}: the keyring can't be locked: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size


@dataclass(slots=True)
class FixedKeys:
    """A keyring that lives in memory: for tests, and for programs that keep their keys elsewhere."""

    ring: Keyring = field(default_factory=new_keyring)
    name: str = "memory"

    def load(self, *, create: bool = False) -> Keyring:
        return self.ring

    def changed(self) -> bool:
        return False

    def add_master(self) -> Keyring:
        self.ring = self.ring.with_new_master()
        return self.ring

    def remove_master(self, version: int) -> Keyring:
        if version in self.ring.master:
            self.ring = self.ring.without(version)
        return self.ring


@dataclass(frozen=True, slots=True)
class EnvironmentKeys:
    """A keyring in the environment. It can't be changed from here, so a rotation begins outside."""

    text: str = field(repr=False)
    name: str = ENVIRONMENT

    def load(self, *, create: bool = False) -> Keyring:
        return parse_keyring(self.text, ENVIRONMENT)

    def changed(self) -> bool:
        return False

    def add_master(self) -> Keyring:
        raise KeyringError(
            f"the keyring comes from {ENVIRONMENT}: add a master key version there (32 random bytes in "
            'base64) and make it "current", restart every Teller process, then run `teller keys rewrap`'
        )

    def remove_master(self, version: int) -> Keyring:
        raise KeyringError(
            f"the keyring comes from {ENVIRONMENT}: remove version {version} there; nothing is wrapped by it"
        )


def find_keys(path: Path, environment: Mapping[str, str] | None = None) -> KeySource:
    """The keyring in TELLER_KEYRING where that is set, else the file at `path`."""
    text = (os.environ if environment is None else environment).get(ENVIRONMENT, "")
    return EnvironmentKeys(text) if text else FileKeys(path)
