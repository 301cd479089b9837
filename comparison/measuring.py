"""Measure a run: seconds, peak memory, and self-attention keys."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch

from lib_todo.plan import Grid

SAMPLING_SECONDS = 0.01
OnStep = Callable[[int, int], None]


def synchronize(device: torch.device) -> None:
    """Wait for the device's work; a CPU has none waiting."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class StepClock:
    """A `callback_on_step_end` that records the seconds of each step.

    `on_step(done, total)` is called after each step, outside of the timed part. An exception from
    it ends the sampling.
    """

    def __init__(self, unet: torch.nn.Module, on_step: OnStep) -> None:
        self.seconds: list[float] = []
        self._on_step, self._unet = on_step, unet
        self._started: float | None = None

    @contextmanager
    def running(self) -> Iterator[StepClock]:
        """Record inside the `with`. The first step starts when the model is first called."""
        handle = self._unet.register_forward_pre_hook(lambda *_: self._start())
        try:
            yield self
        finally:
            handle.remove()

    def _start(self) -> None:
        if self._started is None:
            self._started = time.perf_counter()

    def __call__(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict:
        """Record a finished step."""
        synchronize(self._unet.device)
        self.seconds.append(time.perf_counter() - self._started)
        self._on_step(step + 1, pipe.num_timesteps)
        self._started = time.perf_counter()
        return tensors


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Callable[[], int]]:
    """Yields a function that returns the peak in bytes: of GPU tensors, else of the process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield lambda: torch.cuda.max_memory_allocated(device)
        return
    process, over = psutil.Process(), threading.Event()
    peak = [process.memory_info().rss]

    def watch() -> None:
        while not over.wait(SAMPLING_SECONDS):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: peak[0]
    finally:
        over.set()
        thread.join()


@dataclasses.dataclass(frozen=True)
class LevelKeys:
    """The self-attention layers of one grid: its tokens, and the keys they attended to."""

    tokens: int
    layers: int
    keys: float


class KeyCounter:
    """Counts the keys that are really computed: the tokens that enter each layer's `to_k`."""

    def __init__(self, unet: torch.nn.Module) -> None:
        self._unet = unet
        self._grid: Grid = (0, 0)
        self._calls: dict[int, dict[int, list[int]]] = {}

    @contextmanager
    def counting(self) -> Iterator[KeyCounter]:
        """Count inside the `with`."""
        handles = []
        for transformer in self._unet.modules():
            if hasattr(transformer, "transformer_blocks"):
                handles.append(transformer.register_forward_pre_hook(self._enter))
                for block in transformer.transformer_blocks:
                    handles.append(block.attn1.to_k.register_forward_pre_hook(self._count))
        try:
            yield self
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, _: torch.nn.Module, inputs: tuple) -> None:
        self._grid = tuple(inputs[0].shape[2:])

    def _count(self, to_k: torch.nn.Module, inputs: tuple) -> None:
        tokens = self._grid[0] * self._grid[1]
        self._calls.setdefault(tokens, {}).setdefault(id(to_k), []).append(inputs[0].shape[1])

    def levels(self) -> list[LevelKeys]:
        """By grid, the largest first. Keys are means over layers and evaluations."""
        levels = []
        for tokens, layers in sorted(self._calls.items(), reverse=True):
            keys = [count for counts in layers.values() for count in counts]
            levels.append(LevelKeys(tokens, len(layers), sum(keys) / len(keys)))
        return levels
