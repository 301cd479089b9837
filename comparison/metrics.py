"""How much two pictures differ: MSE, PSNR and fine detail."""

from __future__ import annotations

import numpy as np
from PIL import Image

# relative to the sampling frequency: patterns finer than four pixels
HIGH_FREQUENCY = 0.25
LUMA = np.array([0.299, 0.587, 0.114])


def mean_squared_error(picture: Image.Image, baseline: Image.Image) -> float:
    """The mean squared difference of values from 0 to 1."""
    return float(np.mean((_values(picture) - _values(baseline)) ** 2))


def psnr(picture: Image.Image, baseline: Image.Image) -> float:
    """The peak signal-to-noise ratio in decibels; infinite for equal pictures."""
    error = mean_squared_error(picture, baseline)
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def high_frequency_ratio(picture: Image.Image, baseline: Image.Image) -> float:
    """The fine detail relative to the baseline's: 1 is the same, less is smoother.

    It is the energy of the brightness's Fourier coefficients above a quarter of the sampling
    frequency.
    """
    return _high_frequency_energy(picture) / max(_high_frequency_energy(baseline), 1e-12)


def _values(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), dtype=np.float64) / 255


def _high_frequency_energy(picture: Image.Image) -> float:
    luma = _values(picture) @ LUMA
    rows, columns = (np.fft.fftfreq(side) for side in luma.shape)
    high = np.hypot(rows[:, None], columns[None, :]) > HIGH_FREQUENCY
    return float(np.mean(np.abs(np.fft.fft2(luma)) ** 2 * high))
