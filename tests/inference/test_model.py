"""What a folder of a model or an adapter may lack, and what is said of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from bot.errors import InferenceUnavailable
from inference.generator import model
from inference.generator.identity import BASE
from inference.generator.options import EngineOptions, WorkerOptions
from inference.generator.service import open_engine
from tests.inference.training.tiny import tiny_base


def without_a_tensor(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, path, metadata={"format": "pt"})


def with_a_tensor_of_another_shape(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["model.layers.0.mlp.up_proj.weight"] = tensors["model.layers.0.mlp.up_proj.weight"][:7].clone()
    save_file(tensors, path, metadata={"format": "pt"})


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without_a_tensor, r"1 of its weights are missing .*layers\.1\.mlp\.up_proj"),
        (with_a_tensor_of_another_shape, ""),
        (cut("model.safetensors"), ""),
        (cut("tokenizer.json"), ""),
        (cut("config.json"), ""),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    folder = tiny_base(tmp_path / "base")
    model.load(str(folder), cache=tmp_path)
    spoil(folder)
    with pytest.raises(InferenceUnavailable, match=rf"(?s)can't be loaded \(.*{says}.*set inference\.model"):
        model.load(str(folder), cache=tmp_path)


def test_a_cache_that_can_not_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InferenceUnavailable, match="can be written to"):
        model.load(BASE, cache=tmp_path / "file" / "cache")


def adapter(folder: Path, layer: str) -> Path:
    """One that names its weights after `layer`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(folder), LoraConfig(r=2, target_modules=["q_proj"])
    )
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    made = folder.parent / "adapter"
    adapted.save_pretrained(made)
    path = made / "adapter_model.safetensors"
    save_file({key.replace("layers", layer): tensor for key, tensor in load_file(path).items()}, path)
    return made


def test_an_adapter_whose_weights_have_no_place_is_refused(tmp_path: Path) -> None:
    folder = tiny_base(tmp_path / "base")
    assert model.load(str(folder), cache=tmp_path, adapter=str(adapter(folder, "layers")))
    with pytest.raises(InferenceUnavailable, match="belong to other layers"):
        model.load(str(folder), cache=tmp_path, adapter=str(adapter(folder, "storeys")))


def test_an_adapter_without_its_files_or_with_nonsense_is_refused(tmp_path: Path) -> None:
    folder = tiny_base(tmp_path / "base")
    made = adapter(folder, "layers")
    config = json.loads((made / "adapter_config.json").read_text())
    (made / "adapter_config.json").write_text(json.dumps(config | {"r": "two"}))
    with pytest.raises(InferenceUnavailable, match="doesn't fit"):
        model.load(str(folder), cache=tmp_path, adapter=str(made))
    (made / "adapter_model.safetensors").unlink()
    with pytest.raises(InferenceUnavailable, match=r"no adapter_model\.safetensors"):
        model.load(str(folder), cache=tmp_path, adapter=str(made))


@pytest.mark.parametrize(
    ("context", "says"), [(900, "makes [0-9]+ tokens of the beginning"), (1024, "tokenizer that leaves")]
)
def test_a_tokenizer_that_fills_the_context_with_the_opening_is_refused(
    tmp_path: Path, context: int, says: str
) -> None:
    """A token a byte: the worked examples alone take more than there is."""
    folder = tiny_base(tmp_path / "base")
    options = WorkerOptions(
        model=str(folder), cache=str(tmp_path), engine=EngineOptions(rows=1, context=context)
    )
    with pytest.raises(InferenceUnavailable, match=says):
        open_engine(options, lambda *_: None)
