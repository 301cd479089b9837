"""Rounds and warm-up of the benchmark, and methods that fail or join later."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.progress import Progress

from benchmarks.running.bench import Bench
from benchmarks.running.store import Store


class Held:
    """A method whose call, or whose letting go, may fail as other people's code does."""

    def __init__(self, call: bool = False, letting_go: bool = False) -> None:
        self.fails, self.stays = call, letting_go
        self.calls = 0

    def __enter__(self) -> Callable[[], None]:
        return self.call

    def __exit__(self, *_: object) -> None:
        if self.stays:
            raise RuntimeError("stays on the model")

    def call(self) -> None:
        self.calls += 1
        if self.fails:
            raise RuntimeError("its own trouble")


KEY = ("unet", "diffusers", "SD 1.x", "1024")


def test_a_peer_that_fails_is_noted_and_the_rest_is_measured(tmp_path: Path) -> None:
    bench, peer = _bench(tmp_path), Held(call=True)
    methods = {"dense": Held, "HyperTile": lambda: peer}
    bench.interleave(KEY, methods)
    bench.memory(KEY, methods)
    assert list(bench.store.seconds(*KEY, "dense")) == ["1", "2"]
    assert peer.calls == 2
    notes = {
        " | ".join((*KEY, "HyperTile", what)): "RuntimeError: its own trouble"
        for what in ("time", "memory")
    }
    assert bench.store.left_out() == notes
    # measured, the one note goes and the other stays
    peer.fails = False
    bench.interleave(KEY, methods)
    assert list(bench.store.left_out()) == [" | ".join((*KEY, "HyperTile", "memory"))]


def test_what_is_ours_and_what_stays_on_a_model_is_raised(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    with pytest.raises(RuntimeError, match="its own trouble"):
        bench.interleave(KEY, {"ToDo": lambda: Held(call=True)})
    with pytest.raises(RuntimeError, match="stays on the model"):
        bench.interleave(KEY, {"HyperTile": lambda: Held(letting_go=True)})


def test_too_little_memory_is_noted_of_any_method(tmp_path: Path) -> None:
    bench = _bench(tmp_path)

    def huge() -> torch.Tensor:
        return torch.empty(1 << 55, dtype=torch.uint8)

    bench.interleave(KEY, {"dense": lambda: contextlib.nullcontext(huge)})
    (note,) = bench.store.left_out().values()
    assert "allocate memory" in note


def test_each_method_warms_up_where_calls_are_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, held = _bench(tmp_path), [Held(), Held(), Held()]
    methods = {name: lambda each=each: each for name, each in zip("abc", held)}
    bench.store.point(*KEY, "a")["seconds"] = {"1": 1.0, "2": 1.0}
    bench.warm_up(KEY, methods)
    assert [each.calls for each in held] == [0, 1, 1]
    monkeypatch.setattr("benchmarks.running.bench.SHORT", 0)
    bench.warm_up(KEY, methods)
    assert [each.calls for each in held] == [0, 2, 1]
    # a GPU chooses its kernels in the first call of each method, however long that takes
    bench.device = torch.device("cuda")
    monkeypatch.setattr("benchmarks.running.timing.synchronize", lambda device: None)
    bench.warm_up(KEY, methods)
    assert [each.calls for each in held] == [0, 3, 2]


def test_who_joins_later_has_rounds_of_its_own_and_then_common_ones(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.interleave(KEY, {"dense": Held})
    methods = {"dense": Held, "ToDo": Held}
    bench.interleave(KEY, methods)
    assert list(bench.store.seconds(*KEY, "dense")) == ["1", "2"]
    assert list(bench.store.seconds(*KEY, "ToDo")) == ["3", "4"]
    dataclasses.replace(bench, rounds=3).interleave(KEY, methods)
    assert list(bench.store.seconds(*KEY, "dense")) == ["1", "2", "5"]
    assert list(bench.store.seconds(*KEY, "ToDo")) == ["3", "4", "5"]


def _bench(folder: Path) -> Bench:
    """For two rounds of what is shorter than a minute."""
    store, cpu = Store(folder / "results.json"), torch.device("cpu")
    deadline = time.monotonic() + 60
    return Bench(store, cpu, torch.float32, "wall", 2, deadline, Progress(disable=True))
