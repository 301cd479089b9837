"""Seconds per step of this session's generations, with and without ToDo; kept in memory only."""

from __future__ import annotations

import collections
import statistics
import time
import weakref
from collections.abc import Callable, Hashable
from typing import Any

# what makes two passes' steps comparable
Shape = tuple[Hashable, ...]


class StepTimes:
    """Times between the sampler's evaluations, by processing object and pass."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, remembered: int = 64
    ) -> None:
        """`remembered`: for how many shapes, the latest ones, times without ToDo are kept."""
        self._clock = clock
        self._remembered = remembered
        self._last: tuple[weakref.ref, int, str, Shape, float] | None = None
        # by pass and shape: the tiles and seams of an upscale share an owner
        self._times: dict[tuple[str, Shape], list[float]] = {}
        self._owner: weakref.ref | None = None
        self._without: collections.OrderedDict[Shape, float] = collections.OrderedDict()

    def evaluation(self, p: Any, step: int, pass_name: str, shape: Shape, pooled: bool) -> None:
        """Note that the denoiser is about to be called; `pooled` says whether ToDo is on."""
        now = self._clock()
        if self._owner is None or self._owner() is not p:
            self._owner, self._times = weakref.ref(p), {}
        last = self._last
        self._last = weakref.ref(p), step, pass_name, shape, now
        if not last or last[0]() is not p or last[1:4] != (step - 1, pass_name, shape):
            return
        times = self._times.setdefault((pass_name, shape), [])
        times.append(now - last[4])
        if not pooled:
            self._without[shape] = statistics.median(times)
            self._without.move_to_end(shape)
            while len(self._without) > self._remembered:
                self._without.popitem(last=False)

    def seconds(self, p: Any, pass_name: str, shape: Shape) -> float | None:
        """The median seconds between evaluations of that pass and shape of `p`.

        None with fewer than two.
        """
        times = self._times.get((pass_name, shape))
        if self._owner is None or self._owner() is not p or not times:
            return None
        return statistics.median(times)

    def without(self, shape: Shape) -> float | None:
        """The same for the latest generation of that shape without ToDo."""
        return self._without.get(shape)


def shape_of(p: Any, latent: Any) -> Shape:
    """What must be equal for step times of `p` to be comparable; `latent` may be None."""
    return (
        str(getattr(p, "sd_model_hash", None)),
        tuple(latent.shape) if latent is not None else None,
        getattr(p, "cfg_scale", None) == 1,
        getattr(p, "sampler_name", None),
    )


def evaluations_a_step(denoiser: Any) -> float:
    """Evaluations per step: 2 for second-order samplers such as Heun."""
    return denoiser.total_steps / denoiser.steps if denoiser.steps else 1


def in_words(seconds: float | None, without: float | None) -> str:
    """Such as `0.83 s a step, 1.6 times as fast as without ToDo`; without what is not known."""
    if seconds is None:
        return ""
    told = f"{seconds:.2g} s a step" if seconds < 10 else f"{seconds:.0f} s a step"
    if without is None:
        return told
    return f"{told}, {without / seconds:.2g} times as fast as without ToDo"
