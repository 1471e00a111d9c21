"""From a press under an answer to a training row: the whole counter, and `teller feedback`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from adapters.fake import FakePlatform
from bot.app import App, Rooms
from bot.cli import app
from bot.config import LiveConfig, load
from bot.types import Votes
from inference.guard import ReplyGuard
from inference.training.dialogues import problems, read_dialogues
from tests.conftest import eventually
from tests.counter import write_config

HUGE = "9" * 20
BY, REVIEWER = ("--by", "chen"), ("--by", "zhou")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A counter at which one customer liked an answer and disliked the next."""
    monkeypatch.delenv("TELLER_KEYRING", raising=False)
    path = write_config(tmp_path, server={"port": 0})

    async def converse() -> None:
        platform = FakePlatform()
        counter = App(LiveConfig(load(path)), rooms=Rooms(adapters=[platform]))
        async with counter.running():
            for question, liked in (("卡丢了怎么办", True), ("怎么开户", False)):
                await platform.say(question)
                [votes] = [part for part in (await platform.reply()).parts if isinstance(part, Votes)]
                await platform.press(votes.up if liked else votes.down)
                thanks = await platform.reply()
                assert ("谢谢" in thanks.text, thanks.kind, len(thanks.parts)) == (True, "answer", 1)
            await eventually(lambda: len(platform.sent) == 4)

    asyncio.run(converse())
    return tmp_path


