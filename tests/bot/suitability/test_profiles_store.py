"""Profiles in the database: sealed, merged, committed with the turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli.main import app
from bot.config import LiveConfig, load
from bot.errors import ConfigError
from bot.store import Outcome, Store
from bot.suitability.profile import Profile, ProfileChange, Rating, Test
from bot.suitability.shelf import LiveCounter, load_counter
from tests.bot.suitability.desk import CONFIG
from tests.counter import write_config
from tests.make import NOON, T0, event

WHO = "fake|test|wang|"
LEARNT = ProfileChange(
    WHO, test=Test("t1", NOON, "v", "finished"), rating=Rating("C4", NOON, "prescreen"), age=51
)


def _anywhere(folder: Path, words: bytes) -> bool:
    return any(words in path.read_bytes() for path in folder.glob("store.db*"))


async def test_a_profile_is_kept_merged_and_sealed(store_url: str, tmp_path: Path) -> None:
    store = await Store.open(store_url)
    assert await store.profile(WHO) == Profile()
    await store.change_profile(LEARNT, now=T0)
    await store.change_profile(LEARNT, now=T0)
    await store.change_profile(ProfileChange(WHO, rating=Rating("C2", NOON, "bank")), now=T0)
    profile = await store.profile(WHO)
    assert (profile.age, profile.level(NOON), len(profile.tests)) == (51, "C2", 1)
    await store.close()
    again = await Store.open(store_url)
    assert await again.profile(WHO) == profile
    await again.close()
    assert not _anywhere(tmp_path, b"prescreen")


async def test_one_that_was_tampered_with_keeps_nobody_from_an_answer(store_url: str) -> None:
    store = await Store.open(store_url)
    await store.change_profile(LEARNT, now=T0)
    spoil = "UPDATE profiles SET data = substr(data, 1, length(data) - 4) || 'AAAA'"
    await store.write(lambda c: c.exec_driver_sql(spoil))
    assert await store.profile(WHO) == Profile()
    await store.close()


async def test_it_is_committed_with_the_turn_or_not_at_all(store_url: str) -> None:
    store = await Store.open(store_url)
    await store.accept(event(), b"{}", queue_limit=9, now=T0)
    [claim] = await store.claim(now=T0, lease_s=30, limit=1)
    await store.complete(claim, Outcome(profile=LEARNT), now=T0)
    assert (await store.profile(WHO)).level(NOON) == "C4"
    await store.close()


def test_both_files_are_checked_at_once_and_may_be_missing(tmp_path: Path) -> None:
    assert load_counter(tmp_path / "a.yaml", tmp_path / "b.yaml").questionnaire is None
    (tmp_path / "a.yaml").write_text("version: 1\n")
    (tmp_path / "b.yaml").write_text("products: []\n")
    with pytest.raises(ConfigError) as error:
        load_counter(tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert {Path(problem.file).name for problem in error.value.problems} == {"a.yaml", "b.yaml"}


async def test_a_good_change_is_live_and_a_bad_one_leaves_the_last_good_version(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    shelf = tmp_path / "products.yaml"
    text = (CONFIG / "products.yaml").read_text(encoding="utf-8")
    shelf.write_text(text, encoding="utf-8")
    live = LiveCounter(LiveConfig(load(path)))
    first = live.current.shelf
    assert first.products
    shelf.write_text(text.replace("minimum: 50000", "minimum: 60000", 1), encoding="utf-8")
    assert await live.reload()
    assert live.current.shelf.version != first.version
    shelf.write_text(text.replace("liquidity: notice", "liquidity: notize", 1), encoding="utf-8")
    assert not await live.reload()
    assert "did you mean 'notice'" in live.error
    assert live.current.shelf.version != first.version
    shelf.write_text(text, encoding="utf-8")
    assert await live.reload()
    assert live.error == ""
    assert live.current.shelf == first


def test_operators_set_confirm_and_show_a_profile(tmp_path: Path) -> None:
    config = ["--config", str(write_config(tmp_path))]

    def teller(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["customer", "profile", *arguments, *config])
        return done.exit_code, done.output

    assert teller("set", WHO, "--by", "li", "--age", "70", "--level", "c3") == (0, "noted\n")
    code, shown = teller("show", WHO)
    assert code == 0
    assert "age: 70" in shown
    assert "level in force: C3" in shown
    assert "confirmed by li" in shown
    for wrong, said in (
        (("--by", "li", "--level", "C7"), "C1, C2"),
        (("--by", "li"), "nothing to set"),
        (("--by", " ", "--age", "3"), "--by"),
        (("--by", "li", "--level", "C2", "--assessed", "2026-02-30"), "2026-02-30"),
        (("--by", "li", "--level", "C2", "--assessed", "2999-01-01"), "future"),
    ):
        code, output = teller("set", WHO, *wrong)
        assert code == 2
        assert said in output
    assert teller("set", "wang", "--by", "li", "--age", "3")[0] == 2
    assert teller("set", "fake|test|nobody|", "--by", "li", "--confirm")[0] == 1


def test_teller_check_names_a_product_that_disagrees_with_the_knowledge(tmp_path: Path) -> None:
    path = write_config(tmp_path, suitability={"enabled": True})
    (tmp_path / "knowledge" / "facts").mkdir()
    (tmp_path / "knowledge" / "facts" / "bank.yaml").write_text(
        "facts:\n  wealth.mixed_min: {value: 40000, unit: CNY}\n"
    )
    text = (CONFIG / "products.yaml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "facts: {" not in line or "wealth.mixed_min" in line]
    text = "\n".join(lines).replace(", terms_days: wealth.mixed_hold", "")
    (tmp_path / "products.yaml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(app, ["check", "--config", str(path)])
    assert done.exit_code == 2
    assert "products.yaml:" in done.output
    assert "wealth.mixed_min says 40000" in done.output
