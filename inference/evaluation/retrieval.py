"""How well questions find their passages: `teller eval retrieval`.

Either on any FAQ given as JSONL, or on Teller's own knowledge with part of its paraphrases held out.
Both search with the `Searcher` that serves customers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.types import Language, Passage
from inference.evaluation.items import ItemsRetriever
from inference.evaluation.jsonl import Fields, read_rows
from inference.retrieval.adapter import AdaptedEncoder
from inference.retrieval.embedding import CachedEncoder
from inference.retrieval.fusion import load_fusion
from inference.retrieval.index import Index
from inference.retrieval.knowledge import Item, Knowledge, load_knowledge
from inference.retrieval.searcher import Searcher
from inference.retrieval.splits import part_of
from inference.retrieval.text import Analyser, script

__all__ = [
    "Case",
    "evaluate_knowledge",
    "evaluate_retrieval",
    "read_faq",
    "retriever_over",
    "split_items",
]

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Case:
    """A question, and where its answer is."""

    query: str
    gold: str
    group: str = ""


def evaluate_retrieval(
    kb_path: Path,
    queries_path: Path,
    paraphrases_path: Path | None = None,
    *,
    cache: Path | None = None,
    dense: bool = True,
    failures: bool = False,
) -> dict[str, Any]:
    """Search a FAQ for each query.

    The files are JSONL: KB rows `doc_id, question?, answer, answer_group?`; queries `query, gold_doc,
    gold_answer_group?`; paraphrases (further questions known to mean an entry) `query` (or `text`,
    `question`, `paraphrase`) and `gold_doc` (or `doc_id`). Ids may be strings or integers.

    Returns:
        `recall@1, recall@3, recall@10, mrr@10` (0–1), `queries_per_s`, `queries`, `entries`, and with
        `failures` the list of queries whose first hit was wrong. A hit is right if it is the gold
        entry or has its answer group.

    Raises:
        ConfigError: a row that isn't JSON or lacks a field, with its line.
    """
    items, cases = read_faq(kb_path, queries_path, paraphrases_path)
    encoder = _encoder(dense, cache)
    searcher = _searcher(items, Analyser(), encoder)
    if encoder is not None:
        encoder.save()
    return {"entries": len(items), **_measure(searcher, cases, failures)}


def read_faq(
    kb_path: Path, queries_path: Path, paraphrases_path: Path | None = None
) -> tuple[list[Item], list[Case]]:
    """The entries of a FAQ and the queries to try on it. Raises ConfigError as `evaluate_retrieval`."""
    known: dict[str, list[str]] = {}
    if paraphrases_path is not None:
        for gold, text in read_rows(paraphrases_path, _paraphrase):
            known.setdefault(gold, []).append(text)
    items = read_rows(kb_path, lambda row: _item(row, known))
    cases = read_rows(queries_path, _query)
    with_groups = {item.passage.id: item.passage.group for item in items}
    cases = [replace(case, group=case.group or with_groups.get(case.gold, "")) for case in cases]
    return items, cases


def retriever_over(
    cases_of: Mapping[Language, Sequence[Item]], *, cache: Path | None = None, dense: bool = True
) -> ItemsRetriever:
    """A retriever over items by language, as it would serve them."""
    analyser, encoder = Analyser(), _encoder(dense, cache)
    searchers = {
        language: _searcher(items, analyser, encoder) for language, items in cases_of.items() if items
    }
    if encoder is not None:
        encoder.save()
    return ItemsRetriever(searchers, [item for items in cases_of.values() for item in items])


def evaluate_knowledge(
    folder: Path, *, cache: Path | None = None, dense: bool = True, failures: bool = False
) -> dict[str, Any]:
    """Hold out the test paraphrases of Teller's own knowledge and search for them in the rest.

    Returns:
        For "zh" and "en" each what `evaluate_retrieval` returns.
    """
    knowledge, analyser, encoder = load_knowledge(folder), Analyser(), _encoder(dense, cache)
    report: dict[str, Any] = {}
    languages: tuple[Language, ...] = ("zh", "en")
    for language in languages:
        items, cases = split_items(knowledge, language)
        searcher = _searcher(items, analyser, encoder)
        report[language] = {"entries": len(items), **_measure(searcher, cases, failures)}
    if encoder is not None:
        encoder.save()
    return report


def split_items(knowledge: Knowledge, language: Language) -> tuple[list[Item], list[Case]]:
    """The items of a language without their test paraphrases, and those as cases."""
    items, cases = [], []
    for item in knowledge.items(language):
        question, *paraphrases = item.questions
        items.append(replace(item, questions=(question, *(p for p in paraphrases if part_of(p) != "test"))))
        cases += [Case(p, item.passage.id) for p in paraphrases if part_of(p) == "test"]
    return items, cases


def _searcher(items: Sequence[Item], analyser: Analyser, encoder: CachedEncoder | None) -> Searcher:
    return Searcher(Index(items, analyser, encoder), analyser, encoder, load_fusion())


def _encoder(dense: bool, cache: Path | None) -> CachedEncoder | None:
    return CachedEncoder(AdaptedEncoder(), cache) if dense else None


def _measure(searcher: Searcher, cases: Sequence[Case], failures: bool) -> dict[str, Any]:
    ranks: list[int] = []
    wrong: list[dict[str, Any]] = []
    began = time.perf_counter()
    for case in cases:
        hits = [hit.item.passage for hit in searcher.search(case.query, limit=DEPTH).hits]
        rank = next((at for at, passage in enumerate(hits, start=1) if _right(passage, case)), 0)
        ranks.append(rank)
        if rank != 1:
            first = hits[0].id if hits else ""
            wrong.append({"query": case.query, "gold": case.gold, "first": first, "rank": rank})
    seconds = time.perf_counter() - began
    total = max(len(cases), 1)
    report: dict[str, Any] = {
        "queries": len(cases),
        **{f"recall@{k}": round(sum(0 < rank <= k for rank in ranks) / total, 4) for k in (1, 3, DEPTH)},
        f"mrr@{DEPTH}": round(sum(1 / rank for rank in ranks if rank) / total, 4),
        "queries_per_s": round(len(cases) / max(seconds, 1e-9), 1),
    }
    return {**report, "failures": wrong} if failures else report


def _right(passage: Passage, case: Case) -> bool:
    return passage.id == case.gold or bool(case.group and passage.group == case.group)


def _paraphrase(row: Fields) -> tuple[str, str]:
    """(id of the entry it means, its words)"""
    return _field(row, "gold_doc", "doc_id"), _field(row, "query", "text", "question", "paraphrase")


def _query(row: Fields) -> Case:
    return Case(
        _field(row, "query", "text", "question"),
        _field(row, "gold_doc", "doc_id"),
        _text(row.get("gold_answer_group")),
    )


def _item(row: Fields, known: Mapping[str, Sequence[str]]) -> Item:
    identifier = _field(row, "doc_id")
    question, answer = _text(row.get("question")), _text(row.get("answer"))
    if not (question or answer):
        raise ValueError("needs a 'question' or an 'answer'")
    passage = Passage(
        id=identifier,
        language=script(question or answer),
        title=question,
        text=answer,
        group=_text(row.get("answer_group")),
    )
    return Item(passage, tuple(q for q in (question, *known.get(identifier, ())) if q))


def _field(row: Fields, *names: str) -> str:
    """The first of the named fields that the row has, as text."""
    for name in names:
        if row.get(name) is not None:
            return _text(row[name])
    raise ValueError(f"lacks the field {' or '.join(map(repr, names))}")


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
