"""Rounds, ratios and peaks; the results file; the command line; methods that fail."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

pytest.importorskip("scipy", reason="needs requirements/bench.txt")

from benchmarks.arguments import parse
from benchmarks.models.checkpoint import digest_of
from benchmarks.parts import overhead, quality
from benchmarks.running.bench import Bench
from benchmarks.running.store import OtherConditionsError, Store
from benchmarks.running.timing import Spread, ratio
from comparison.measuring import peak_bytes

KEY = ("unet", "diffusers", "SD 1.x", "1024")


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


def test_a_peer_that_fails_is_noted_and_the_rest_is_measured(bench: Bench) -> None:
    peer, dense = Held(call=True), Held()
    methods = {"dense": lambda: dense, "HyperTile": lambda: peer}
    bench.interleave(KEY, methods)
    # each is called once to warm up
    assert (dense.calls, peer.calls) == (3, 1)
    bench.memory(KEY, methods)
    assert list(bench.store.seconds(*KEY, "dense")) == ["1", "2"]
    note = " | ".join((*KEY, "HyperTile"))
    assert bench.store.data["notes"] == {note: "RuntimeError: its own trouble"}
    # once it works, the group is measured anew, and then not again
    peer.fails = False
    for _ in range(2):
        bench.interleave(KEY, methods)
        assert (dense.calls, peer.calls) == (7, 5)
    assert bench.store.data["notes"] == {}


def test_what_is_ours_and_what_stays_on_a_model_is_raised(bench: Bench) -> None:
    with pytest.raises(RuntimeError, match="its own trouble"):
        bench.interleave(KEY, {"ToDo": lambda: Held(call=True)})
    with pytest.raises(RuntimeError, match="stays on the model"):
        bench.interleave(KEY, {"HyperTile": lambda: Held(letting_go=True)})


def test_too_little_memory_is_noted_of_any_method(bench: Bench) -> None:
    def huge() -> torch.Tensor:
        return torch.empty(1 << 55, dtype=torch.uint8)

    bench.interleave(KEY, {"dense": lambda: contextlib.nullcontext(huge)})
    (note,) = bench.store.data["notes"].values()
    assert "allocate memory" in note


def test_seeds_go_on_where_the_last_method_stopped(bench: Bench) -> None:
    """A seed's latents are the seed, plus one by a method."""
    added = 0.0

    @contextlib.contextmanager
    def method():
        nonlocal added
        added = 1.0
        yield
        added = 0.0

    measure = partial(
        quality._measure,
        bench,
        ("quality", "256"),
        draw=lambda seed: torch.tensor([seed + added]),
        figures=lambda latents, dense: {"latent_mse": float(latents + dense)},
    )
    measure(methods={"dense": contextlib.nullcontext, "a": method}, seeds=2)
    measure(methods={"a": method, "b": method}, seeds=3)
    points = bench.store.under("quality", "256")
    assert points == {(name,): {"latent_mse": [1.0, 3.0, 5.0]} for name in "ab"}
    dataclasses.replace(bench, deadline=0)
    bench.deadline = 0
    measure(methods={"a": method}, seeds=9)
    assert len(points["a",]["latent_mse"]) == 3


def test_ratios_are_taken_round_by_round() -> None:
    """Of rounds that both have, in whatever order; without one it is that of the medians."""
    lower = {"4": 7.0, "3": 1.0, "2": 2.0, "1": 1.0}
    assert ratio({"1": 2.0, "2": 8.0, "3": 3.0}, lower) == Spread(3.0, 2.0, 4.0, 3)
    assert ratio({"3": 6.0}, {"1": 1.0, "2": 3.0}) == Spread(3.0, 3.0, 3.0, 0)


def test_a_peak_counts_what_is_held_at_one_time() -> None:
    def make(hold: bool) -> None:
        held = []
        for _ in range(3):
            each = torch.empty(1 << 20, dtype=torch.uint8)
            if hold:
                held.append(each)
            del each

    cpu = torch.device("cpu")
    assert peak_bytes(lambda: make(hold=False), cpu) == 1 << 20
    assert peak_bytes(lambda: make(hold=True), cpu) == 3 << 20


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


def test_groups_are_in_the_order_of_their_numbers(store: Store) -> None:
    for side in ("1024", "512", "96"):
        store.seconds("unet", "diffusers", "SDXL", side, "dense")["1"] = 1.0
    assert [side for *_, side in store.groups("unet")] == ["96", "512", "1024"]


def test_overhead_compares_the_rounds_that_both_have(store: Store) -> None:
    assert overhead.added(store) == {}
    store.point("overhead", overhead.OFF)["seconds"] = {"1": 1.0, "2": 2.0, "3": 4.0}
    store.point("overhead", "pooled")["seconds"] = {"2": 2.5, "3": 4.5, "4": 9.0}
    assert overhead.added(store) == {"pooled": (0.5, 0.5, 0.5)}


def test_a_checkpoint_is_told_by_its_weights(tmp_path: Path) -> None:
    weights = tmp_path / "unet" / "model.safetensors"
    weights.parent.mkdir()
    digests = []
    for content, config in (("a", "1"), ("a", "2"), ("b", "2")):
        weights.write_text(content)
        weights.with_name("config.json").write_text(config)
        digests.append(digest_of(tmp_path))
    assert [len(list(same)) for _, same in itertools.groupby(digests)] == [2, 1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--quick --parts report", "--parts report with --quick: --quick always measures"),
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


def test_quick_has_a_folder_of_its_own_and_begins_anew(tmp_path: Path) -> None:
    kept, gone = tmp_path / "results.json", tmp_path / "quick" / "results.json"
    gone.parent.mkdir()
    for path in (kept, gone):
        path.write_text("{}")
    assert parse(["--quick", "--out", str(tmp_path)]).out == gone.parent
    assert (kept.exists(), gone.exists()) == (True, False)
