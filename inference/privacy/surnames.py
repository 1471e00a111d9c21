"""Chinese surnames and the characters given names are made of (Simplified)."""

from __future__ import annotations

from inference.privacy.words import word_list

__all__ = ["COMPOUND", "GIVEN", "SINGLE"]

SINGLE = frozenset(word_list("surnames"))
COMPOUND = frozenset(word_list("compound_surnames"))
GIVEN = frozenset(word_list("given_characters"))
