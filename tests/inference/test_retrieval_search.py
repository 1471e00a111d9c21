from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bot.errors import ConfigError
from bot.ports import Retriever
from bot.types import Exchange
from inference.retrieval.adapter import AdaptedEncoder
from inference.retrieval.embedding import CachedEncoder, Role, Vectors
from inference.retrieval.retriever import KnowledgeRetriever
from inference.retrieval.text import Analyser
from tests.inference.retrieval_knowledge import ENTRIES, write_knowledge


class CountingEncoder:
    """The real encoder, noting what it was asked to encode."""

    def __init__(self) -> None:
        self._encoder = AdaptedEncoder()
        self.name = self._encoder.name
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        self.encoded += texts
        return self._encoder.encode(texts, role)


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser()


@pytest.fixture
async def retriever(tmp_path: Path, analyser: Analyser) -> AsyncIterator[KnowledgeRetriever]:
    retriever = KnowledgeRetriever(write_knowledge(tmp_path / "knowledge"), analyser=analyser)
    await retriever.load()
    yield retriever
    retriever.close()


async def first(retriever: Retriever, question: str, **options: object) -> str:
    result = await retriever.search(question, language="zh", **options)  # type: ignore[arg-type]
    return result.hits[0].passage.id


async def test_close_siblings_are_told_apart(retriever: KnowledgeRetriever) -> None:
    assert await first(retriever, "我的信用卡找不到了") == "cards.credit.lost"
    assert await first(retriever, "借记卡丢了咋办") == "cards.debit.lost"
    assert await first(retriever, "提前还房贷") == "loans.mortgage.prepay"
    assert await first(retriever, "消费贷想提前还") == "loans.consumer.prepay"


async def test_traditional_full_width_and_greeted_questions_find_the_same(
    retriever: KnowledgeRetriever,
) -> None:
    for question in ("信用卡丟了怎麼辦", "您好，请问信用卡丢了怎么办？谢谢", "信用卡\u200b丢了"):
        assert await first(retriever, question) == "cards.credit.lost"


async def test_a_document_section_is_found_with_its_citation_id(retriever: KnowledgeRetriever) -> None:
    assert await first(retriever, "境外汇款手续费多少") == "fees#境外汇款"


async def test_the_passage_comes_in_the_language_asked_for(retriever: KnowledgeRetriever) -> None:
    result = await retriever.search("信用卡丢了", language="en")
    assert result.hits[0].passage.id == "cards.credit.lost"
    assert result.hits[0].passage.language == "en"


async def test_an_english_question_finds_an_entry_that_exists_in_chinese_only(
    retriever: KnowledgeRetriever,
) -> None:
    result = await retriever.search("do you have service in English", language="en")
    assert result.hits[0].passage.id == "general.weather"


async def test_hits_are_distinct_ordered_and_limited(retriever: KnowledgeRetriever) -> None:
    hits = (await retriever.search("卡丢了", language="zh", limit=3)).hits
    assert len(hits) == len({hit.passage.id for hit in hits}) == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_an_off_topic_question_has_less_confidence_than_an_answerable_one(
    retriever: KnowledgeRetriever,
) -> None:
    asked = await retriever.search("信用卡丢了怎么办", language="zh")
    off = await retriever.search("红烧肉怎么做才不腻", language="zh")
    assert 0 <= off.confidence < 0.5 < asked.confidence <= 1


async def test_a_follow_up_stays_with_its_loan(retriever: KnowledgeRetriever) -> None:
    history = [Exchange("房贷怎么申请？", "…", ("loans.mortgage.apply",))]
    assert await first(retriever, "那提前还呢？", history=history) == "loans.mortgage.prepay"


async def test_a_question_of_its_own_is_not_dragged_to_the_old_subject(
    retriever: KnowledgeRetriever,
) -> None:
    history = [Exchange("房贷怎么申请？", "…", ("loans.mortgage.apply",))]
    result = await retriever.search("那信用卡丢了怎么办？", language="zh", history=history)
    assert result.hits[0].passage.id == "cards.credit.lost"
    assert result.query == "那信用卡丢了怎么办？"


