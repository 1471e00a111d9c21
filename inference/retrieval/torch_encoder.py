"""The packaged encoder in torch, for training only: same numbers as the C engine (cosine > 0.9998).

Only what the file holds in full precision is trainable: block scales, biases and layer norms.
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

from inference.retrieval.e5_file import BLOCK, E5File

__all__ = ["TorchEncoder", "UnigramTokeniser"]


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
    """A 4-bit matrix whose block scales can change: scale = packaged scale × (1 + change)."""

    weights: Tensor
    scale: Tensor

    def __init__(self, model: E5File, name: str, inputs: int) -> None:
        super().__init__()
        self.name = name
        weights = model.integers(f"{name}.w").astype(np.float32)
        scale = model.blocks(f"{name}.w")["scale"].astype(np.float32)
        self._shape = (-1, inputs)
        self.register_buffer("weights", torch.from_numpy(weights).view(-1, inputs // BLOCK, BLOCK))
        self.register_buffer("scale", torch.from_numpy(scale).view(-1, inputs // BLOCK, 1))
        self.change = nn.Parameter(torch.zeros_like(self.scale))
        self.bias = nn.Parameter(torch.from_numpy(model.floats(f"{name}.b").copy()))

    def forward(self, x: Tensor) -> Tensor:
        weights = (self.weights * (self.scale * (1 + self.change))).view(self._shape)
        return functional.linear(x, weights, self.bias)


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
        self.layers = nn.ModuleList(_Layer(model, number) for number in range(model.layers))

    def forward(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Shape (texts, hidden)."""
        length = max(map(len, ids))
        padded = torch.zeros(len(ids), length, dtype=torch.long)
        mask = torch.zeros(len(ids), length, dtype=torch.bool)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = True
        x = self.norm(self._words[padded].float() + self._positions[:length] + self._type)
        for layer in self.layers:
            x = layer(x, mask[:, None, None, :])
        pooled = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return functional.normalize(pooled, dim=-1)

    def adapter(self, model: E5File) -> dict[str, NDArray[np.float16]]:
        """What training changed since `model`, in the form `apply_adapter` takes."""
        changes: dict[str, NDArray[np.float16]] = {}
        for part in self.modules():
            if isinstance(part, _Matrix):
                changes[f"{part.name}.w.scale"] = _half(part.change)
                changes[f"{part.name}.b"] = _half(part.bias, model.floats(f"{part.name}.b"))
            elif isinstance(part, _Norm):
                changes[f"{part.name}.w"] = _half(part.weight, model.floats(f"{part.name}.w"))
                changes[f"{part.name}.b"] = _half(part.bias, model.floats(f"{part.name}.b"))
        return changes

    def resume(self, adapter: Mapping[str, NDArray[np.float16]]) -> None:
        """Go on from an adapter that `adapter` returned; only right after construction."""
        with torch.no_grad():
            for part in self.modules():
                if isinstance(part, _Matrix):
                    part.change.add_(torch.from_numpy(adapter[f"{part.name}.w.scale"]).view_as(part.change))
                    part.bias.add_(torch.from_numpy(adapter[f"{part.name}.b"]))
                elif isinstance(part, _Norm):
                    part.weight.add_(torch.from_numpy(adapter[f"{part.name}.w"]))
                    part.bias.add_(torch.from_numpy(adapter[f"{part.name}.b"]))

    def groups(self, scale_rate: float, other_rate: float) -> list[dict[str, object]]:
        """Parameter groups for an optimiser: scales change relatively, the rest absolutely."""
        named = list(self.named_parameters())
        return [
            {"params": [p for name, p in named if name.endswith("change")], "lr": scale_rate},
            {"params": [p for name, p in named if not name.endswith("change")], "lr": other_rate},
        ]


def _half(tensor: Tensor, base: NDArray[np.float32] | None = None) -> NDArray[np.float16]:
    values = tensor.detach().numpy().reshape(-1)
    return (values if base is None else values - base).astype(np.float16)
