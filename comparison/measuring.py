"""Measure a run: seconds of its steps, peak memory, and self-attention keys."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lib_todo.plan import Grid

OnStep = Callable[[int, int], None]


def synchronize(device: torch.device) -> None:
    """Wait for the device's work; a CPU has none waiting."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_bytes(call: Callable[[], Any], device: torch.device) -> int:
    """The peak of bytes that `call` allocated, beyond what was allocated before.

    On a GPU it is the allocator's own peak. On a CPU it comes from the profiler's log of PyTorch's
    allocator, without memory that other libraries allocate themselves.
    """
    if device.type == "cuda":
        synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    # the profiler would print when it starts and stops
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    cpu = torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(profile_memory=True, activities=[cpu]) as profiler:
        call()
    # single allocations can be read only from kineto's raw events
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    held = peak = 0
    for _, change in sorted(changes, key=lambda pair: pair[0]):
        held += change
        peak = max(peak, held)
    return peak


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
