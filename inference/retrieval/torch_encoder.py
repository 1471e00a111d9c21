"""The packaged encoder in torch, for training only: same numbers as the C engine (cosine > 0.9998).

The lower layers stay as they are; of the upper ones everything is trainable, and their matrices are
seen through their own 4-bit rounding (straight-through estimator: Bengio et al. 2013,
arXiv:1308.3432), so that what is trained is what the engine will compute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from torch import Tensor, nn
from torch.nn import functional

from inference.retrieval.e5_file import BLOCK, BLOCK_TYPE, E5File

__all__ = ["TorchEncoder", "UnigramTokeniser", "quantise"]


_RUN = 48
"""Texts that are computed together."""


class UnigramTokeniser:
    """The tokeniser inside the model file."""

    def __init__(self, model: E5File) -> None:
        self._vocabulary = model.vocabulary()
        pieces = [piece.decode("utf-8", "replace") for piece in self._vocabulary.pieces]
        scores = self._vocabulary.scores.tolist()
        self._tokenizer = Tokenizer(
            Unigram(list(zip(pieces, scores, strict=True)), unk_id=self._vocabulary.unknown)
        )
        self._tokenizer.pre_tokenizer = Metaspace(replacement="▁", prepend_scheme="always", split=False)

    def ids(self, text: str, limit: int) -> list[int]:
        """Token ids with the two specials, at most `limit` of them."""
        table = self._vocabulary.normalise
        normal = re.sub(" {2,}", " ", "".join(table.get(ord(character), character) for character in text))
        content = self._tokenizer.encode(normal).ids[: limit - 2]
        return [self._vocabulary.bos, *content, self._vocabulary.eos]


class _Matrix(nn.Module):
    """A matrix of Q4_0 blocks, trained in full precision and used as rounded."""

    def __init__(self, model: E5File, name: str, inputs: int) -> None:
        super().__init__()
        self.name = name
        scale = model.blocks(f"{name}.w")["scale"].astype(np.float32)
        weights = model.integers(f"{name}.w").astype(np.float32) * scale[:, None]
        self.weight = nn.Parameter(torch.from_numpy(weights).view(-1, inputs))
        self.bias = nn.Parameter(torch.from_numpy(model.floats(f"{name}.b").copy()))

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.weight
        if weight.requires_grad:
            scale, integers = quantise(weight.detach())
            rounded = (integers * scale).view_as(weight)
            weight = weight + (rounded - weight).detach()
        return functional.linear(x, weight, self.bias)


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Q4_0: for each block of 32 the scale (fp16 values), shape (blocks, 1), and the integers −8…7,
    shape (blocks, 32). The weight of the largest size becomes −8 exactly."""
    blocks = weight.reshape(-1, BLOCK)
    largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = (largest / -8).half().float()
    integers = torch.where(scale == 0, torch.zeros_like(blocks), blocks / torch.where(scale == 0, 1.0, scale))
    return scale, integers.round().clamp(-8, 7)


class _Norm(nn.Module):
    def __init__(self, model: E5File, name: str) -> None:
        super().__init__()
        self.name = name
        self._epsilon = model.epsilon
        self.weight = nn.Parameter(torch.from_numpy(model.floats(f"{name}.w").copy()))
        self.bias = nn.Parameter(torch.from_numpy(model.floats(f"{name}.b").copy()))

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self._epsilon)


class _Layer(nn.Module):
    def __init__(self, model: E5File, number: int) -> None:
        super().__init__()
        prefix, self._heads = f"l{number}", model.heads
        hidden = model.hidden
        self.query, self.key, self.value, self.output = (
            _Matrix(model, f"{prefix}.{part}", hidden) for part in ("q", "k", "v", "ao")
        )
        self.widen = _Matrix(model, f"{prefix}.fi", hidden)
        self.narrow = _Matrix(model, f"{prefix}.fo", model.inner)
        self.after_attention = _Norm(model, f"{prefix}.aln")
        self.after_all = _Norm(model, f"{prefix}.oln")

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, length, hidden = x.shape

        def split(y: Tensor) -> Tensor:
            return y.view(batch, length, self._heads, -1).transpose(1, 2)

        attended = functional.scaled_dot_product_attention(
            split(self.query(x)), split(self.key(x)), split(self.value(x)), attn_mask=mask
        )
        x = self.after_attention(x + self.output(attended.transpose(1, 2).reshape(batch, length, hidden)))
        mixed: Tensor = self.after_all(x + self.narrow(functional.gelu(self.widen(x))))
        return mixed


