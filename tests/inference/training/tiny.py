"""A causal language model of some kilobytes, and dialogues for it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

BOS, EOS = "<bos>", "<eos>"


def tiny_base(folder: Path, *, hidden: int = 32, seed: int = 0) -> Path:
    """A Gemma of two layers over bytes, with chance weights."""
    tokenizer = byte_tokenizer()
    torch.manual_seed(seed)
    config = Gemma3TextConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=hidden, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=16, sliding_window=256,
        max_position_embeddings=2048, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    folder.mkdir(parents=True)
    Gemma3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def byte_tokenizer() -> Tokenizer:
    """A token a byte."""
    symbols = [BOS, EOS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({symbol: at for at, symbol in enumerate(symbols)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([BOS, EOS])
    return tokenizer


def rows(count: int) -> list[dict[str, object]]:
    """Dialogues whose replies can be learnt by heart."""
    return [
        {
            "id": f"d{n}",
            "lang": "en",
            "family": f"f{n}",
            "passages": [{"title": "Card fee", "text": f"A new card costs CNY {n + 10}."}],
            "turns": [
                {"kind": "answer", "question": "what does a card cost", "reply": f"It costs CNY {n + 10}."},
                {"kind": "refuse", "question": "and a ring", "reply": "Sorry, the notes don't say."},
            ],
        }
        for n in range(count)
    ]


def write_rows(path: Path, found: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found), encoding="utf-8")
    return path
