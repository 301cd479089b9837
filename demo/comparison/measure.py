"""Measure a run: seconds of each step, peak memory, and self-attention keys."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch
from diffusers.callbacks import PipelineCallback

from lib_todo.plan import Grid

SAMPLING_SECONDS = 0.01

OnStep = Callable[[int, int], None]


class StepClock(PipelineCallback):
    """A `callback_on_step_end` that records the seconds of each step.

    `on_step(done, total)` is called after each step, outside of the timed part. An exception from
    it ends the sampling.
    """

    tensor_inputs: list[str] = []  # noqa: RUF012  read by the pipeline, never changed

    def __init__(self, unet: torch.nn.Module, on_step: OnStep) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._on_step = on_step
        self._started: float | None = None
        self._unet = unet

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

    def callback_fn(
        self, pipeline: Any, step_index: int, timesteps: Any, callback_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Record a finished step."""
        wait_for(self._unet)
        self.seconds.append(time.perf_counter() - self._started)
        self._on_step(step_index + 1, pipeline.num_timesteps)
        self._started = time.perf_counter()
        return callback_kwargs


def wait_for(module: torch.nn.Module) -> None:
    """Wait until the module's GPU has finished; a CPU has nothing pending."""
    if _device(module).type == "cuda":
        torch.cuda.synchronize(_device(module))


def _device(module: torch.nn.Module) -> torch.device:
    return next(module.parameters()).device


@contextmanager
def peak_memory(module: torch.nn.Module) -> Iterator[Callable[[], int]]:
    """Yields a function that returns the peak in bytes: of GPU tensors, else of the process."""
    device = _device(module)
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
        for transformer in self._transformers():
            handles.append(transformer.register_forward_pre_hook(self._enter))
            for block in transformer.transformer_blocks:
                handles.append(block.attn1.to_k.register_forward_pre_hook(self._count))
        try:
            yield self
        finally:
            for handle in handles:
                handle.remove()

    def _transformers(self) -> list[torch.nn.Module]:
        return [m for m in self._unet.modules() if hasattr(m, "transformer_blocks")]

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
