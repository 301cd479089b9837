"""Rounds, ratios and peaks; the results file; the command line; methods that fail."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

pytest.importorskip("scipy", reason="needs requirements/bench.txt")

from benchmarks.arguments import parse
from benchmarks.parts import quality
from benchmarks.running.bench import Bench
from benchmarks.running.store import OtherConditionsError, Store
from benchmarks.running.timing import Spread, ratio
from comparison.measuring import peak_bytes

KEY = ("unet", "diffusers", "SD 1.x", "1024")


class Held:
    """A method whose call may fail as other people's code does."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.calls = error, 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Callable[[], None]]:
        yield self.call

    def call(self) -> None:
        self.calls += 1
        if self.error:
            raise self.error


def test_a_peer_that_fails_is_noted_and_the_rest_is_measured(bench: Bench) -> None:
    peer, dense = Held(RuntimeError("its own trouble")), Held()
    methods = {"dense": dense, "HyperTile": peer}
    bench.interleave(KEY, methods)
    # each is called once to warm up
    assert (dense.calls, peer.calls) == (3, 1)
    assert list(bench.store.seconds(*KEY, "dense")) == ["1", "2"]
    note = " | ".join((*KEY, "HyperTile"))
    assert bench.store.data["notes"] == {note: "RuntimeError: its own trouble"}
    # once it works, the group is measured anew, and then not again
    peer.error = None
    for _ in range(2):
        bench.interleave(KEY, methods)
        assert (dense.calls, peer.calls) == (6, 4)
    assert bench.store.data["notes"] == {}


def test_what_fails_of_ours_or_stays_on_a_model_is_raised_but_for_want_of_memory(
    bench: Bench,
) -> None:
    @contextlib.contextmanager
    def stays() -> Iterator[Callable[[], None]]:
        yield lambda: None
        raise RuntimeError("stays on the model")

    with pytest.raises(RuntimeError, match="its own trouble"):
        bench.interleave(KEY, {"ToDo": Held(RuntimeError("its own trouble"))})
    with pytest.raises(RuntimeError, match="stays on the model"):
        bench.interleave(KEY, {"HyperTile": stays})
    bench.interleave(KEY, {"ToDo": Held(torch.OutOfMemoryError("too large"))})
    assert bench.store.data["notes"] == {" | ".join((*KEY, "ToDo")): "OutOfMemoryError: too large"}


def test_seeds_go_on_where_the_last_method_stopped(bench: Bench) -> None:
    drawn = []

    def measure(methods: str, seeds: int) -> None:
        quality._measure(
            bench,
            ("quality", "256"),
            dict.fromkeys(methods, contextlib.nullcontext),
            lambda seed: drawn.append(seed) or torch.tensor(float(seed)),
            lambda latents, dense: {"latent_mse": float(latents + dense)},
            seeds,
        )

    measure("a", 2)
    measure("ab", 3)
    points = bench.store.under("quality", "256")
    assert points == {(name,): {"latent_mse": [0.0, 2.0, 4.0]} for name in "ab"}
    # of each seed dense, and the methods that lack it
    assert drawn == [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 2]
    bench.deadline = 0
    measure("a", 9)
    assert len(points["a",]["latent_mse"]) == 3


def test_ratios_are_taken_round_by_round() -> None:
    """Of rounds that both have, in whatever order."""
    lower = {"4": 7.0, "3": 1.0, "2": 2.0, "1": 1.0}
    assert ratio({"1": 2.0, "2": 8.0, "3": 3.0}, lower) == Spread(3.0, 2.0, 4.0, 3)


def test_a_peak_counts_what_is_held_at_one_time() -> None:
    def make(held: list[torch.Tensor], keep: int) -> None:
        for _ in range(3):
            held.append(torch.empty(1 << 20, dtype=torch.uint8))
            del held[:-keep]

    for keep in (1, 3):
        # a tensor is made before the one that it replaces goes
        peak = min(keep + 1, 3) << 20
        assert peak_bytes(partial(make, [], keep), torch.device("cpu")) == peak


def test_a_run_goes_on_from_its_file_under_the_same_conditions_only(store: Store) -> None:
    store.set_machine({"processor": "a"})
    store.set_conditions("unet", batch=1)
    store.seconds(*KEY, "dense")["1"] = 2.5
    store.save()
    again = Store(store.path)
    assert again.seconds(*KEY, "dense") == {"1": 2.5}
    again.set_machine({"processor": "a"})
    with pytest.raises(OtherConditionsError, match="processor a, not b; name another --out"):
        again.set_machine({"processor": "b"})
    with pytest.raises(OtherConditionsError, match="batch 1, not 2"):
        again.set_conditions("unet", batch=2)
    again.set_conditions("quality", native=128)
    assert again.conditions("quality") == {"native": 128}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--parts report", "results.json; measure first"),
        ("--enlargements 1 2", "--enlargements 1: nothing is pooled below 2"),
        ("--clock kernels --device cpu", "--device cpu: it is for a GPU of CUDA"),
        ("--checkpoint /tmp", "--checkpoint /tmp: not a diffusers folder"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse([*words.split(), "--out", str(tmp_path)])
    assert told in capsys.readouterr().err
