"""`teller train pretrain`: what it reads, and a run that the next training stands on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.errors import TellerError
from bot.types import Exchange
from inference.generator.model import load
from inference.generator.prompt import script
from inference.training.pretrain import read_texts
from tests.inference.training.sft_run import configured, counter, only_run, train
from tests.inference.training.tiny import rows, tiny_base, write_rows


def test_a_whole_model_is_left_that_sft_stands_on(tmp_path: Path) -> None:
    tiny_base(tmp_path / "base")
    texts = [f"A new card costs CNY {n} and arrives within {n} days." for n in range(20)]
    (tmp_path / "texts.txt").write_text("\n\n".join(texts))
    write_rows(tmp_path / "rows.jsonl", rows(16))
    (tmp_path / "pretrain.yaml").write_text(
        "name: bank\nbase: base\ndata: [texts.txt]\nheld_out: 0.3\nadapter: {rank: 4, alpha: 8}\n"
        "pace: {epochs: 3, batch: 4, rate: 0.01, checks: 2, longest: 64}\nout: runs\n"
    )
    arguments = [str(tmp_path / "pretrain.yaml"), "--config", str(counter(tmp_path))]
    done = CliRunner().invoke(app, ["train", "pretrain", *arguments])
    assert done.exit_code == 0, done.output
    metrics = json.loads(done.output.strip().splitlines()[-1])
    assert metrics["held_out_loss"]["after"] < metrics["held_out_loss"]["before"]
    run = only_run(tmp_path)
    assert "held-out texts" in (run / "card.md").read_text("utf-8")
    assert not load(str(run / "model"), cache=tmp_path).tuned
    sft = configured(tmp_path, epochs=1)
    sft.write_text(sft.read_text().replace("base: base", f"base: {run}").replace("out: runs", "out: later"))
    train(tmp_path, sft)
    [tuned] = (path for path in (tmp_path / "later").iterdir() if path.is_dir())
    assert load(str(run / "model"), cache=tmp_path, adapter=str(tuned / "adapter")).tuned


@pytest.mark.parametrize("language", ["zh", "en"])
def test_prepared_conversations_are_read_as_the_prompt_spells_them(tmp_path: Path, language: str) -> None:
    turn = Exchange("What does a new card cost", "It costs CNY 8.")
    messages = [
        {"role": "user", "content": "What does a\nnew card cost"},
        {"role": "assistant", "content": turn.answer},
    ]
    row: dict[str, object] = {"id": "d", "messages": messages, "source": "a:1", "language": language}
    [text] = read_texts(write_rows(tmp_path / "rows.jsonl", [row]))
    record = "".join(piece.text for piece in script(language, [], [turn]))  # type: ignore[arg-type]
    assert record.endswith("\n" + text + "\n")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"id": "d"}, "neither"),
        ({"messages": [{"role": "user", "content": "a"}]}, "language"),
        ({"messages": [{"role": "system", "content": "a"}], "language": "en"}, "system"),
    ],
)
def test_a_row_that_is_neither_is_named(tmp_path: Path, row: dict[str, object], says: str) -> None:
    with pytest.raises(TellerError, match=rf"rows\.jsonl:1: .*{says}"):
        read_texts(write_rows(tmp_path / "rows.jsonl", [row]))
