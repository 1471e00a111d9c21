"""A conversation as it is prepared: who said what, and where it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Dialogue", "Role", "Turn", "canonical"]

Role = Literal["customer", "counter"]

_CHAT_ROLES: dict[Role, str] = {"customer": "user", "counter": "assistant"}


@dataclass(frozen=True, slots=True)
class Turn:
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    id: str
    """As the file gives it; empty where it gives none."""
    turns: tuple[Turn, ...]
    source: str
    """`file:line` of where it begins."""

    @property
    def text(self) -> str:
        return "\n".join(turn.text for turn in self.turns)


def canonical(dialogue: Dialogue, **extra: Any) -> dict[str, Any]:
    """The form that `prepare` writes: `messages` with the roles `user` and `assistant`. `train sft` reads
    another (`inference.training.dialogues`), which has the passages too."""
    messages = [{"role": _CHAT_ROLES[turn.role], "content": turn.text} for turn in dialogue.turns]
    return {"id": dialogue.id, "messages": messages, "source": dialogue.source, **extra}
