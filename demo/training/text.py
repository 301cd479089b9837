"""The text side: CLIP's real tokenizer and a narrow text encoder of our own."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .art import CACHE

WHEEL = "open_clip_torch==3.3.0"
MERGES = "open_clip/bpe_simple_vocab_16e6.txt.gz"
VOCABULARY, LENGTH, WIDTH = 49408, 77, 128
START, END = "<|startoftext|>", "<|endoftext|>"


def tokenizer_folder() -> Path:
    """The folder of tokenizer files, made once from the merges in open_clip's wheel (MIT)."""
    folder = CACHE / "tokenizer"
    if not (folder / "tokenizer_config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_tokenizer(folder, _read_merges())
    return folder


def load_tokenizer() -> CLIPTokenizer:
    """CLIP's tokenizer of 49,408 tokens."""
    return CLIPTokenizer.from_pretrained(tokenizer_folder())


def _read_merges() -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", WHEEL]
    subprocess.run([*command, "--dest", str(CACHE)], check=True)
    with zipfile.ZipFile(next(CACHE.glob("open_clip_torch-*.whl"))) as wheel:
        text = gzip.decompress(wheel.read(MERGES)).decode("utf-8")
    # the file's first line is a version, and CLIP uses only this many of the merges after it
    return text.split("\n")[1 : VOCABULARY - 2 * 256 - 2 + 1]


def _write_tokenizer(folder: Path, merges: list[str]) -> None:
    symbols = _byte_symbols()
    words = [*symbols, *(s + "</w>" for s in symbols), *("".join(m.split()) for m in merges)]
    words += [START, END]
    if len(words) != VOCABULARY:
        raise ValueError(f"expected {VOCABULARY} tokens, got {len(words)}")
    vocabulary = {word: index for index, word in enumerate(words)}
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, **special}
    config |= {"add_prefix_space": False, "do_lower_case": True, "errors": "replace"}
    _dump(folder / "vocab.json", vocabulary)
    _dump(folder / "special_tokens_map.json", special)
    _dump(folder / "tokenizer_config.json", config)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")


def _dump(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


def _byte_symbols() -> list[str]:
    """A printable character for each byte, in the order of CLIP's vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(len(others))]


def build_text_encoder() -> CLIPTextModel:
    """A CLIP text model of width 128. Its word vectors stay random, only its layers are trained.

    That saves the optimizer 6.3 million numbers, and distinct words remain distinct.
    """
    config = CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        projection_dim=WIDTH,
        bos_token_id=VOCABULARY - 2,
        eos_token_id=VOCABULARY - 1,
        pad_token_id=VOCABULARY - 1,
    )
    encoder = CLIPTextModel(config)
    words = encoder.get_input_embeddings().weight
    torch.nn.init.normal_(words, std=0.3)
    words.requires_grad_(False)
    return encoder


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """Token numbers [captions, 77], as the pipeline makes them."""
    return tokenizer(
        captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids
