"""`teller train`: what it prints, and how it ends."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app

EXAMPLE = Path("config/train")


def teller(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", *arguments])


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the shipped example, which writes beside itself."""
    folder = tmp_path / "a" / "b"
    shutil.copytree(EXAMPLE / "examples", folder / "examples")
    shutil.copy(EXAMPLE / "prepare.yaml", folder / "prepare.yaml")
    return folder / "prepare.yaml"


def test_the_shipped_example_runs_and_ends_with_one_json_object(example: Path) -> None:
    result = teller("prepare", str(example))
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout.splitlines()[-1])
    assert (counts["files"], counts["read"], counts["bad_rows"], counts["dropped"]) == (3, 12, 0, {})
    assert counts["train"] + counts["dev"] + counts["test"] == 12
    assert min(counts["train"], counts["dev"], counts["test"]) > 0
    out = Path(counts["out"])
    assert out == example.parents[2] / "data" / "train" / "prepared"
    written = "".join((out / f"{split}.jsonl").read_text("utf-8") for split in ("train", "dev", "test"))
    assert not [
        hidden for hidden in ("13900001234", "Whitcombe", "Dana", "https", "<b>") if hidden in written
    ]


def test_a_wrong_file_ends_with_2_and_names_the_line(example: Path) -> None:
    example.write_text(example.read_text("utf-8").replace("train: 0.6", "train: 0.9"), encoding="utf-8")
    result = teller("prepare", str(example))
    assert result.exit_code == 2
    assert "prepare.yaml:" in result.stderr
    assert "must sum to 1" in result.stderr


def test_too_many_bad_rows_end_with_1_and_are_listed(example: Path) -> None:
    with (example.parent / "examples" / "chats.jsonl").open("a", encoding="utf-8") as file:
        file.write("{\n" * 30)
    result = teller("prepare", str(example))
    assert result.exit_code == 1
    assert result.stderr.count("not JSON") == 20
    assert "examples/chats.jsonl:5: not JSON" in result.stderr


def test_a_missing_file_is_named() -> None:
    result = teller("prepare", "nowhere.yaml")
    assert result.exit_code == 2
    assert "nowhere.yaml: no such file" in result.stderr


def test_control_c_ends_with_130_and_leaves_no_half_written_file(tmp_path: Path) -> None:
    rows = (
        {"question": f"第{n}个问题是什么{n * 7919}", "answer": f"请看第{n * 104729}条"} for n in range(30_000)
    )
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "rows.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / "prepare.yaml").write_text("inputs: [rows.jsonl]\nout: out\n", encoding="utf-8")
    program = Path(sys.executable).with_name("teller")
    process = subprocess.Popen(
        [str(program), "train", "prepare", str(tmp_path / "prepare.yaml")], stderr=subprocess.PIPE, text=True
    )
    out = tmp_path / "out"
    deadline = time.monotonic() + 60
    while not list(out.glob(".unfinished-*/spool")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "stopped; unfinished files are removed\n")
    assert list(out.iterdir()) == []
