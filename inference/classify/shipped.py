"""Which classifier is in use: the one that was promoted, or the one that Teller ships."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from bot.errors import TellerError
from inference.classify.model import TextClassifier

__all__ = ["SHIPPED", "load_classifier"]

SHIPPED: tuple[str, ...] = ("intent", "sentiment", "topic")
"""Classifiers that come with Teller, under `models/`, each with its card. (The risk classifier lies with the
rules, where it belongs.)"""


def load_classifier(name: str, models: Path | None = None) -> TextClassifier:
    """Load a classifier by its name.

    Args:
        models: the folder that `teller train promote` writes to.

    Raises:
        TellerError: there is none of that name, or its file can't be read.
    """
    promoted = None if models is None else models / name / "active.npz"
    if promoted is not None and promoted.is_file():
        return _read(promoted)
    shipped = files("inference.classify") / "models" / f"{name}.npz"
    if name not in SHIPPED or not shipped.is_file():
        raise TellerError(
            f"there is no classifier {name!r} in use: train one with `teller train classify "
            f"config/train/{name}.yaml`, and put it into use with `teller train promote`"
        )
    with as_file(shipped) as path:
        return _read(path)


def _read(path: Path) -> TextClassifier:
    try:
        return TextClassifier.load(path)
    except (OSError, ValueError) as error:
        raise TellerError(
            f"{path} isn't a classifier's file, or was cut short ({error}); promote another run or roll back"
        ) from None
