from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.errors import ConfigError
from inference.evaluation.retrieval import evaluate_knowledge, evaluate_retrieval, split_items
from inference.retrieval.knowledge import load_knowledge
from inference.retrieval.splits import part_of
from tests.inference.retrieval_knowledge import write_knowledge

KB = [
    {"doc_id": 1, "question": "信用卡丢了怎么办", "answer": "请马上挂失信用卡。", "answer_group": "lost"},
    {"doc_id": 2, "question": "储蓄卡丢了怎么办", "answer": "请马上挂失储蓄卡。"},
    {"doc_id": 3, "answer": "房贷可以在手机银行预约提前还款。"},
    {"doc_id": 4, "question": "信用卡不见了", "answer": "请马上挂失信用卡。", "answer_group": "lost"},
]
QUERIES = [
    {"query": "我的储蓄卡丢了", "gold_doc": "2"},
    {"query": "想提前还房贷", "gold_doc": 3},
    {"query": "信用卡不见了", "gold_doc": 1, "gold_answer_group": "lost"},
    {"query": "月供能少点吗", "gold_doc": 2},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_ids_may_be_numbers_or_text_and_a_hit_in_the_answer_group_counts(tmp_path: Path) -> None:
    report = evaluate_retrieval(
        write(tmp_path / "kb", KB), write(tmp_path / "q", QUERIES), dense=False, failures=True
    )
    assert report["recall@1"] == 0.75
    assert report["recall@10"] == 1.0
    assert 0.75 < report["mrr@10"] < 1
    assert report["queries_per_s"] > 0
    assert [failure["query"] for failure in report["failures"]] == ["月供能少点吗"]


@pytest.mark.parametrize(("text", "gold"), [("query", "gold_doc"), ("paraphrase", "doc_id")])
def test_a_known_paraphrase_is_found_under_either_spelling(tmp_path: Path, text: str, gold: str) -> None:
    report = evaluate_retrieval(
        write(tmp_path / "kb", KB),
        write(tmp_path / "q", QUERIES),
        write(tmp_path / "p", [{text: "每月月供可以少一点吗", gold: 2}]),
    )
    assert report["recall@1"] == 1.0


def test_a_broken_row_is_named_by_file_and_line(tmp_path: Path) -> None:
    kb = write(tmp_path / "kb", [*KB, {"question": "没有编号"}])
    with pytest.raises(ConfigError, match=r"kb:5: lacks the field 'doc_id'"):
        evaluate_retrieval(kb, write(tmp_path / "q", QUERIES), dense=False)
    kb.write_text('{"doc_id": 1, "answer": "x"}\n[]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"kb:2: not a JSON object"):
        evaluate_retrieval(kb, write(tmp_path / "q", QUERIES), dense=False)


def test_own_knowledge_is_measured_apart_for_each_language(tmp_path: Path) -> None:
    report = evaluate_knowledge(write_knowledge(tmp_path), dense=False)
    assert set(report) == {"zh", "en"}
    assert report["zh"]["queries"] + report["en"]["queries"] > 0


def test_no_test_paraphrase_is_in_the_index_it_is_searched_in(tmp_path: Path) -> None:
    knowledge = load_knowledge(write_knowledge(tmp_path))
    for language in ("zh", "en"):
        items, cases = split_items(knowledge, language)  # type: ignore[arg-type]
        indexed = {question for item in items for question in item.questions[1:]}
        assert not indexed & {case.query for case in cases}
        assert all(part_of(case.query) == "test" for case in cases)


def test_the_parts_are_as_large_as_stated() -> None:
    parts = [part_of(f"paraphrase {number}") for number in range(4000)]
    assert parts.count("test") / 4000 == pytest.approx(0.2, abs=0.03)
    assert parts.count("tuning") / 4000 == pytest.approx(0.1, abs=0.03)
