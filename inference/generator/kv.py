"""The key/value cache of a batch whose rows start, grow and end independently.

transformers' own caches append one common length for all rows. Here each row is a *slot* with its own
length, so that a conversation joins or leaves between two steps without copying the others. Keys
carry their rotary position already, so a row's column `i` simply holds its token `i`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import Cache, CacheLayerMixin

__all__ = ["Mask", "Prefix", "SlotCache"]

Mask = torch.Tensor | dict[str, torch.Tensor]
"""Boolean (rows, 1, queries, keys), True where attended to; by layer type where a model has several."""

_KINDS = frozenset({"full_attention", "sliding_attention"})


@dataclass(frozen=True, slots=True)
class Prefix:
    """Keys and values of a constant beginning of prompts: per layer, each (kv_heads, tokens, head_dim)."""

    ids: tuple[int, ...]
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]


class _Place:
    """Where the next forward pass reads and writes; one object shared by all layers."""

    def __init__(self) -> None:
        self.slot: int | None = None  # one row's chunk, else one token for each of the first rows
        self.start = 0
        self.positions = torch.zeros(0, dtype=torch.long)
        self.width = 0


class _SlotLayer(CacheLayerMixin):  # type: ignore[misc]
    is_sliding = False  # a window is expressed in the mask

    def __init__(self, slots: int, length: int, place: _Place, dtype: torch.dtype | None) -> None:
        super().__init__()
        self._slots, self._length, self._place, self._kept_in = slots, length, place, dtype

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        heads, head_dim = key_states.shape[1], key_states.shape[-1]
        dtype, room = self._kept_in or key_states.dtype, (self._slots, heads, self._length)
        self.keys = _zeros((*room, head_dim), dtype)
        self.values = _zeros((*room, value_states.shape[-1]), dtype)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        place = self._place
        if place.slot is not None:
            end = place.start + key_states.shape[2]
            self.keys[place.slot, :, place.start : end] = key_states[0]
            self.values[place.slot, :, place.start : end] = value_states[0]
            row = slice(place.slot, place.slot + 1)
            return self._as(key_states, self.keys[row, :, :end], self.values[row, :, :end])
        rows = len(place.positions)
        index = torch.arange(rows)
        self.keys[index, :, place.positions] = key_states[:, :, 0].to(self.keys.dtype)
        self.values[index, :, place.positions] = value_states[:, :, 0].to(self.values.dtype)
        return self._as(key_states, self.keys[:rows, :, : place.width], self.values[:rows, :, : place.width])

    def _as(
        self, asked: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return keys.to(asked.dtype), values.to(asked.dtype)

    def get_seq_length(self) -> int:
        return self._place.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._place.width, 0

    def get_max_length(self) -> int:
        return self._length


def _zeros(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """By NumPy, which asks the system for zeros: unlike torch's they take no memory until they are used."""
    zeros = np.zeros(math.prod(shape) * dtype.itemsize, dtype=np.uint8)
    return torch.from_numpy(zeros).view(dtype).view(shape)


class SlotCache(Cache):  # type: ignore[misc]
    """`slots` rows of up to `length` tokens each, kept in `dtype` (None: as the model computes)."""

    def __init__(self, config: Any, slots: int, length: int, *, dtype: torch.dtype | None = None) -> None:
        self._place = _Place()
        self._config = config.get_text_config()
        kinds = set(getattr(self._config, "layer_types", None) or ())
        if not kinds <= _KINDS:
            raise ValueError(f"layers of type {sorted(kinds - _KINDS)} can't be served in a batch")
        super().__init__(
            layers=[
                _SlotLayer(slots, length, self._place, dtype) for _ in range(self._config.num_hidden_layers)
            ]
        )

    def chunk(self, slot: int, start: int, tokens: int) -> Mask:
        """The next pass feeds `tokens` tokens of one row, at positions `start` …; its mask."""
        self._place.slot, self._place.start = slot, start
        self._place.width = start + tokens
        queries = torch.arange(start, start + tokens)[:, None]
        return self._mask(queries, torch.arange(start + tokens)[None, :], (1, 1, tokens, start + tokens))

    def step(self, positions: Sequence[int]) -> Mask:
        """The next pass feeds one token to each of the first `len(positions)` rows; its mask."""
        self._place.slot, self._place.start = None, max(positions)
        self._place.positions = torch.tensor(positions)
        self._place.width = max(positions) + 1
        keys = torch.arange(self._place.width)[None, :]
        shape = (len(positions), 1, 1, self._place.width)
        return self._mask(self._place.positions[:, None], keys, shape)

    def move(self, source: int, target: int, tokens: int) -> None:
        """Copy a row's first `tokens` columns into another slot."""
        for layer in self.layers:
            layer.keys[target, :, :tokens] = layer.keys[source, :, :tokens]
            layer.values[target, :, :tokens] = layer.values[source, :, :tokens]

    def save(self, slot: int, ids: Sequence[int]) -> Prefix:
        """What a slot holds for its first `len(ids)` tokens."""
        n = len(ids)
        pairs = (
            (layer.keys[slot, :, :n].clone(), layer.values[slot, :, :n].clone()) for layer in self.layers
        )
        return Prefix(tuple(ids), tuple(pairs))

    def restore(self, slot: int, prefix: Prefix) -> None:
        for layer, (keys, values) in zip(self.layers, prefix.layers, strict=True):
            layer.keys[slot, :, : len(prefix.ids)] = keys
            layer.values[slot, :, : len(prefix.ids)] = values

    def _mask(self, queries: torch.Tensor, keys: torch.Tensor, shape: tuple[int, ...]) -> Mask:
        causal = keys <= queries
        window = getattr(self._config, "sliding_window", None)
        sliding = causal & (keys > queries - window) if window else causal
        kinds = getattr(self._config, "layer_types", None)
        if kinds is None:
            return sliding.view(shape)
        return {"full_attention": causal.view(shape), "sliding_attention": sliding.view(shape)}