async def test_a_reload_embeds_only_what_is_new_and_serves_it(tmp_path: Path, analyser: Analyser) -> None:
    encoder = CountingEncoder()
    folder = write_knowledge(tmp_path / "knowledge")
    retriever = KnowledgeRetriever(folder, encoder=encoder, analyser=analyser)
    await retriever.load()
    version, encoder.encoded = retriever.version, []
    write_knowledge(folder, entries=ENTRIES.replace("信用卡不见了", "信用卡掉河里了"))
    assert await retriever.reload()
    assert retriever.version != version
    assert encoder.encoded == ["信用卡掉河里了"]
    assert not await retriever.reload()
    retriever.close()


async def test_a_bad_reload_leaves_the_last_good_version_serving(tmp_path: Path, analyser: Analyser) -> None:
    folder = write_knowledge(tmp_path / "knowledge")
    retriever = KnowledgeRetriever(folder, dense=False, analyser=analyser)
    await retriever.load()
    version = retriever.version
    write_knowledge(folder, entries="entries: [{id: x}]")
    with pytest.raises(ConfigError):
        await retriever.reload()
    assert retriever.version == version
    assert await first(retriever, "借记卡丢了") == "cards.debit.lost"
    retriever.close()


async def test_vectors_are_kept_between_runs_and_a_torn_file_costs_only_time(
    tmp_path: Path, analyser: Analyser
) -> None:
    folder, cache = write_knowledge(tmp_path / "knowledge"), tmp_path / "cache"
    for encoder in (CountingEncoder(), CountingEncoder()):
        retriever = KnowledgeRetriever(folder, cache=cache, encoder=encoder, analyser=analyser)
        await retriever.load()
        retriever.close()
    assert encoder.encoded == []
    (cache / "embeddings.npz").write_bytes(b"PK torn")
    encoder = CountingEncoder()
    retriever = KnowledgeRetriever(folder, cache=cache, encoder=encoder, analyser=analyser)
    await retriever.load()
    retriever.close()
    assert encoder.encoded


async def test_without_the_encoder_it_still_answers(tmp_path: Path, analyser: Analyser) -> None:
    retriever = KnowledgeRetriever(write_knowledge(tmp_path / "knowledge"), dense=False, analyser=analyser)
    await retriever.load()
    assert await first(retriever, "信用卡丢了") == "cards.credit.lost"
    retriever.close()


async def test_before_loading_it_finds_nothing_and_says_so(tmp_path: Path, analyser: Analyser) -> None:
    retriever = KnowledgeRetriever(tmp_path, dense=False, analyser=analyser)
    result = await retriever.search("信用卡丢了", language="zh")
    assert (result.hits, result.confidence) == ((), 0.0)
    assert retriever.passage("cards.credit.lost", "zh") is None
    retriever.close()


async def test_searches_run_while_knowledge_is_reloaded(
    retriever: KnowledgeRetriever, tmp_path: Path
) -> None:
    folder = tmp_path / "knowledge"
    for number in range(3):
        write_knowledge(folder, entries=ENTRIES.replace("15元", f"{number}元"))
        results = await asyncio.gather(
            retriever.reload(), *(retriever.search("信用卡丢了", language="zh") for _ in range(10))
        )
        assert all(r.hits[0].passage.id == "cards.credit.lost" for r in results[1:])  # type: ignore[union-attr]
    passage = retriever.passage("cards.credit.lost", "zh")
    assert passage is not None
    assert "2元" in passage.text


def test_a_cached_vector_is_the_encoders_own() -> None:
    encoder = AdaptedEncoder()
    cached = CachedEncoder(encoder)
    cached.encode(["信用卡"], "query")
    again = cached.encode(["信用卡", "储蓄卡"], "query")
    assert again == pytest.approx(encoder.encode(["信用卡", "储蓄卡"], "query"), abs=2e-3)
