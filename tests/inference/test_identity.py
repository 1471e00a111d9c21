"""Which base an adapter belongs to, and which one a configuration merges in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.assembly import make_worker
from bot.config import LiveConfig
from bot.config.live import load
from inference.client import WorkerSupervisor
from inference.generator.identity import BASE, BASE_SHA256, SHIPPED, base_of, identity, is_tuned
from tests.counter import write_config


def weights(folder: Path, data: bytes) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(data)
    return folder


def test_weights_of_one_shape_are_told_apart(tmp_path: Path) -> None:
    one = weights(tmp_path / "one", b"a" * 300_000)
    same = weights(tmp_path / "same", b"a" * 300_000)
    changed = weights(tmp_path / "changed", b"a" * 150_000 + b"b" + b"a" * 149_999)
    assert identity(str(one)) == identity(str(same)) != identity(str(changed))
    assert identity(BASE) == BASE_SHA256
    assert identity("Qwen/Qwen3-0.6B") == "Qwen/Qwen3-0.6B"


def test_the_shipped_adapter_is_of_the_packaged_base() -> None:
    assert base_of(SHIPPED) == BASE_SHA256
    assert is_tuned(SHIPPED)
    card = (SHIPPED / "card.md").read_text("utf-8")
    assert "teller train sft config/train/generator.yaml" in card


def merged(place: Path, **inference: object) -> str:
    """The adapter that the worker of such a configuration is told to merge in."""
    live = LiveConfig(load(write_config(place, inference=inference)))
    worker = make_worker(live)
    assert isinstance(worker, WorkerSupervisor)
    return worker._worker.adapter


def promoted(place: Path, base: str) -> Path:
    folder = place / "data" / "models" / "generator" / "adapter"
    folder.mkdir(parents=True)
    (folder / "teller.json").write_text(json.dumps({"prompt": "tuned", "base": base}))
    return folder


@pytest.mark.parametrize(
    ("inference", "expected"),
    [
        ({}, "shipped"),
        ({"adapter": "none"}, ""),
        ({"model": "Qwen/Qwen3-0.6B"}, ""),
        ({"model": BASE}, "shipped"),
    ],
)
def test_without_a_promotion_the_packaged_model_gets_what_is_shipped(
    tmp_path: Path, inference: dict[str, object], expected: str
) -> None:
    assert merged(tmp_path, **inference) == expected


def test_a_promoted_adapter_is_merged_into_its_own_base_alone(tmp_path: Path) -> None:
    folder = promoted(tmp_path, BASE_SHA256)
    assert Path(merged(tmp_path)).samefile(folder)


def test_a_promoted_adapter_of_another_base_is_left_out(tmp_path: Path) -> None:
    promoted(tmp_path, "something else")
    assert merged(tmp_path) == "shipped"


def test_a_folder_that_is_named_is_taken_as_it_is(tmp_path: Path) -> None:
    assert merged(tmp_path, adapter="mine") == str(tmp_path / "mine")
