"""The packaged base with the shipped adapter in bfloat16, float32 and 8 bits: speed, memory, what it costs.

    python -m benchmarks.precision [--cache DIR] [--threads N] [--rounds 3] [--only NAME …]

One decoding step of 1, 8 and 32 conversations with 300 tokens behind each, and the reading of 300 tokens;
the perplexity of replies written for the gate, ten in each language (what rounding costs). `int8 to write` is what the engine
does (`inference.generator.eight_bits`: prompts are read in bfloat16); `int8, dynamic` is torch's own dynamic
quantisation of everything, per tensor; `OpenVINO` is measured where `openvino` and `nncf` are installed. The
head is cut to the vocabulary in use, but for the line that says so. Each figure is
the best of several rounds; the first variant is measured again at the end, to show what the machine did
meanwhile.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import logging
import math
import multiprocessing
import os
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from transformers import DynamicCache

from bot.types import Exchange
from inference.generator import identity, model, prompt
from inference.generator.eight_bits import EightBitLinear, with_eight_bits
from inference.generator.vocabulary import Vocabulary
from inference.training.dialogues import read_dialogues

BEHIND = 300
"""Tokens before the step that is timed."""
ROWS = (1, 8, 32)
STEPS = 8
GATE = Path("inference/training/data/dialogues/gate/g.jsonl")
REPLIES = 10
"""In each language."""


class Variant(Protocol):
    def begin(self, ids: Tensor) -> Tensor:
        """Forget what was before and read `ids` (rows, tokens); logits (rows, vocabulary) after the last."""
        ...

    def next(self, ids: Tensor) -> Tensor:
        """Logits (rows, vocabulary) after the further `ids` (rows, tokens)."""
        ...


class Torch:
    """A decoder with a head, in torch.

    Args:
        kept: the rows of the head that stay; None for all.
    """

    def __init__(self, network: Any, kept: list[int] | None) -> None:
        self.decoder = network.get_decoder()
        weight = network.get_output_embeddings().weight
        self.head = nn.Linear(weight.shape[1], len(kept) if kept else weight.shape[0], bias=False)
        self.head.weight = nn.Parameter(weight if kept is None else weight[torch.tensor(kept)], False)
        self._cache = DynamicCache()

    def begin(self, ids: Tensor) -> Tensor:
        self._cache = DynamicCache()
        return self.next(ids)

    def next(self, ids: Tensor) -> Tensor:
        return self.head(self.states(self.decoder, ids))  # type: ignore[no-any-return]

    def states(self, decoder: Any, ids: Tensor) -> Tensor:
        """The last token's, (rows, hidden). As in the engine the mask is given, which decides how attention is
        computed."""
        behind, length = self._cache.get_seq_length(), ids.shape[1]
        seen = torch.ones(length, behind + length, dtype=torch.bool).tril(behind)
        mask = seen.expand(ids.shape[0], 1, -1, -1)
        out = decoder(
            ids,
            attention_mask={"full_attention": mask, "sliding_attention": mask},
            past_key_values=self._cache,
            use_cache=True,
        )
        return out.last_hidden_state[:, -1]  # type: ignore[no-any-return]


class Written(Torch):
    """Reads as `Torch` does and writes in eight bits."""

    def __init__(self, network: Any, kept: list[int], *, head: bool) -> None:
        super().__init__(network, kept)
        self._writer = with_eight_bits(self.decoder)
        self._rounded = EightBitLinear(self.head) if head else None

    def next(self, ids: Tensor) -> Tensor:
        if not self._cache.get_seq_length():
            return super().next(ids)
        states = self.states(self._writer, ids)
        if self._rounded is not None:
            return self._rounded(states)  # type: ignore[no-any-return]
        return self.head(states.to(self.head.weight.dtype))  # type: ignore[no-any-return]


class _Joined:
    """A cache as a graph has it: tensors in, longer tensors out."""

    def __init__(self, flat: tuple[Tensor, ...]) -> None:
        self.pairs = [(flat[at], flat[at + 1]) for at in range(0, len(flat), 2)]

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: object) -> tuple[Tensor, Tensor]:
        before, earlier = self.pairs[layer]
        self.pairs[layer] = torch.cat([before, keys], 2), torch.cat([earlier, values], 2)
        return self.pairs[layer]

    def get_seq_length(self, layer: int = 0) -> int:
        return self.pairs[layer][0].shape[2]


class _Graph(nn.Module):
    """What is converted: ids, positions, mask and cache to logits and the longer cache."""

    def __init__(self, torch_one: Torch) -> None:
        super().__init__()
        self.decoder, self.head = torch_one.decoder, torch_one.head

    def forward(self, ids: Tensor, positions: Tensor, mask: Tensor, *flat: Tensor) -> tuple[Tensor, ...]:
        cache = _Joined(flat)
        states = self.decoder(
            ids,
            position_ids=positions,
            attention_mask={"full_attention": mask, "sliding_attention": mask},
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return (self.head(states[:, -1]), *(tensor for pair in cache.pairs for tensor in pair))


class OpenVino:
    """The same decoder and head, converted; the cache is the graph's own state."""

    def __init__(self, torch_one: Torch, config: Any, threads: int, *, eight_bits: bool) -> None:
        import openvino as ov
        from openvino._offline_transformations import apply_make_stateful_transformation

        shape = (1, config.num_key_value_heads, 4, config.head_dim)
        flat = [torch.zeros(shape) for _ in range(2 * config.num_hidden_layers)]
        positions = torch.tensor([[4, 5]])
        example = (torch.tensor([[5, 6]]), positions, torch.zeros(1, 1, 2, 6), *flat)
        converted = ov.convert_model(_Graph(torch_one).eval(), example_input=example)
        names = {}
        for at, (port, made) in enumerate(zip(converted.inputs[3:], converted.outputs[1:], strict=True)):
            port.get_tensor().set_names({f"past{at}"})
            made.get_tensor().set_names({f"present{at}"})
            names[f"past{at}"] = f"present{at}"
        free = {n: ov.PartialShape([-1, -1]) for n in range(2)} | {2: ov.PartialShape([-1, 1, -1, -1])}
        kept = ov.PartialShape([-1, shape[1], -1, shape[3]])
        converted.reshape({port: free.get(n, kept) for n, port in enumerate(converted.inputs)})
        apply_make_stateful_transformation(converted, names)
        if eight_bits:
            import nncf

            converted = nncf.compress_weights(converted, mode=nncf.CompressWeightsMode.INT8_ASYM)
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        self._request = ov.Core().compile_model(converted, "CPU", settings).create_infer_request()
        self._behind = 0
        self._empty = lambda rows: ov.Tensor(np.zeros((rows, shape[1], 0, shape[3]), np.float32))

    def begin(self, ids: Tensor) -> Tensor:
        for state in self._request.query_state():
            state.state = self._empty(ids.shape[0])
        self._behind = 0
        return self.next(ids)

    def next(self, ids: Tensor) -> Tensor:
        rows, length = ids.shape
        positions = torch.arange(self._behind, self._behind + length).expand(rows, -1)
        mask = torch.zeros(rows, 1, length, self._behind + length)
        if length > 1:
            later = torch.ones(length, self._behind + length).triu(self._behind + 1).bool()
            mask.masked_fill_(later, torch.finfo(torch.float32).min)
        self._behind += length
        given = [ids.numpy(), positions.numpy(), mask.numpy()]
        return torch.from_numpy(self._request.infer(given)[0])


