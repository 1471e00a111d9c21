"""The keyring's file and everything that can be wrong with it."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.errors import KeyringError, SealBroken
from bot.store import Store
from bot.trust.keyring import EnvironmentKeys, FileKeys, FixedKeys, find_keys, new_keyring
from bot.trust.sealing import new_data_key, unwrap, wrap
from tests.bot.trust.rig import converse


def test_the_first_start_makes_a_file_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "keyring.json"
    ring = FileKeys(path).load(create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert FileKeys(path).load() == ring
    assert [p.name for p in path.parent.iterdir()] == ["keyring.json"]


def test_of_many_first_starts_at_once_one_makes_the_keyring(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    with ThreadPoolExecutor(16) as threads:
        rings = list(threads.map(lambda _: FileKeys(path).load(create=True).dump(), range(64)))
    assert len(set(rings)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["keyring.json"]


def test_a_keyring_shows_no_key() -> None:
    ring = new_keyring()
    shown = repr(ring) + repr(EnvironmentKeys(ring.dump()))
    for line in ring.dump().splitlines():
        for word in line.replace('"', " ").split():
            if len(word) == 44:
                assert word not in shown
    assert repr(ring.audit) not in shown
    assert repr(ring.master[1]) not in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", ":1: the keyring is not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a keyring"),
        ('{"format": "other"}', "not a keyring"),
        ('{"format": "teller-keyring-1"}', '"master"'),
        ('{"format": "teller-keyring-1", "master": {"x": ""}, "current": 1}', "whole numbers"),
        ('{"format": "teller-keyring-1", "master": {"1": "c2hvcnQ="}, "current": 1}', "master.1 must be 32"),
        ('{"format": "teller-keyring-1", "master": {"1": 7}, "current": 1}', "master.1 must be 32"),
    ],
)
def test_a_broken_keyring_is_named_and_explained(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyringError) as caught:
        FileKeys(path).load(create=True)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_current_version_that_is_not_there_is_refused(tmp_path: Path) -> None:
    data = json.loads(new_keyring().dump()) | {"current": 5}
    with pytest.raises(KeyringError, match='"current" must be one of'):
        EnvironmentKeys(json.dumps(data)).load()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_keyring_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keyring.json"
    FileKeys(path).load(create=True)
    path.chmod(mode)
    with pytest.raises(KeyringError, match="chmod 600"):
        FileKeys(path).load()


def test_the_environment_goes_before_the_file_and_cannot_be_rotated(tmp_path: Path) -> None:
    ring = new_keyring()
    source = find_keys(tmp_path / "keyring.json", {"TELLER_KEYRING": ring.dump()})
    assert source.load(create=True) == ring
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyringError, match="rewrap"):
        source.add_master()


def test_rotation_adds_a_version_and_keeps_the_old_one(tmp_path: Path) -> None:
    source, other = FileKeys(tmp_path / "k.json"), FileKeys(tmp_path / "k.json")
    first = source.load(create=True)
    other.load()
    assert not other.changed()
    second = source.add_master()
    assert (second.current, second.versions) == (2, (1, 2))
    assert second.master[1] == first.master[1]
    assert other.changed()
    assert other.load() == second
    with pytest.raises(KeyringError, match="current"):
        source.remove_master(2)
    assert source.remove_master(1).versions == (2,)


def test_rotations_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    FileKeys(path).load(create=True)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: FileKeys(path).add_master(), range(20)))
    ring = FileKeys(path).load()
    assert ring.versions == tuple(range(1, 22))
    assert len({*ring.master.values()}) == 21


def test_a_wrapped_key_opens_under_its_version_and_subject_only() -> None:
    ring = new_keyring().with_new_master()
    key = new_data_key()
    wrapped = wrap(ring, 1, "a", key)
    assert unwrap(ring, 1, "a", wrapped) == key
    with pytest.raises(SealBroken, match="version 2"):
        unwrap(ring, 2, "a", wrapped)
    with pytest.raises(SealBroken):
        unwrap(ring, 1, "b", wrapped)
    with pytest.raises(KeyringError, match="no master key version 1"):
        unwrap(ring.without(1), 1, "a", wrapped)


# ── with a database ──


async def test_a_sealed_database_without_its_keyring_says_so_and_makes_no_new_one(
    store_url: str, tmp_path: Path
) -> None:
    source = FileKeys(tmp_path / "ring.json")
    store = await Store.open(store_url, keys=source)
    await converse(store)
    await store.close()
    source.path.rename(tmp_path / "away.json")
    with pytest.raises(KeyringError, match="missing, and the database is sealed with it"):
        await Store.open(store_url, keys=FileKeys(source.path))
    assert not source.path.exists()
    (tmp_path / "away.json").rename(source.path)
    store = await Store.open(store_url, keys=FileKeys(source.path))
    assert len(await store.transcript("fake|test|wang|", limit=5)) == 2
    await store.close()


@pytest.mark.parametrize(
    ("part", "words"),
    [("master", "master key version 1"), ("index", "the index key"), ("audit", "the audit key")],
)
async def test_a_wrong_key_is_named_before_anything_is_read(store_url: str, part: str, words: str) -> None:
    ring = new_keyring()
    store = await Store.open(store_url, keys=FixedKeys(ring))
    await converse(store)
    await store.close()
    wrong = json.loads(ring.dump()) | {part: json.loads(new_keyring().dump())[part]}
    with pytest.raises(KeyringError, match=words):
        await Store.open(store_url, keys=EnvironmentKeys(json.dumps(wrong)))


async def test_a_keyring_from_before_a_rotation_is_named(store_url: str) -> None:
    old = new_keyring()
    store = await Store.open(store_url, keys=FixedKeys(old.with_new_master()))
    await converse(store)
    await store.close()
    with pytest.raises(KeyringError, match=r"no master key version 2 \(it has \[1\]\)"):
        await Store.open(store_url, keys=FixedKeys(old))
