"""The retriever that ships: `bot.ports.Retriever` over a knowledge folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bot.types import Exchange, Hit, Language, Passage, SearchResult
from inference.retrieval.adapter import AdaptedEncoder
from inference.retrieval.embedding import CachedEncoder, Closed, Encoder, Vectors
from inference.retrieval.follow_up import context_of
from inference.retrieval.fusion import FusionFile, load_fusion
from inference.retrieval.index import Index
from inference.retrieval.knowledge import Item, Knowledge, load_knowledge
from inference.retrieval.searcher import Searcher
from inference.retrieval.text import Analyser, script

__all__ = ["KnowledgeRetriever"]

_OTHER: Mapping[Language, Language] = {"zh": "en", "en": "zh"}


@dataclass(frozen=True, slots=True)
class _Generation:
    """Everything that one version of the knowledge serves; replaced whole."""

    version: str
    searchers: Mapping[Language, Searcher]
    passages: Mapping[tuple[str, Language], Passage]


class KnowledgeRetriever:
    """Searches a knowledge folder. `load` once, `reload` when files change, `close` at the end.

    A search reads one generation throughout, and a reload swaps in the next by one assignment:
    no lock, and a reload that fails leaves the last good generation serving.
    """

    def __init__(
        self,
        knowledge: Path,
        *,
        cache: Path | None = None,
        dense: bool = True,
        encoder: Encoder | None = None,
        analyser: Analyser | None = None,
        weights: FusionFile | None = None,
    ) -> None:
        """`cache` is a folder for embeddings; `dense=False` leaves the encoder out and starts at once;
        `encoder` replaces the packaged one; an `analyser` may be shared, as its dictionaries take
        0.6 s to load."""
        self._folder = knowledge
        self._cache = cache
        self._dense = dense
        self._given_encoder = encoder
        self._encoder: CachedEncoder | None = None
        self._weights = weights if weights is not None else load_fusion()
        self._analyser = analyser if analyser is not None else Analyser()
        self._generation = _Generation("", {}, {})
        self._searching = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retrieval")
        self._loading = asyncio.Lock()

    @property
    def version(self) -> str:
        return self._generation.version

    async def load(self) -> None:
        """Read the knowledge and build the index, off the event loop.

        With a cold cache the vectors take a minute or two; the first time, a lexical index serves
        until they are there, so run this as a task of its own where waiting matters.

        Raises:
            ConfigError: the knowledge is wrong; what was served before is still served.
        """
        async with self._loading:
            with suppress(Closed):
                await asyncio.to_thread(self._build)

    async def serving(self) -> None:
        """Wait until searches find something: the whole index, or the lexical one that goes before."""
        while not self._generation.searchers:  # noqa: ASYNC110 (set in another thread, once)
            await asyncio.sleep(0.01)

    async def reload(self) -> bool:
        """As `load`, embedding only texts that are new. True if the knowledge had changed."""
        before = self.version
        await self.load()
        return self.version != before

    async def search(
        self,
        question: str,
        *,
        language: Language,
        history: Sequence[Exchange] = (),
        limit: int = 5,
    ) -> SearchResult:
        generation = self._generation
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._searching, self._search, generation, question, language, history, limit
        )

    async def embed(self, text: str) -> Vectors | None:
        """A query's vector, shape (1, dimension), for whoever else needs it; None until the encoder is
        loaded, or without one."""
        encoder = self._encoder
        if encoder is None or encoder.cold:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._searching, encoder.query, text)

    def passage(self, id: str, language: Language) -> Passage | None:
        passages = self._generation.passages
        return passages.get((id, language)) or passages.get((id, _OTHER[language]))

    def close(self) -> None:
        if self._encoder is not None:
            self._encoder.close()
        self._searching.shutdown(wait=True, cancel_futures=True)

    def _search(
        self,
        generation: _Generation,
        question: str,
        language: Language,
        history: Sequence[Exchange],
        limit: int,
    ) -> SearchResult:
        # Match in the language it is written in: a customer may well ask in one and read another.
        searcher = generation.searchers.get(script(question)) or generation.searchers.get(language)
        if searcher is None:
            return SearchResult(hits=(), confidence=0.0, query=question, version=generation.version)
        found = searcher.search(question, context_of(history), limit)
        hits = tuple(
            Hit(generation.passages.get((hit.item.passage.id, language), hit.item.passage), hit.score)
            for hit in found.hits
        )
        return SearchResult(hits, found.confidence, found.query, generation.version)

    def _build(self) -> None:
        knowledge = load_knowledge(self._folder)
        if knowledge.version == self._generation.version:
            return
        if self._dense and self._encoder is None:
            self._encoder = CachedEncoder(self._given_encoder or AdaptedEncoder(), self._cache)
        encoder = self._encoder
        if encoder is None:
            self._generation = self._generate(knowledge, None)
            return
        if encoder.cold and not self._generation.searchers:
            # Not under the knowledge's version: a reader of `version` waits for the whole index.
            self._generation = replace(self._generate(knowledge, None), version="")
        self._generation = self._generate(knowledge, encoder)
        encoder.save(text for s in self._generation.searchers.values() for text in s.index.embedded)

    def _generate(self, knowledge: Knowledge, encoder: CachedEncoder | None) -> _Generation:
        return _Generation(
            knowledge.version,
            {
                language: Searcher(
                    Index(_items(knowledge, language), self._analyser, encoder),
                    self._analyser,
                    encoder,
                    self._weights,
                )
                for language in _OTHER
            },
            {
                (item.passage.id, language): item.passage
                for language in _OTHER
                for item in knowledge.items(language)
            },
        )


def _items(knowledge: Knowledge, language: Language) -> Sequence[Item]:
    """All items, in `language` where they exist in it, else in the other."""
    own = knowledge.items(language)
    known = {item.passage.id for item in own}
    foreign = (item for item in knowledge.items(_OTHER[language]) if item.passage.kind == "entry")
    return (*own, *(item for item in foreign if item.passage.id not in known))