def made(name: str, cache: Path, threads: int) -> Variant:
    """The variant of that name (`NAMES`)."""
    dtype = "bfloat16" if name.startswith(("bfloat16", "int8 to write")) else "float32"
    loaded = model.load(identity.BASE, cache=cache, adapter="shipped", dtype=dtype)
    size = loaded.network.get_output_embeddings().weight.shape[0]
    if name.startswith("int8 to write"):
        return Written(loaded.network, kept_rows(loaded, size), head="head" in name)
    plain = Torch(loaded.network, None if "whole" in name else kept_rows(loaded, size))
    if name.startswith("OpenVINO"):
        return OpenVino(plain, loaded.network.config, threads, eight_bits="int8" in name)
    if "int8" in name:
        plain.decoder = torch.ao.quantization.quantize_dynamic(plain.decoder, {nn.Linear}, torch.qint8)
        plain.head = torch.ao.quantization.quantize_dynamic(
            nn.Sequential(plain.head), {nn.Linear}, torch.qint8
        )
    return plain


NAMES = (
    "bfloat16",
    "bfloat16, whole vocabulary",
    "float32",
    "int8 to write",
    "int8 to write, head too",
    "int8, dynamic",
)
CONVERTED = ("OpenVINO", "OpenVINO, int8 weights")


