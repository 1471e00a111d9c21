"""Lists of words that the finders need, one text file each, separated by white space."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["word_list"]


def word_list(name: str) -> list[str]:
    """The words of `<name>.txt`, in the file's order."""
    return (files(__name__) / f"{name}.txt").read_text("utf-8").split()
