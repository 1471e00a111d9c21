"""Chinese provinces and cities, as addresses begin with them (GB/T 2260)."""

from __future__ import annotations

from inference.privacy.words import word_list

__all__ = ["CITIES", "PROVINCES"]

PROVINCES = tuple(word_list("provinces"))
"""Full names before short ones, so that the longest matches."""
CITIES = tuple(word_list("cities"))
"""Prefecture-level cities and well-known smaller ones, without 市."""
