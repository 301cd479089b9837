"""HiDiffusion's window attention on any diffusers U-Net; its own patch knows few by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock

from benchmarks.peers import hidiffusion


@contextlib.contextmanager
def windowed(unet: Any) -> Iterator[None]:
    """The largest grid's self-attention inside the `with` sees a quarter of the picture at a time.

    The blocks are the package's own. The quarters are shifted at random, from the same seed in
    every `with`; PyTorch's own generator stays as it was.

    Args:
        unet: whose first and last level have the largest grid.

    Source: HiDiffusion (arXiv 2311.17528), MSW-MSA.
    """
    make = hidiffusion.load().hidiffusion.make_diffusers_transformer_block
    levels = (unet.down_blocks[0], unet.up_blocks[-1])
    blocks = [m for level in levels for m in level.modules() if type(m) is BasicTransformerBlock]
    info: dict[str, Any] = {}
    hook = unet.register_forward_pre_hook(lambda _, args: info.update(size=args[0].shape[-2:]))
    for block in blocks:
        block.__class__ = make(type(block))
        block.info = info
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            yield
    finally:
        hook.remove()
        for block in blocks:
            block.__class__ = type(block)._parent
            del block.info
