"""What an encoder of sentences is, and a cache of its vectors on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["CachedEncoder", "Closed", "Encoder", "Role", "Vectors"]

Vectors = NDArray[np.float32]
Role = Literal["query", "passage"]
"""E5 was trained with "query: " on what is asked and "passage: " on what answers; two questions are
compared with "query: " on both."""


_RUN = 256
"""Texts that are embedded between two looks at whether to go on."""


class Closed(Exception):
    """The work isn't wanted any more."""


class Encoder(Protocol):
    @property
    def name(self) -> str:
        """Names model and version; vectors of different names don't mix."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Unit vectors, shape (texts, dimension)."""
        ...


class CachedEncoder:
    """Remembers vectors in memory, and in one file between runs.

    The file holds what was used since it was opened and is replaced whole, so that a crash leaves
    the old one. A file that can't be read is ignored: it costs time, never a start.
    """

    def __init__(self, encoder: Encoder, folder: Path | None = None) -> None:
        self._encoder = encoder
        self._path = None if folder is None else folder / "embeddings.npz"
        self._vectors: dict[bytes, NDArray[np.float16]] = {}
        self._fresh = False
        self._closed = False
        self._read()

    @property
    def name(self) -> str:
        return self._encoder.name

    @property
    def cold(self) -> bool:
        """Nothing is remembered yet: the first texts will take a while."""
        return not self._vectors

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        keys = [self._key(text, role) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        todo = list(missing.items())
        for at in range(0, len(todo), _RUN):
            if self._closed:
                raise Closed("the encoder was closed while it worked")
            run = todo[at : at + _RUN]
            vectors = self._encoder.encode([text for _, text in run], role).astype(np.float16)
            self._vectors.update(zip((key for key, _ in run), vectors, strict=True))
            self._fresh = True
        if not keys:
            return self._encoder.encode((), role)
        return np.stack([self._vectors[key] for key in keys]).astype(np.float32)

    def query(self, text: str) -> Vectors:
        """The vector of one question, shape (dimension,); not remembered: customers' words aren't kept."""
        vector: Vectors = self._encoder.encode([text], "query")[0]
        return vector

    def close(self) -> None:
        """Let work in another thread end soon, with `Closed`, keeping what it has done so far."""
        self._closed = True
        self.save()

    def save(self, keep: Iterable[tuple[str, Role]] | None = None) -> None:
        """Write the vectors (of the `keep` texts only, where given), if any was added since."""
        if self._path is None or not self._fresh:
            return
        if keep is not None:
            wanted = {self._key(text, role) for text, role in keep}
            self._vectors = {key: vector for key, vector in self._vectors.items() if key in wanted}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        items = list(self._vectors.items())
        keys = np.frombuffer(b"".join(key for key, _ in items), dtype=np.uint8).reshape(-1, 16)
        vectors = np.stack([vector for _, vector in items])
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".embeddings-", suffix=".npz")
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, name=np.array(self.name), keys=keys, vectors=vectors)
        os.replace(temporary, self._path)
        self._fresh = False

    def _read(self) -> None:
        if self._path is None or not self._path.exists():
            return
        try:
            with np.load(self._path) as file:
                if str(file["name"]) != self.name:
                    return
                keys, vectors = file["keys"], file["vectors"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return
        self._vectors = dict(zip((key.tobytes() for key in keys), vectors, strict=True))

    @staticmethod
    def _key(text: str, role: Role) -> bytes:
        return hashlib.blake2b(f"{role}: {text}".encode(), digest_size=16).digest()
