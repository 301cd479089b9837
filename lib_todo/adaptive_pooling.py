"""Adaptive average and max pooling, for devices where PyTorch's own is wrong or missing.

The cells are PyTorch's: cell i of n over a side s runs from floor(i·s/n) to ceil((i+1)·s/n), so
neighbours may share a token. Rows and columns are pooled one after the other; for a maximum, and
for a mean over a rectangle, the result is the same.
"""

from __future__ import annotations

import functools

import torch


def maximum(image: torch.Tensor, small: tuple[int, int]) -> torch.Tensor:
    """The largest value of each cell: `[b, h, w, c]` to `[b, *small, c]`."""
    for axis, cells in enumerate(small, 1):
        places, _ = _cells(image, axis, cells)
        image = _members(image, axis, cells, places).amax(axis + 1)
    return image


def mean(image: torch.Tensor, small: tuple[int, int]) -> torch.Tensor:
    """The mean of each cell, computed in float32: `[b, h, w, c]` to `[b, *small, c]`."""
    pooled = image.float()
    for axis, cells in enumerate(small, 1):
        places, weights = _cells(image, axis, cells)
        shape = [1] * (image.ndim + 1)
        shape[axis], shape[axis + 1] = weights.shape
        members = _members(pooled, axis, cells, places) * weights.reshape(shape)
        pooled = members.sum(axis + 1)
    return pooled.to(image.dtype)


def _members(image: torch.Tensor, axis: int, small: int, places: torch.Tensor) -> torch.Tensor:
    return image.index_select(axis, places).unflatten(axis, (small, -1))


def _cells(image: torch.Tensor, axis: int, cells: int) -> tuple[torch.Tensor, torch.Tensor]:
    # tensors made for one of torch.export's own class belong to its trace: do not keep them
    make = _kept if type(image) is torch.Tensor else _tensors
    return make(image.shape[axis], cells, image.device)


@functools.lru_cache(maxsize=128)
def _kept(side: int, small: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode(False):
        return _tensors(side, small, device)


def _tensors(side: int, small: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The places of each cell's members, equally many for every cell, and their weights."""
    starts = [i * side // small for i in range(small)]
    lengths = [-(-(i + 1) * side // small) - start for i, start in enumerate(starts)]
    most = max(lengths)
    # a shorter cell repeats its last member, with weight 0
    places = [
        start + min(k, n - 1) for start, n in zip(starts, lengths, strict=True) for k in range(most)
    ]
    weights = [[1 / n if k < n else 0.0 for k in range(most)] for n in lengths]
    return (
        torch.tensor(places, device=device),
        torch.tensor(weights, dtype=torch.float32, device=device),
    )
