"""Pooling as plain loops over plain numbers, to compare lib_todo.pooling with."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import torch

# A1111's: on the CPU it does not average float16, nor take nearest-exact of bfloat16
IS_TORCH_2_1 = torch.__version__.startswith("2.1.")

Token = list[float]
Image = list[list[Token]]


def small_side(side: int, factor: float) -> int:
    """How many cells are left of `side`: all started ones, or the nearest number."""
    if factor == int(factor):
        return len(range(0, side, int(factor)))
    return max(1, math.floor(side / factor + 0.5))


def cells(side: int, factor: float) -> list[range]:
    """The positions that each cell covers; a fractional factor's cells may share a position."""
    if factor == int(factor):
        return [
            range(start, min(start + int(factor), side)) for start in range(0, side, int(factor))
        ]
    count = small_side(side, factor)
    return [range(i * side // count, -(-(i + 1) * side // count)) for i in range(count)]


def top_left(side: int, factor: float) -> list[int]:
    return [cell.start for cell in cells(side, factor)]


def middle(side: int, factor: float) -> list[int]:
    if factor == int(factor):
        return [cell.start + len(cell) // 2 for cell in cells(side, factor)]
    count = small_side(side, factor)
    return [math.floor((i + Fraction(1, 2)) * Fraction(side, count)) for i in range(count)]


def taps(side: int, factor: float) -> list[list[tuple[int, float]]]:
    """Positions and weights of linear interpolation between the centres of positions."""
    count = small_side(side, factor)
    found = []
    for i in range(count):
        at = max(Fraction(0), (i + Fraction(1, 2)) * Fraction(side, count) - Fraction(1, 2))
        low = min(math.floor(at), side - 1)
        high = min(low + 1, side - 1)
        found.append([(low, float(1 - (at - low))), (high, float(at - low))])
    return found


def _pick(positions: Callable[[int, float], list[int]]) -> Callable[[Image, float], Image]:
    def pool(image: Image, factor: float) -> Image:
        columns = positions(len(image[0]), factor)
        return [[image[y][x] for x in columns] for y in positions(len(image), factor)]

    return pool


def _over_cells(combine: Callable[[list[float]], float]) -> Callable[[Image, float], Image]:
    def pool(image: Image, factor: float) -> Image:
        return [
            [
                [combine(list(channel)) for channel in zip(*(image[y][x] for y in ys for x in xs))]
                for xs in cells(len(image[0]), factor)
            ]
            for ys in cells(len(image), factor)
        ]

    return pool


def _bilinear(image: Image, factor: float) -> Image:
    channels = range(len(image[0][0]))
    return [
        [
            [sum(image[y][x][c] * v * u for y, v in rows for x, u in columns) for c in channels]
            for columns in taps(len(image[0]), factor)
        ]
        for rows in taps(len(image), factor)
    ]


METHODS: dict[str, Callable[[Image, float], Image]] = {
    "nearest": _pick(top_left),
    "nearest-exact": _pick(middle),
    "average": _over_cells(lambda values: math.fsum(values) / len(values)),
    "max": _over_cells(max),
    "bilinear": _bilinear,
}
# these give back values that were there, to the bit
CHOOSING = ("nearest", "nearest-exact", "max")


def pool(tokens: torch.Tensor, grid: tuple[int, int], factor: float, method: str) -> torch.Tensor:
    """The same as lib_todo.pool_tokens, in float64."""
    height, width = grid
    pooled = []
    for image in tokens.detach().double().tolist():
        rows = [image[y * width : (y + 1) * width] for y in range(height)]
        pooled.append([token for row in METHODS[method](rows, factor) for token in row])
    return torch.tensor(pooled, dtype=torch.float64)
