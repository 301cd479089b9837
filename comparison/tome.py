"""Token merging by tomesd, as a context manager."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tomesd


@contextmanager
def tokens_merged(model: Any, ratio: float, **options: Any) -> Iterator[None]:
    """Merge tokens inside the `with`; afterwards the model is as it was.

    Args:
        model: a diffusers pipeline or U-Net, or a module with ldm's `model.diffusion_model`.
        ratio: share of the tokens that are merged, from 0 to below 1.
        options: of `tomesd.apply_patch`; its defaults merge the largest grid's self-attention.
    """
    try:
        tomesd.apply_patch(model, ratio=ratio, **options)
        yield
    finally:
        tomesd.remove_patch(model)
