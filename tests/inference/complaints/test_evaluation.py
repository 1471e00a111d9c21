"""`teller eval complaints`: figures that can be checked by hand, and errors that name the line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli.main import app
from bot.errors import TellerError
from inference.complaints import Complaint, Complaints
from inference.evaluation.complaints import ComplaintCase, evaluate_complaints, measure, read_cases

HELD_OUT = Path("inference/training/data/complaints/held_out.jsonl")
CASE = {
    "text": "催收骂我家人",
    "expected_department": "collections",
    "acceptable_departments": ["privacy"],
    "expected_severity": "P2",
    "is_complaint": True,
}


def found(probability: float, department: str, severity: str) -> Complaint:
    return Complaint(probability, department, (), severity, ())  # type: ignore[arg-type]


def test_figures_by_hand() -> None:
    cases = [
        ComplaintCase("一", "cards", "P3", True, ("retail",)),
        ComplaintCase("two", "loans", "P2", True),
        ComplaintCase("三", "wealth", "P4", False),
        ComplaintCase("四", "pr", "P1", True),
    ]
    results = [
        found(0.9, "retail", "P3"),  # acceptable
        found(0.4, "loans", "P3"),  # missed, too low
        found(0.8, "branch", "P4"),  # false alarm, wrong department
        found(0.7, "pr", "P1"),
    ]
    report = measure(cases, results, failures=True)
    assert report["department_accuracy"] == 0.75
    assert report["department_exact"] == 0.5
    assert report["severity_accuracy"] == 0.75
    assert report["severity_too_low"] == 1
    assert (report["precision"], report["recall"], report["is_complaint_f1"]) == (0.6667, 0.6667, 0.6667)
    assert report["severity_confusion"] == {"P2->P3": 1}
    assert report["by_language"]["en"]["cases"] == 1
    assert [row["text"] for row in report["failures"]] == ["two", "三"]


def test_words_alone_hold_on_messages_that_werent_trained_on() -> None:
    report = evaluate_complaints(Complaints.load(), read_cases(HELD_OUT))
    assert report["department_accuracy"] >= 0.9
    assert report["severity_accuracy"] >= 0.9
    assert report["is_complaint_f1"] >= 0.95


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"expected_department": "kitchen"}, "kitchen"),
        ({"expected_severity": "P7"}, "P7"),
        ({"text": None}, "text"),
        ({"acceptable_departments": "cards"}, "acceptable_departments"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "cases.jsonl"
    lines = [json.dumps(CASE), json.dumps(CASE | change)]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(TellerError, match="cases.jsonl:2: .*" + said):
        read_cases(path)


def test_an_empty_or_missing_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    with pytest.raises(TellerError, match="can't be read"):
        read_cases(path)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(TellerError, match="no cases"):
        read_cases(path)


def test_the_command_prints_failures_first_and_one_json_object_last(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    wrong = CASE | {"text": "请问今天几点关门", "is_complaint": True}
    path.write_text("\n".join(json.dumps(case) for case in (CASE, wrong)), encoding="utf-8")
    result = CliRunner().invoke(
        app, ["eval", "complaints", "--cases", str(path), "--no-dense", "--failures", "5"]
    )
    assert result.exit_code == 0, result.output
    failure, report = map(json.loads, result.output.strip().splitlines())
    assert failure["text"] == wrong["text"]
    assert report["cases"] == 2
    assert report["department_accuracy"] == 0.5
