"""A retriever over given items, for evaluation: the very searcher that serves, without a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from bot.types import Exchange, Hit, Language, Passage, SearchResult
from inference.retrieval.follow_up import context_of
from inference.retrieval.knowledge import Item
from inference.retrieval.searcher import Searcher
from inference.retrieval.text import script

__all__ = ["ItemsRetriever"]


class ItemsRetriever:
    """A `bot.ports.Retriever` that searches each language's searcher."""

    def __init__(self, searchers: Mapping[Language, Searcher], items: Sequence[Item]) -> None:
        self._searchers = searchers
        self._passages = {(item.passage.id, item.passage.language): item.passage for item in items}

    @property
    def version(self) -> str:
        return "evaluation"

    async def search(
        self, question: str, *, language: Language, history: Sequence[Exchange] = (), limit: int = 5
    ) -> SearchResult:
        searcher = self._searchers.get(script(question)) or next(iter(self._searchers.values()))
        found = await asyncio.to_thread(searcher.search, question, context_of(history), limit)
        hits = tuple(Hit(hit.item.passage, hit.score) for hit in found.hits)
        return SearchResult(hits, found.confidence, found.query, self.version)

    def passage(self, id: str, language: Language) -> Passage | None:
        other: Language = "en" if language == "zh" else "zh"
        return self._passages.get((id, language)) or self._passages.get((id, other))
