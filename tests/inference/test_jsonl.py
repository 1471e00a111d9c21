"""Labelled files: what is read, and how what can't be read is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import ConfigError
from inference.evaluation.jsonl import MOST_PROBLEMS, Fields, read_rows
from inference.evaluation.risk import read_cases


def number(fields: Fields) -> int:
    return int(fields["n"])


def test_a_mark_at_the_start_blank_lines_and_odd_separators_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('\ufeff{"n": 1, "text": "a\u2028b\x85c"}\r\n \r\n{"n": 2}', encoding="utf-8")
    assert read_rows(path, number) == [1, 2]


def test_every_bad_line_is_named_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1}\n[]\n{"n": "x"}\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_rows(path, number)
    assert [problem.line for problem in refused.value.problems] == [2, 3]
    assert f"{path}:2: not a JSON object" in str(refused.value)
    path.write_text("[]\n" * 100, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_rows(path, number)
    assert len(refused.value.problems) == MOST_PROBLEMS


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"n": "\xff"}')
    with pytest.raises(ConfigError, match="UTF-8"):
        read_rows(path, number)


def test_a_context_of_the_wrong_shape_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(
        '{"text": "a", "expected_action": "none", "context": {"customer": "x"}}', encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r"cases\.jsonl:1: context"):
        read_cases(path)
