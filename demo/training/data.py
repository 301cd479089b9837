"""The training pictures as tensors: a seeded pool of composed scenes."""

from __future__ import annotations

import random

import numpy as np
import torch
from tqdm import tqdm

from .scenes import compose


def scene_pool(count: int, seed: int, size: int = 128) -> tuple[torch.Tensor, list[str]]:
    """Compose scenes; returns bytes [count, 3, size, size] and their captions."""
    pictures = torch.empty(count, 3, size, size, dtype=torch.uint8)
    captions = []
    for index in tqdm(range(count), desc="scenes", mininterval=10):
        scene = compose(random.Random(seed * 1_000_003 + index), size)
        pictures[index] = torch.from_numpy(np.array(scene.image)).permute(2, 0, 1)
        captions.append(scene.caption)
    return pictures, captions


def to_unit(pictures: torch.Tensor) -> torch.Tensor:
    """Bytes to floats in [-1, 1]."""
    return pictures.float() / 127.5 - 1
