"""The processes of one training: alone, or started together by `accelerate launch` or `torchrun`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Ranks"]


@dataclass(frozen=True, slots=True)
class Ranks:
    count: int
    leader: bool
    """Whether this one writes the run's files."""
    _state: Any = None

    @classmethod
    def here(cls) -> Ranks:
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls(1, True)
        from accelerate import PartialState

        state = PartialState(cpu=not torch.cuda.is_available())
        return cls(state.num_processes, state.is_main_process, state)

    def wait(self) -> None:
        """Until all are here."""
        if self._state is not None:
            self._state.wait_for_everyone()