def teller(folder: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(app, ["feedback", *arguments, "-c", str(folder / "teller.yaml")])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def exported(folder: Path, *arguments: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(the rows, the counts that are printed last)"""
    out = folder / "rows.jsonl"
    result = teller(folder, "export", "--out", str(out), *REVIEWER, *arguments)
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [path.name for path in folder.glob(".rows*")] == []
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return rows, json.loads(result.output.splitlines()[-1])


def test_nothing_is_exported_before_it_is_reviewed_and_then_masked_rows_are(folder: Path) -> None:
    listed = teller(folder, "list").output.splitlines()
    assert ["👍" in line for line in listed] == [True, False]
    assert exported(folder) == ([], {"rows": 0, "exchanges": 0, "left_out": {}})
    liked, disliked = (line.split()[0] for line in listed)
    assert "approved: " in teller(folder, "approve", liked, disliked, *REVIEWER).output
    rows, counts = exported(folder)
    assert counts == {"rows": 2, "exchanges": 2, "left_out": {}}
    good, bad = rows
    assert good == {
        "id": f"feedback-{liked}",
        "messages": [
            {"role": "user", "content": "卡丢了怎么办"},
            {"role": "assistant", "content": "卡丢了怎么办：请到网点或手机银行办理。"},
        ],
        "source": "vote",
        "label": "good",
        "language": "zh",
        "passages": ["cards.lost"],
    }
    assert (bad["label"], bad["passages"]) == ("bad", ["accounts.open"])


def test_a_correction_is_shown_approved_by_a_colleague_and_joins_its_conversation(folder: Path) -> None:
    liked, disliked = (line.split()[0] for line in teller(folder, "list").output.splitlines())
    made = teller(folder, "correct", disliked, "--text", "请到网点办理。联系我13911027745", *BY)
    assert made.exit_code == 0
    number = made.output.split()[1].rstrip(":")
    shown = teller(folder, "show", number).output
    assert "怎么开户" in shown
    assert "139****7745" in shown
    own = teller(folder, "approve", number, *BY)
    assert (own.exit_code, "colleague" in own.output) == (1, True)
    assert teller(folder, "approve", liked, number, *REVIEWER).exit_code == 0
    [row], _ = exported(folder)
    assert row["source"] == "correction+vote"
    assert [message["content"] for message in row["messages"]] == [
        "卡丢了怎么办",
        "卡丢了怎么办：请到网点或手机银行办理。",
        "怎么开户",
        "请到网点办理。联系我139****7745",
    ]


def test_the_banks_own_number_is_reviewed_as_it_is_exported(folder: Path) -> None:
    path = folder / "teller.yaml"
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**config, "bank": {"hotline": "13911027745"}}, allow_unicode=True))
    text = "请拨打13911027745，别打13800138000。"
    asked = teller(folder, "list").output.split()[0]
    number = teller(folder, "correct", asked, "--text", text, *BY).output.split()[1].rstrip(":")
    shown = teller(folder, "show", number).output
    teller(folder, "approve", number, *REVIEWER)
    [row], _ = exported(folder)
    learnt = row["messages"][1]["content"]
    assert learnt == "请拨打13911027745，别打138****8000。"
    assert learnt in shown


def test_a_list_that_is_cut_off_says_so(folder: Path) -> None:
    cut = teller(folder, "list", "--limit", "1")
    assert len(cut.stdout.splitlines()) == 1
    assert "there are more" in cut.stderr
    whole = teller(folder, "list", "--limit", "2")
    assert (len(whole.stdout.splitlines()), whole.stderr) == (2, "")


def test_dialogues_carry_the_passages_and_leave_out_what_these_do_not_hold_up(folder: Path) -> None:
    liked, disliked = (line.split()[0] for line in teller(folder, "list").output.splitlines())
    wrong = teller(folder, "correct", disliked, "--text", "开户收费88元。", *BY).output.split()[1].rstrip(":")
    teller(folder, "approve", liked, wrong, *REVIEWER)
    rows, counts = exported(folder, "--dialogues")
    assert rows == [
        {
            "id": f"feedback-{liked}",
            "lang": "zh",
            "family": "cards.lost",
            "passages": [{"title": "卡丢了怎么办", "text": "卡丢了怎么办：请到网点或手机银行办理。"}],
            "turns": [
                {
                    "kind": "answer",
                    "question": "卡丢了怎么办",
                    "reply": "卡丢了怎么办：请到网点或手机银行办理。",
                    "uses": 0,
                }
            ],
        }
    ]
    assert counts == {"rows": 1, "exchanges": 1, "left_out": {"the guard refuses the reply": 1}}
    [read] = read_dialogues(folder / "rows.jsonl")
    assert list(problems(read, ReplyGuard())) == []
    knowledge = folder / "knowledge" / "entries" / "all.yaml"
    entries = yaml.safe_load(knowledge.read_text())
    entries["entries"][1]["zh"]["answer"] = "请马上拨打客服热线挂失。"
    knowledge.write_text(yaml.safe_dump(entries, allow_unicode=True))
    _, counts = exported(folder, "--dialogues")
    assert counts["left_out"] == {"its passage has changed since": 1, "the guard refuses the reply": 1}


def test_an_export_is_written_through_no_link(folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.write_text("mine")
    (folder / ".rows.jsonl.unfinished").symlink_to(elsewhere)
    exported(folder)
    assert elsewhere.read_text() == "mine"
    assert not (folder / "rows.jsonl").is_symlink()


def test_an_export_is_on_the_record_with_the_print_of_its_file(folder: Path) -> None:
    liked = teller(folder, "list").output.split()[0]
    teller(folder, "approve", liked, *REVIEWER)
    exported(folder)
    print_ = hashlib.sha256((folder / "rows.jsonl").read_bytes()).hexdigest()
    record = folder / "record.jsonl"
    done = CliRunner().invoke(
        app, ["audit", "export", "--out", str(record), "-c", str(folder / "teller.yaml")]
    )
    assert done.exit_code == 0, done.output
    assert f'"sha256":"{print_}"' in record.read_text().replace(" ", "").replace("\\", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("approve", "1"), "say who you are"),
        (("approve", "999", *REVIEWER), "no feedback 999"),
        (("show", "999"), "no feedback 999"),
        (("show", HUGE), f"no feedback {HUGE}"),
        (("approve", "1", HUGE, *REVIEWER), f"no feedback {HUGE}"),
        (("reject", HUGE, *REVIEWER), f"no feedback {HUGE}"),
        (("correct", HUGE, "--text", "好", *BY), f"no feedback {HUGE}"),
        (("correct", str(2**63), "--text", "好", *BY), f"no feedback {2**63}"),
        (("correct", "9" * 5000, "--text", "好", *BY), f"no feedback {HUGE}"),
        (("correct", "1", "--text", "  ", *BY), "say what the answer is"),
        (("correct", "1", "--text", "好", "--passage", "cards.gone", *BY), "no passage 'cards.gone'"),
        (("resolution", "T-20261123-0042A", "--text", "好", *BY), "slip"),
        (("list", "--status", "old"), "new, approved, rejected"),
        (("list", "--all", "--status", "rejected"), "--all or --status"),
        (("list", "--limit", HUGE), "--limit"),
        (("export", "--out", "/nowhere/rows.jsonl", *REVIEWER), "No such file"),
    ],
)
def test_what_can_not_be_done_is_one_clear_line(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    result = teller(folder, *arguments)
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_only_who_may_review_does(folder: Path) -> None:
    staff = {"people": [{"id": "agent", "roles": ["agent"]}, {"id": "boss", "roles": ["supervisor"]}]}
    (folder / "staff.yaml").write_text(yaml.safe_dump(staff))
    refused = teller(folder, "approve", "1", "--by", "agent")
    assert (refused.exit_code, "feedback.review" in refused.output) == (1, True)
    assert teller(folder, "approve", "1", "--by", "boss").exit_code == 0


def test_without_votes_in_the_configuration_there_are_none(tmp_path: Path) -> None:
    path = write_config(tmp_path, server={"port": 0}, feedback={"votes": False})

    async def ask() -> list[object]:
        platform = FakePlatform()
        counter = App(LiveConfig(load(path)), rooms=Rooms(adapters=[platform]))
        async with counter.running():
            await platform.say("卡丢了怎么办")
            return list((await platform.reply()).parts)

    parts = asyncio.run(ask())
    assert parts
    assert not [part for part in parts if isinstance(part, Votes)]
