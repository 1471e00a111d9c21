"""The words file: what it holds, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import ConfigError
from inference.complaints.words import DEPARTMENTS, load_words, parse_words
from inference.training.complaints import DATA, HELD_OUT, training_cases

SHIPPED = Path("inference/complaints/words.yaml")


def test_a_word_adds_to_its_department_by_its_tier() -> None:
    points = dict(zip(DEPARTMENTS, load_words().read("信用卡").departments, strict=True))
    assert points["cards"] >= 3.0
    assert points["wealth"] == 0.0


def test_the_gravest_ground_comes_first_and_a_negated_one_is_none() -> None:
    words = load_words()
    both = words.read("我爸坐轮椅你们还不给办，我要找律师告你们").grounds
    assert both[0] == "legal"
    assert "vulnerable" in both
    assert "self_harm" not in words.read("我没有想死，就是问问").grounds


def test_a_besides_word_takes_a_ground_back() -> None:
    words = load_words()
    assert "media" in words.read("我已经联系电视台采访了").grounds
    assert "media" not in words.read("看新闻说电视台采访了你们").grounds


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  self_harm:\n    level: P1", "  self_harm:\n    level: P9", "P9"),
        ("tone:", "tones:", "tone"),
        ("  wealth:\n    strong:", "  health:\n    strong:", "departments must be these"),
        ("- 卷帘门", "- (卷帘门", "every ( needs its )"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_reason(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "words.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        parse_words(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_the_data_covers_everything_and_the_held_out_file_is_apart() -> None:
    from inference.evaluation.complaints import read_cases

    cases, held = training_cases(), read_cases(DATA / HELD_OUT)
    assert len(cases) >= 700
    assert len(held) == 150
    assert {case.expected_department for case in cases} == set(DEPARTMENTS)
    assert {case.expected_severity for case in cases} == {"P1", "P2", "P3", "P4"}
    assert not {case.text for case in cases} & {case.text for case in held}
    assert not {case.family for case in cases} & {case.family for case in held}
    assert len({case.text for case in cases}) == len(cases)
    assert 0.2 < sum(not case.is_complaint for case in cases) / len(cases) < 0.35
