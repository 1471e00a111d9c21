"""Personal data is found where it stands, whatever it is written in, and other numbers are left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.errors import ConfigError
from inference.evaluation.pii import evaluate_pii, load_cases
from inference.privacy import find
from inference.privacy.checks import (
    born,
    card_prefix,
    hkid_check,
    iban_check,
    id_check,
    luhn,
    uscc_check,
)

HERE = Path(__file__).parent


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text("utf-8").splitlines()]


def ids(row: dict[str, Any]) -> str:
    return str(row["text"])[:40]


@pytest.mark.parametrize("row", [*rows("cases.jsonl"), *rows("regressions.jsonl")], ids=ids)
def test_exactly_the_marked_spans_are_found(row: dict[str, Any]) -> None:
    found = [(span.start, span.end, span.type) for span in find(row["text"])]
    assert found == [(span["start"], span["end"], span["type"]) for span in row["spans"]]


def test_there_are_enough_cases_of_both_directions() -> None:
    hard = rows("cases.jsonl")
    assert len(hard) >= 150
    assert sum(not row["spans"] for row in hard) >= 75


def test_the_check_digits_are_those_of_the_standards() -> None:
    assert luhn("4111111111111111")
    assert not luhn("4111111111111112")
    assert card_prefix("6222020200012345678")
    assert not card_prefix("1234567890123456")
    assert id_check("11010519491231002X")  # the example of GB 11643-1999
    assert not id_check("110105194912310021")
    assert born("11010519491231002X") == 1949
    assert born("110105194902300021") == 0
    assert born("990105194912310021") == 0
    assert iban_check("GB82WEST12345698765432")
    assert not iban_check("GB82WEST12345698765433")
    assert uscc_check("91350100M000100Y43")  # the example of GB 32100-2015
    assert not uscc_check("91350100M000100Y44")
    assert hkid_check("A", "123456", "3")
    assert not hkid_check("A", "123456", "4")


def test_positions_are_those_of_the_raw_text() -> None:
    text = "𝟙👍🏽 卡号６２１７\u200b９９０００１２３４５６７０１８ 谢谢"
    (span,) = find(text)
    assert text[span.start : span.end] == "６２１７\u200b９９０００１２３４５６７０１８"


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "\u200b", "１", "*" * 50, "—" * 200, "零" * 300, "我叫", "@"]
)
def test_nothing_is_found_in_nothing(text: str) -> None:
    assert find(text) == ()


def test_a_report_counts_right_wrong_and_forbidden(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    lines = [
        {"text": "手机13911027745", "spans": [{"start": 2, "end": 13, "type": "PHONE"}]},
        {"text": "打13911027745", "spans": [], "must_not_match": ["13911027745"]},
        {"text": "口令没有", "spans": [{"start": 0, "end": 2, "type": "NAME"}]},
        {"text": "电话13911027745", "spans": [{"start": 2, "end": 13, "type": "BANK_CARD"}]},
    ]
    cases.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")
    report = evaluate_pii(cases, failures=True)
    assert (report["precision"], report["recall"], report["f1"]) == (0.6667, 0.6667, 0.6667)
    assert report["false_positives_on_must_not_match"] == 1
    assert report["by_type"]["PHONE"]["precision"] == 0.3333
    assert report["by_type"]["BANK_CARD"]["recall"] == 0.0
    assert len(report["failures"]) == 2
    assert report["msgs_per_s"] > 0


def test_a_bad_case_is_refused_with_its_line(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text(
        '{"text": "a"}\n{"spans": []}\n{"text": "ab", "spans": [{"start": 1, "end": 9, "type": "NAME"}]}\n'
    )
    with pytest.raises(ConfigError) as refused:
        load_cases(cases)
    assert [problem.line for problem in refused.value.problems] == [2, 3]
    with pytest.raises(ConfigError):
        load_cases(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tel13911027745", ["13911027745"]),
        ("x" * 40 + "tel13911027745", []),
        ("客服电话 021-38784988", []),
        ("工单13911027745", []),
        ("请打客服电话，我的电话 021-38784988", ["021-38784988"]),
    ],
)
def test_words_before_a_number_say_whose_it_is(text: str, found: list[str]) -> None:
    assert [text[span.start : span.end] for span in find(text)] == found


def test_a_long_word_before_many_numbers_is_looked_at_once() -> None:
    """Looking back over it for each of them took a minute."""
    assert find("a" * 20_000 + " b1" * 5_000) == ()
    assert find("A" * 20_000) == ()
