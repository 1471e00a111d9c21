from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import ConfigError
from inference.retrieval.knowledge import entry_schema, load_knowledge
from tests.inference.retrieval_knowledge import DOCUMENT, ENTRIES, write_knowledge


def problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_knowledge(folder)
    return [f"{Path(p.file).name}:{p.line}: {p.message}" for p in caught.value.problems]


def test_an_entry_is_an_item_in_each_language_it_is_written_in(tmp_path: Path) -> None:
    knowledge = load_knowledge(write_knowledge(tmp_path))
    zh = {item.passage.id: item for item in knowledge.items("zh")}
    en = {item.passage.id: item for item in knowledge.items("en")}
    assert zh["cards.credit.lost"].questions[1:] == ("信用卡不见了", "卡被偷了 是信用卡")
    assert en["cards.credit.lost"].passage.title == "What should I do if I lose my credit card?"
    assert zh["cards.credit.lost"].passage.related == ("cards.debit.lost",)
    assert "general.weather" in zh
    assert "general.weather" not in en


def test_a_document_is_cut_at_its_headings(tmp_path: Path) -> None:
    knowledge = load_knowledge(write_knowledge(tmp_path))
    sections = [item.passage for item in knowledge.items("zh") if item.passage.kind == "document"]
    assert [section.id for section in sections] == ["fees#境外汇款", "fees#账户管理"]
    assert sections[0].title == "收费表 › 境外汇款"
    assert sections[0].topic == "fees"


def test_a_long_section_is_cut_between_its_paragraphs_and_loses_nothing(tmp_path: Path) -> None:
    paragraphs = [f"第{number}段" + "很长的说明文字" * 20 for number in range(8)]
    body = "\n\n".join(paragraphs)
    knowledge = load_knowledge(
        write_knowledge(tmp_path, document=f"---\ntitle: 长\n---\n\n## 说明\n\n{body}\n")
    )
    pieces = [item.passage for item in knowledge.items("zh") if item.passage.kind == "document"]
    assert [piece.id for piece in pieces][:2] == ["fees#说明", "fees#说明-2"]
    assert all(len(piece.text) <= 500 for piece in pieces)
    assert "\n\n".join(piece.text for piece in pieces) == body


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_right_one(tmp_path: Path) -> None:
    found = problems(
        write_knowledge(tmp_path, entries=ENTRIES.replace("paraphrases: [储蓄", "paraphrase: [储蓄"))
    )
    assert len(found) == 1
    assert found[0].startswith("all.yaml:19:")
    assert "'paraphrases'" in found[0]


def test_a_wrong_type_and_a_missing_key_are_found_in_one_run(tmp_path: Path) -> None:
    broken = ENTRIES.replace("related: [cards.debit.lost]", "related: 7").replace(
        "      question: 房贷怎么申请？\n", ""
    )
    found = problems(write_knowledge(tmp_path, entries=broken))
    assert any("related" in problem and problem.startswith("all.yaml:5:") for problem in found)
    assert any("question" in problem and "missing" in problem for problem in found)


def test_an_id_used_twice_is_refused_and_says_where_it_stood_first(tmp_path: Path) -> None:
    found = problems(
        write_knowledge(tmp_path, entries=ENTRIES.replace("id: cards.debit.lost", "id: cards.credit.lost"))
    )
    assert any("'cards.credit.lost' is taken" in problem and "all.yaml:2" in problem for problem in found)


def test_a_dangling_link_names_the_nearest_entry(tmp_path: Path) -> None:
    found = problems(
        write_knowledge(tmp_path, entries=ENTRIES.replace("[cards.debit.lost]", "[cards.debit.lots]"))
    )
    assert found == ["all.yaml:5: no entry 'cards.debit.lots'; did you mean 'cards.debit.lost'?"]


def test_an_unknown_fact_is_refused(tmp_path: Path) -> None:
    found = problems(write_knowledge(tmp_path, entries=ENTRIES.replace("[card.fee]", "[card.fees]")))
    assert found == ["all.yaml:4: no fact 'card.fees'; did you mean 'card.fee'?"]


def test_a_document_without_front_matter_is_refused(tmp_path: Path) -> None:
    found = problems(write_knowledge(tmp_path, document=DOCUMENT.replace("---\n", "")))
    assert "front matter" in found[0]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "is the path right?" in problems(tmp_path)[0]


def test_the_version_changes_with_any_file(tmp_path: Path) -> None:
    before = load_knowledge(write_knowledge(tmp_path)).version
    assert load_knowledge(tmp_path).version == before
    assert load_knowledge(write_knowledge(tmp_path, document=DOCUMENT + "\n新\n")).version != before


def test_the_schema_for_editors_knows_the_keys_and_forbids_others() -> None:
    schema = entry_schema()
    assert set(schema["$defs"]["Entry"]["properties"]) == {"id", "topic", "facts", "related", "zh", "en"}
    assert schema["$defs"]["Entry"]["additionalProperties"] is False
