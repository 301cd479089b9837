"""The picture metrics, against plain loops and known patterns."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from PIL import Image

from demo.comparison import metrics


def picture(seed: int, width: int = 6, height: int = 5) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def stripes(period: int, contrast: int = 100) -> Image.Image:
    row = [128 + (contrast if x % period < period // 2 else -contrast) for x in range(48)]
    return Image.fromarray(np.array([row] * 32, dtype=np.uint8)).convert("RGB")


def test_mean_squared_error_by_loops() -> None:
    a, b = picture(1), picture(2)
    errors = [
        ((a.getpixel((x, y))[c] - b.getpixel((x, y))[c]) / 255) ** 2
        for x in range(6)
        for y in range(5)
        for c in range(3)
    ]
    wanted = sum(errors) / len(errors)
    assert metrics.mean_squared_error(a, b) == pytest.approx(wanted)
    assert metrics.psnr(a, b) == pytest.approx(10 * math.log10(1 / wanted))


def test_equal_pictures() -> None:
    a = picture(1)
    assert metrics.mean_squared_error(a, a) == 0
    assert metrics.psnr(a, a) == math.inf
    assert metrics.high_frequency_ratio(a, a) == 1


def energy_by_loops(image: Image.Image) -> float:
    """The discrete Fourier transform written out."""
    width, height = image.size
    luma = {}
    for x in range(width):
        for y in range(height):
            red, green, blue = image.getpixel((x, y))
            luma[x, y] = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    energy = 0.0
    for u in range(width):
        for v in range(height):
            # frequencies above a half stand for negative ones
            fx, fy = (min(k, n - k) / n for k, n in ((u, width), (v, height)))
            if math.hypot(fx, fy) <= 0.25:
                continue
            turns = {at: u * at[0] / width + v * at[1] / height for at in luma}
            energy += abs(sum(luma[at] * cmath.exp(-2j * cmath.pi * turns[at]) for at in luma)) ** 2
    return energy / (width * height)


def test_high_frequencies_by_loops() -> None:
    a, b = picture(1), picture(2)
    wanted = energy_by_loops(a) / energy_by_loops(b)
    assert metrics.high_frequency_ratio(a, b) == pytest.approx(wanted)


def test_fine_stripes_have_high_frequencies_and_broad_ones_few() -> None:
    assert metrics.high_frequency_ratio(stripes(12), stripes(2)) < 0.1
    half = metrics.high_frequency_ratio(stripes(2, contrast=50), stripes(2, contrast=100))
    assert half == pytest.approx(0.25, rel=0.01)