def kept_rows(loaded: model.LanguageModel, size: int) -> list[int]:
    return Vocabulary(loaded.tokenizer, loaded.stop_ids, size).ids


def round_of(variant: Variant) -> dict[str, float]:
    """Tokens per second: `read` of a prompt, `rows N` of one step of N conversations."""
    found = {}
    prompt_ids = torch.arange(1000, 1000 + BEHIND)[None]
    started = time.perf_counter()
    variant.begin(prompt_ids)
    found["read"] = BEHIND / (time.perf_counter() - started)
    for rows in ROWS:
        variant.begin(prompt_ids.expand(rows, -1).contiguous())
        ids = torch.full((rows, 1), 77)
        variant.next(ids)
        started = time.perf_counter()
        for _ in range(STEPS):
            variant.next(ids)
        found[f"rows {rows}"] = rows * STEPS / (time.perf_counter() - started)
    return found


def perplexity(variant: Variant, name: str, cache: Path) -> float:
    """Of the tokens of written replies that every variant can write, each given those before it."""
    loaded = model.load(identity.BASE, cache=cache)
    size = loaded.network.get_output_embeddings().weight.shape[0]
    kept = kept_rows(loaded, size)
    row_of = {id: id if "whole" in name else row for row, id in enumerate(kept)}
    dialogues = read_dialogues(GATE)
    total, count = 0.0, 0
    for dialogue in [d for lang in ("zh", "en") for d in [d for d in dialogues if d.lang == lang][:REPLIES]]:
        passages = [dialogue.passage(n) for n in range(len(dialogue.passages))]
        turn = Exchange(dialogue.turns[0].question, dialogue.turns[0].reply)
        *before, reply = prompt.script(dialogue.lang, passages, [turn])

        def ids(text: str) -> list[int]:
            return loaded.tokenizer.encode(text, add_special_tokens=False).ids

        begin = [] if loaded.bos_id is None else [loaded.bos_id]
        logits = variant.begin(torch.tensor([[*begin, *(id for said in before for id in ids(said.text))]]))
        for id in ids(reply.text):
            if id in row_of:
                total -= float(torch.log_softmax(logits[0].float(), 0)[row_of[id]])
                count += 1
            logits = variant.next(torch.tensor([[id]]))
    return math.exp(total / count)


def measure(pipe: Connection, name: str, options: argparse.Namespace) -> None:
    """A variant in a process of its own, so that memory is its own too."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        variant = made(name, options.cache, options.threads)
        gc.collect()
        found: dict[str, float] = {}
        for _ in range(options.rounds):
            for what, rate in round_of(variant).items():
                found[what] = max(rate, found.get(what, 0.0))
        found["MiB"] = psutil.Process().memory_info().rss / 2**20
        found["perplexity"] = perplexity(variant, name, options.cache)
    pipe.send(found)


def measured(name: str, options: argparse.Namespace) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=measure, args=(there, name, options), daemon=True)
    process.start()
    there.close()
    try:
        found: dict[str, float] = here.recv()
    except EOFError:
        raise SystemExit(f"{name}: its process ended (is there enough memory?)") from None
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Precisions of the packaged generator.")
    parser.add_argument("--cache", type=Path, default=Path("data/cache/models"))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[*NAMES, *CONVERTED])
    options = parser.parse_args()
    model.materialise_base(options.cache)
    names = options.only or list(NAMES)
    if not options.only and importlib.util.find_spec("openvino") and importlib.util.find_spec("nncf"):
        names += CONVERTED
    rows: list[tuple[str, dict[str, float]]] = []
    for name in [*names, names[0]]:
        found = measured(name, options)
        if not rows:
            print(f"{'tokens/s':28}" + "".join(f"{column:>12}" for column in found))
        print(f"{name:28}" + "".join(f"{figure:12.2f}" for figure in found.values()), flush=True)
        rows.append((name, found))
    print(json.dumps({"threads": options.threads, "rows": rows}))


if __name__ == "__main__":
    main()
