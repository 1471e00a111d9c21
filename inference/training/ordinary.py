"""Ordinary questions, for classifiers that must leave them alone."""

from __future__ import annotations

import zlib
from pathlib import Path

from inference.retrieval.knowledge import load_knowledge

__all__ = ["ordinary"]

SAFETY_TOPICS = ("security", "complaints")
"""Their questions speak of danger and of complaints themselves."""


def ordinary(folder: Path, most: int, skip: int = 0) -> list[tuple[str, str]]:
    """(question, id of its entry) of the knowledge, in an order that stays the same.

    Args:
        most: how many at most, after the first `skip`.
    """
    knowledge = load_knowledge(folder)
    found = {
        question: item.passage.id
        for language in ("zh", "en")
        for item in knowledge.items(language)
        if item.passage.topic not in SAFETY_TOPICS
        for question in item.questions
    }
    chosen = sorted(found, key=lambda question: zlib.crc32(question.encode()))[skip : skip + most]
    return [(question, found[question]) for question in chosen]