class TorchEncoder(nn.Module):
    """Token ids to unit sentence vectors, by mean pooling."""

    def __init__(self, model: E5File) -> None:
        super().__init__()
        hidden = model.hidden
        scale = model.blocks("emb.word")["scale"][:, None]
        words = (model.integers("emb.word").astype(np.float16) * scale).reshape(-1, hidden)
        # Plain attributes: the tables are never trained and need no gradient.
        self._words = torch.from_numpy(words)
        self._positions = torch.from_numpy(model.floats("emb.pos").copy()).view(-1, hidden)
        self._type = torch.from_numpy(model.floats("emb.type")[:hidden].copy())
        self.norm = _Norm(model, "emb.ln")
        self.opened = model.layers
        self.layers = nn.ModuleList(_Layer(model, number) for number in range(model.layers))

    def open(self, layers: int) -> None:
        """Make the uppermost `layers` trainable, and nothing else."""
        self.requires_grad_(False)
        self.opened = len(self.layers) - layers
        for layer in self.layers[self.opened :]:
            layer.requires_grad_(True)

    @torch.no_grad()
    def below(self, ids: Sequence[Sequence[int]]) -> list[Tensor]:
        """What enters the trainable layers, for each text: shape (tokens, hidden), fp16."""
        length = max(map(len, ids))
        padded = torch.zeros(len(ids), length, dtype=torch.long)
        mask = torch.zeros(len(ids), length, dtype=torch.bool)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = True
        x = self.norm(self._words[padded].float() + self._positions[:length] + self._type)
        for layer in self.layers[: self.opened]:
            x = layer(x, mask[:, None, None, :])
        return [x[row, : len(tokens)].half() for row, tokens in enumerate(ids)]

    def forward(self, texts: Sequence[Tensor], dropout: float = 0.0) -> Tensor:
        """Sentence vectors of what `below` returned: shape (texts, hidden)."""
        # Texts of like length go together: padding would be most of the work.
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        runs = [order[at : at + _RUN] for at in range(0, len(order), _RUN)]
        vectors = torch.cat([self._above([texts[at] for at in run], dropout) for run in runs])
        return vectors[torch.tensor(order).argsort()]

    def _above(self, texts: Sequence[Tensor], dropout: float) -> Tensor:
        x = nn.utils.rnn.pad_sequence(list(texts), batch_first=True).float()
        mask = torch.arange(x.shape[1])[None] < torch.tensor([len(text) for text in texts])[:, None]
        x = functional.dropout(x, dropout, self.training)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            for layer in self.layers[self.opened :]:
                x = layer(x, mask[:, None, None, :])
        x = x.float()
        pooled = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return functional.normalize(pooled, dim=-1)

    def adapter(
        self, packaged: E5File, start: Mapping[str, NDArray[np.generic]]
    ) -> dict[str, NDArray[np.generic]]:
        """`start` with the trained layers in the place of what it has for them, for `apply_adapter`."""
        adapter = dict(start)
        for part in self.layers[self.opened :].modules():
            if isinstance(part, _Matrix):
                adapter.pop(f"{part.name}.w.scale", None)
                adapter[f"{part.name}.w.blocks"] = _blocks(part.weight.detach())
                adapter[f"{part.name}.b"] = _change(part.bias, packaged.floats(f"{part.name}.b"))
            elif isinstance(part, _Norm):
                adapter[f"{part.name}.w"] = _change(part.weight, packaged.floats(f"{part.name}.w"))
                adapter[f"{part.name}.b"] = _change(part.bias, packaged.floats(f"{part.name}.b"))
        return adapter


def _blocks(weight: Tensor) -> NDArray[np.generic]:
    """As they stand in the file: bytes."""
    scale, integers = quantise(weight)
    unsigned = (integers + 8).to(torch.uint8).numpy()
    blocks = np.zeros(len(unsigned), dtype=BLOCK_TYPE)
    blocks["scale"] = scale[:, 0].half().numpy()
    blocks["nibbles"] = unsigned[:, :16] | unsigned[:, 16:] << 4
    return blocks.view(np.uint8)


def _change(tensor: Tensor, base: NDArray[np.float32]) -> NDArray[np.generic]:
    return (tensor.detach().numpy().reshape(-1) - base).astype(np.float16)
