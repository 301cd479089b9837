"""What is compared: ToDo by several settings, and other people's methods, on diffusers' U-Nets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch

from benchmarks.peers.hypertile import tiled
from comparison.tome import tokens_merged
from lib_todo import Settings, token_downsampling
from lib_todo.plan import Grid
from lib_todo.settings import METHODS, NATIVE_GRID
from lib_todo.settings import PRESETS as LIBRARY

DENSE = "dense"
PRESETS = {f"ToDo {preset}": preset for preset in LIBRARY}
PAPER, BALANCED = "ToDo paper", "ToDo balanced"
# the paper's ToDo with one thing changed
TODO_BY = {f"ToDo factor {factor}": factor for factor in (2, 3, 4, 6)}
MOVING_BY = {f"ToDo moving {factor}": factor for factor in (2, 3, 4, 6)}
POOLED_BY = {f"ToDo {method}": method for method in METHODS if method != "nearest"}
TOMES = {"ToMe 0.5": 0.5, "ToMe 0.75": 0.75}
HYPERTILE = "HyperTile"
# other people's code, whose failure must not end the benchmark
THIRD_PARTY = (*TOMES, HYPERTILE)
NAMES = (DENSE, *PRESETS, *TODO_BY, *MOVING_BY, *POOLED_BY, *THIRD_PARTY)

# returns a context manager that applies the method; ToDo's yields its report
Method = Callable[[], AbstractContextManager[Any]]


def available(unet: Any, latent: Grid, trained: int = NATIVE_GRID) -> dict[str, Method]:
    """All methods for a U-Net.

    Args:
        latent: height and width of its input.
        trained: the side of its largest grid, in tokens, at the size that it was trained at.
    """
    paper = partial(Settings.from_preset, "paper", threshold=trained)
    settings = {name: Settings.from_preset(p, threshold=trained) for name, p in PRESETS.items()}
    settings |= {name: paper(factor=factor) for name, factor in TODO_BY.items()}
    settings |= {name: paper(factor=f, phase="moving") for name, f in MOVING_BY.items()}
    settings |= {name: paper(method=method) for name, method in POOLED_BY.items()}
    return {
        DENSE: contextlib.nullcontext,
        **{name: partial(token_downsampling, each) for name, each in settings.items()},
        **{name: partial(_merged, unet, ratio) for name, ratio in TOMES.items()},
        # the WebUI's default tile of 256 pixels is half of what SD 1.x was trained on
        HYPERTILE: partial(tiled, unet, latent, trained // 2),
    }


@contextlib.contextmanager
def _merged(unet: Any, ratio: float) -> Iterator[None]:
    """ToMe from the same seed in every `with`; PyTorch's own generator stays as it was."""
    with tokens_merged(unet, ratio), torch.random.fork_rng():
        torch.manual_seed(0)
        yield
