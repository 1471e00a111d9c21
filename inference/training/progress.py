"""What a training that was stopped goes on from: all that changes, as it was after the last whole epoch."""

from __future__ import annotations

import copy
import io
import logging
import os
import pickle
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

__all__ = ["Progress"]

_log = logging.getLogger(__name__)


class Progress:
    """One file.

    Args:
        parts: what has a `state_dict` (weights, optimiser, schedule), by name.
        chance: what draws the order.
        order: of the texts; changed in place.
    """

    def __init__(self, path: Path, parts: Mapping[str, Any], chance: random.Random, order: list[int]) -> None:
        self._path, self._parts, self._chance, self._order = path, parts, chance, order

    def keep(self, epochs: int) -> None:
        """Write down the state after `epochs` epochs; what was there before stays until that is whole."""
        whole = io.BytesIO()  # of itself torch.save tells of a full disk in its own terms
        torch.save(self._state() | {"epochs": epochs}, whole)
        part = self._path.with_name(f".{self._path.name}")
        part.write_bytes(whole.getbuffer())
        os.replace(part, self._path)

    def restore(self) -> int:
        """Put back what was kept; how many epochs are done then (0 where nothing is, it can't be read, or it
        is of other texts or parts)."""
        if not self._path.is_file():
            return 0
        before = copy.deepcopy(self._state())
        try:
            kept = torch.load(self._path, weights_only=True)
            if len(kept["order"]) != len(self._order):
                raise ValueError(f"it is of {len(kept['order'])} texts, not {len(self._order)}")
            epochs = int(kept["epochs"])
            self._put(kept)
        except (OSError, EOFError, RuntimeError, KeyError, ValueError, pickle.UnpicklingError) as error:
            _log.warning("%s can't be gone on from (%s): beginning anew", self._path, error)
            self._put(before)
            return 0
        _log.info("going on after epoch %d", epochs)
        return epochs

    def _state(self) -> dict[str, Any]:
        return {
            "parts": {name: part.state_dict() for name, part in self._parts.items()},
            "chance": self._chance.getstate(),
            "torch": torch.get_rng_state(),
            "order": self._order,
        }

    def _put(self, state: Mapping[str, Any]) -> None:
        for name, part in self._parts.items():
            part.load_state_dict(state["parts"][name])
        self._chance.setstate(state["chance"])
        torch.set_rng_state(state["torch"])
        self._order[:] = state["order"]
