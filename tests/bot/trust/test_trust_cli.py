"""`teller keys|audit|customer|vault` at the command line."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.store import Store
from bot.trust.keyring import FileKeys
from tests.bot.trust.rig import ANSWER, WORDS, converse
from tests.counter import write_config

WANG = "fake:test:wang"
TWO = ("--by", "chen", "--second", "zhou")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A counter with one conversation in its store."""
    monkeypatch.delenv("TELLER_KEYRING", raising=False)
    write_config(tmp_path)

    async def fill() -> None:
        keys = FileKeys(tmp_path / "data" / "keyring.json")
        store = await Store.open(f"sqlite:///{tmp_path / 'store.db'}", keys=keys)
        await converse(store)
        await store.close()

    asyncio.run(fill())
    return tmp_path


def teller(folder: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(app, [*arguments, "-c", str(folder / "teller.yaml")])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_keys_are_shown_by_version_never_by_value(folder: Path) -> None:
    result = teller(folder, "keys", "status")
    assert result.exit_code == 0
    assert "master key 1: wraps 1 data keys (current)" in result.output
    ring = json.loads((folder / "data" / "keyring.json").read_text())
    assert ring["master"]["1"] not in result.output


def test_a_rotation_and_the_removal_of_the_old_version(folder: Path) -> None:
    assert "master key 2 is current; 1 data keys" in teller(folder, "keys", "rotate").output
    assert "master key 1: wraps 0 data keys (can be removed)" in teller(folder, "keys", "status").output
    assert teller(folder, "keys", "remove", "2").exit_code == 1
    assert teller(folder, "keys", "remove", "1").exit_code == 0
    assert WORDS in teller(folder, "customer", "export", WANG, "--by", "chen").output


def test_a_wrong_or_missing_keyring_is_one_clear_line(folder: Path) -> None:
    path = folder / "data" / "keyring.json"
    path.rename(folder / "away")
    missing = teller(folder, "keys", "status")
    assert (missing.exit_code, missing.output.count("\n")) == (1, 1)
    assert "the keyring is missing" in missing.output
    FileKeys(path).load(create=True)
    wrong = teller(folder, "audit", "verify")
    assert wrong.exit_code == 1
    assert "isn't the one that this database is sealed with" in wrong.output
    assert "Traceback" not in wrong.output


def test_a_touched_record_ends_in_one_and_names_the_place(folder: Path) -> None:
    result = teller(folder, "audit", "verify")
    assert (result.exit_code, result.output) == (0, "ok: 2 entries, none touched\n")
    with sqlite3.connect(folder / "store.db") as connection:
        connection.execute("UPDATE audit SET data = '{}' WHERE seq = 2")
    connection.close()
    result = teller(folder, "audit", "verify")
    assert result.exit_code == 1
    assert "WRONG: entry 2 (message.sent)" in result.output


def test_an_export_of_the_record_is_checked_without_the_database(folder: Path) -> None:
    out = folder / "record.jsonl"
    assert "3 entries" in teller(folder, "audit", "export", "--out", str(out)).output
    (folder / "store.db").unlink()
    assert teller(folder, "audit", "verify", "--file", str(out)).output.startswith("ok: 3 entries")
    out.write_bytes(out.read_bytes().replace(b"message.sent", b"message.kept"))
    assert teller(folder, "audit", "verify", "--file", str(out)).exit_code == 1
    assert teller(folder, "audit", "verify", "--file", str(folder / "none")).exit_code == 2
    assert teller(folder, "audit", "export", "--since", "yesterday").exit_code == 2


def test_a_customers_export_is_a_file_for_its_owner_only(folder: Path) -> None:
    out = folder / "wang.json"
    assert teller(folder, "customer", "export", WANG, "--by", "chen", "--out", str(out)).exit_code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    found = json.loads(out.read_text())
    assert [line["text"] for line in found["transcript"]] == [WORDS, ANSWER]
    assert "say who you are" in teller(folder, "customer", "export", WANG).output


def test_hold_erase_and_what_stays(folder: Path) -> None:
    assert "two different people" in teller(folder, "customer", "erase", WANG, "--by", "chen").output
    assert teller(folder, "customer", "hold", WANG, *TWO).exit_code == 2
    assert teller(folder, "customer", "hold", WANG, "--reason", "case 7", *TWO).exit_code == 0
    held = teller(folder, "customer", "erase", WANG, *TWO)
    assert held.exit_code == 1
    assert "legal hold (case 7; by chen)" in held.output
    assert teller(folder, "customer", "hold", WANG, "--release", *TWO).exit_code == 0
    erased = teller(folder, "customer", "erase", WANG, *TWO)
    assert erased.exit_code == 0
    assert "erased: 2 in history" in erased.output
    assert re.search(r"stays: 2 audit entries: .*ten years", erased.output)
    assert "nobody is known" in teller(folder, "customer", "show", "fake:test:li").output
    assert teller(folder, "audit", "verify").exit_code == 0


def test_a_dry_run_of_retention_removes_nothing(folder: Path) -> None:
    for _ in range(2):
        result = teller(folder, "customer", "retention", "--dry-run")
        assert result.exit_code == 0
        assert "due: 1 raw payloads" in result.output or "due: 0 raw payloads" in result.output
    assert WORDS in teller(folder, "customer", "export", WANG, "--by", "chen").output


def test_the_vault_asks_for_role_reason_and_two_people(folder: Path) -> None:
    reveal = ("vault", "reveal", "v_wang_e1")
    assert teller(folder, *reveal, *TWO).exit_code == 2
    assert teller(folder, *reveal, *TWO, "--role", "privacy").exit_code == 1
    shown = teller(folder, *reveal, *TWO, "--role", "privacy", "--reason", "call back")
    assert shown.output == f"phone {WORDS}\n"


def test_the_vault_lists_what_it_holds_of_a_customer_masked(folder: Path) -> None:
    listed = teller(folder, "vault", "list", WANG).output
    assert "v_wang_e1" in listed
    assert "138****0000" in listed
    assert WORDS not in listed
    assert teller(folder, "vault", "list", "fake:test:nobody").exit_code == 1


def test_an_upgrade_seals_what_is_in_clear(folder: Path) -> None:
    result = teller(folder, "db", "upgrade")
    assert result.output == "the database is up to date\n"
    assert "sealed: everything" in teller(folder, "keys", "status").output
