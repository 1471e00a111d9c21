"""The configuration: what is wrong is said with file, line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import ConfigError
from inference.training.prepare import load_prepare_config


def load(folder: Path, text: str) -> None:
    (folder / "a.jsonl").touch()
    (folder / "b.dat").touch()
    (folder / "file").touch()
    (folder / "out").mkdir()
    (folder / "out" / "train.jsonl").touch()
    (folder / "prepare.yaml").write_text(text, encoding="utf-8")
    load_prepare_config(folder / "prepare.yaml")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("out: out", 1, "'inputs' is missing"),
        ("inputs: []\nout: out", 1, "inputs: "),
        ("inputs: [a.jsonl]\nout: out\nsede: 1", 3, "unknown key 'sede'; did you mean 'seed'?"),
        ("inputs: [a.jsonl]\nout: out\nfolder: x", 3, "unknown key 'folder'"),
        ("inputs:\n - a.jsonl\n - c*.jsonl\nout: out", 3, "no file matches 'c*.jsonl'"),
        ("inputs:\n - b.dat\nout: out", 2, "give the entry a `format`"),
        ("inputs:\n - files: a.jsonl\n   fromat: csv\nout: out", 3, "did you mean 'format'?"),
        ("inputs:\n - files: a.jsonl\n   format: xml\nout: out", 3, "format"),
        ("inputs: ['**/*.jsonl']\nout: out", 1, "stands in the folder that is written to"),
        ("inputs: [a.jsonl]\nout: file", 2, "file is a file; name a folder"),
        ("inputs: [a.jsonl]\nout: out\nmax_bad_rows: 1.0", 3, "a share below 1"),
        ("inputs: [a.jsonl]\nout: out\nmax_bad_rows: -1", 3, "write a count"),
        ("inputs: [a.jsonl]\nout: out\nmax_bad_rows: true", 3, "write a count"),
        ("inputs: [a.jsonl]\nout: out\nlanguages: [fr]", 3, "languages.0: "),
        ("inputs: [a.jsonl]\nout: out\nclean:\n  boilerplate:\n    - '('", 5, "isn't a regular expression"),
        ("inputs: [a.jsonl]\nout: out\nclean:\n  boilerplate:\n    - 'x*'", 5, "matches the empty text"),
        (
            "inputs: [a.jsonl]\nout: out\nsplit: {train: 0.9, dev: 0.2, test: 0.1}",
            3,
            "must sum to 1, not 1.2",
        ),
        ("inputs: [a.jsonl]\nout: out\nsplit: {train: 0, dev: 0.5, test: 0.5}", 3, "nothing to train on"),
        (
            "inputs: [a.jsonl]\nout: out\nnear_duplicates: {threshold: 0.5}",
            3,
            "lower sibling or raise threshold",
        ),
        ("inputs: [a.jsonl]\nout: out\nlimits:\n  max_turns: 1", 4, "limits.max_turns: "),
    ],
)
def test_a_wrong_value_is_named_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert [problem.line for problem in caught.value.problems] == [line]
    assert said in str(caught.value)


def test_paths_are_relative_to_the_file_and_each_input_is_read_once(tmp_path: Path) -> None:
    folder = tmp_path / "x[1]"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.jsonl", "deep/b.jsonl", "deep/c.csv"):
        (folder / name).touch()
    path = folder / "prepare.yaml"
    path.write_text(
        "inputs: [{files: a.jsonl, format: text}, '**/*.jsonl', deep/*.csv]\nout: ../o\n", "utf-8"
    )
    config = load_prepare_config(path)
    assert [(file.relative_to(folder).as_posix(), entry.format) for file, entry in config.files()] == [
        ("a.jsonl", "text"),
        ("deep/b.jsonl", None),
        ("deep/c.csv", None),
    ]
    assert config.out == tmp_path / "o"
