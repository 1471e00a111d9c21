"""The command line: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from tests.conftest import free_port
from tests.counter import write_config


def teller(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(write_config(tmp_path))


def asked(config: str, question: str) -> dict[str, object]:
    result = teller("ask", question, "--json", "-c", config)
    assert result.exit_code == 0, result.output
    report: dict[str, object] = json.loads(result.stdout)
    return report


def test_ask_prints_one_json_object_with_the_stable_keys(config: str) -> None:
    report = asked(config, "卡丢了怎么办？")
    assert report["text"] == "卡丢了怎么办：请到网点或手机银行办理。"
    assert [c["id"] for c in report["citations"]] == ["cards.lost"]  # type: ignore[attr-defined]
    assert (report["source"], report["intent"], report["action"]) == ("verbatim", "cards.lost", "none")
    assert report["rules"] == []
    assert 0 <= report["confidence"] <= 1  # type: ignore[operator]
    assert report["latency_ms"] > 0  # type: ignore[operator]


def test_ask_answers_in_the_askers_language(config: str) -> None:
    assert str(asked(config, "What if I lose my card?")["text"]).startswith("What if I lose my card?")


def test_ask_says_honestly_that_it_doesnt_know(config: str) -> None:
    report = asked(config, "螺蛳粉")
    assert (report["source"], report["citations"], report["intent"]) == ("template", [], None)


def test_chat_answers_line_after_line(config: str) -> None:
    result = CliRunner().invoke(app, ["chat", "-c", config], input="卡丢了怎么办\n\n")
    assert result.exit_code == 0
    assert "卡丢了怎么办：请到网点或手机银行办理。" in result.stdout
    assert "[cards.lost]" in result.stdout


def test_check_says_that_all_is_well(config: str) -> None:
    result = teller("check", "-c", config)
    assert result.exit_code == 0
    assert result.stdout.startswith("ok: teller.yaml")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sevrer: {port: 1}", "unknown key 'sevrer'; did you mean 'server'?"),
        ("bank: {hotline: [1]}", "bank.hotline: "),
        ("bank: {hotline: '${NOT_SET_ANYWHERE}'}", "environment variable NOT_SET_ANYWHERE"),
    ],
)
def test_check_refuses_a_wrong_file_with_file_line_and_exit_2(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "teller.yaml"
    path.write_text(f"# first line\n{line}\n")
    result = teller("check", "-c", str(path))
    assert result.exit_code == 2
    assert "teller.yaml:2: " in result.output
    assert said in result.output
    assert "Traceback" not in result.output


def test_check_refuses_a_duplicate_knowledge_id(config: str) -> None:
    entries = Path(config).parent / "knowledge" / "entries" / "all.yaml"
    (entries.parent / "more.yaml").write_text(entries.read_text())
    result = teller("check", "-c", config)
    assert result.exit_code == 2
    assert "cards.lost" in result.output
    assert ".yaml:" in result.output


def test_run_refuses_an_unknown_role(config: str) -> None:
    result = teller("run", "-c", config, "--roles", "intake,barista")
    assert result.exit_code == 2
    assert "barista" in result.output


def test_an_unreachable_bus_is_one_clear_error(tmp_path: Path) -> None:
    path = write_config(tmp_path, bus_url="nats://127.0.0.1:1", server={"port": 0})
    result = teller("run", "-c", str(path))
    assert result.exit_code == 1
    assert "no NATS server answers" in result.output
    assert "Traceback" not in result.output


def test_kb_search_shows_hits_and_confidence(config: str) -> None:
    result = teller("kb", "search", "卡丢了", "-c", config)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("confidence ")
    assert "cards.lost" in result.stdout.splitlines()[1]


def test_dead_letters_can_be_listed_shown_and_retried(config: str) -> None:
    assert teller("db", "upgrade", "-c", config).exit_code == 0
    with sqlite3.connect(Path(config).parent / "store.db") as connection:
        connection.execute(
            "INSERT INTO inbox (id, platform, account, event_id, conversation, event, status, received_at)"
            " VALUES (7, 'p', 'a', 'e', 'k', '{\"event_id\":\"e\"}', 'dead', 0)"
        )
        connection.execute(
            "INSERT INTO dead_letters (id, kind, ref, conversation, reason, at)"
            " VALUES (3, 'event', 7, 'k', 'boom', 0)"
        )
    connection.close()
    assert "boom" in teller("dlq", "list", "-c", config).stdout
    assert '"event_id":"e"' in teller("dlq", "show", "3", "-c", config).stdout
    assert teller("dlq", "retry", "3", "-c", config).exit_code == 0
    assert teller("dlq", "list", "-c", config).stdout == ""
    again = teller("dlq", "retry", "3", "-c", config)
    assert again.exit_code == 1
    assert "no open dead letter 3" in again.output


def test_eval_retrieval_prints_its_metrics_last(tmp_path: Path) -> None:
    kb, queries = tmp_path / "kb.jsonl", tmp_path / "queries.jsonl"
    rows = [
        {"doc_id": 1, "question": "怎么开户", "answer": "带身份证"},
        {"doc_id": 2, "question": "卡丢了", "answer": "挂失"},
    ]
    kb.write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries.write_text(json.dumps({"query": "我的卡丢了", "gold_doc": 2}) + "\n")
    result = teller("eval", "retrieval", "--kb", str(kb), "--queries", str(queries), "--no-dense")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["recall@1"] == 1.0
    assert {"recall@3", "recall@10", "mrr@10", "queries_per_s"} <= report.keys()


def test_eval_needs_kb_and_queries_together(tmp_path: Path) -> None:
    assert teller("eval", "retrieval", "--kb", str(tmp_path / "kb.jsonl")).exit_code == 2


def test_eval_answers_measures_whole_answers(config: str, tmp_path: Path) -> None:
    kb, queries = tmp_path / "kb.jsonl", tmp_path / "queries.jsonl"
    rows = [{"doc_id": "a", "question": "怎么开户", "answer": "带身份证到网点开户。"}]
    kb.write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries.write_text(json.dumps({"query": "怎么开户", "gold_doc": "a"}) + "\n")
    result = teller("eval", "answers", "--kb", str(kb), "--queries", str(queries), "-c", config)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert (report["answered"], report["gold_cited@1"], report["unsupported_numbers"]) == (1.0, 1.0, 0)


def test_run_serves_until_sigterm_and_then_ends_well(config: str) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "run", "-c", config, "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert f"http://127.0.0.1:{port}" in process.stdout.readline()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as response:
        assert json.load(response)["ready"] is True
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert time.monotonic() - started < 20
    process.stdout.close()
