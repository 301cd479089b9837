"""Rounds, ratios and peaks; the results file; the command line; methods that fail or join later."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

pytest.importorskip("scipy", reason="needs requirements/bench.txt")

from benchmarks.arguments import parse
from benchmarks.models.checkpoint import digest_of
from benchmarks.parts import overhead
from benchmarks.running.bench import Bench
from benchmarks.running.store import OtherConditionsError, Store
from benchmarks.running.timing import Spread, next_round, peak_bytes, ratio

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
    notes = {
        " | ".join((*KEY, "HyperTile", what)): "RuntimeError: its own trouble"
        for what in ("time", "memory")
    }
    assert bench.store.left_out() == notes
    # measured, the one note goes and the other stays
    peer.fails = False
    bench.interleave(KEY, methods)
    assert (dense.calls, peer.calls) == (4, 5)
    assert list(bench.store.left_out()) == [" | ".join((*KEY, "HyperTile", "memory"))]


def test_what_is_ours_and_what_stays_on_a_model_is_raised(bench: Bench) -> None:
    with pytest.raises(RuntimeError, match="its own trouble"):
        bench.interleave(KEY, {"ToDo": lambda: Held(call=True)})
    with pytest.raises(RuntimeError, match="stays on the model"):
        bench.interleave(KEY, {"HyperTile": lambda: Held(letting_go=True)})


def test_too_little_memory_is_noted_of_any_method(bench: Bench) -> None:
    def huge() -> torch.Tensor:
        return torch.empty(1 << 55, dtype=torch.uint8)

    bench.interleave(KEY, {"dense": lambda: contextlib.nullcontext(huge)})
    (note,) = bench.store.left_out().values()
    assert "allocate memory" in note


def test_what_joins_later_has_rounds_of_its_own_and_then_common_ones(bench: Bench) -> None:
    bench.interleave(KEY, {"dense": Held})
    methods = {"dense": Held, "ToDo": Held}
    bench.interleave(KEY, methods)
    assert list(bench.store.seconds(*KEY, "dense")) == ["1", "2"]
    assert list(bench.store.seconds(*KEY, "ToDo")) == ["3", "4"]
    dataclasses.replace(bench, rounds=3).interleave(KEY, methods)
    assert list(bench.store.seconds(*KEY, "dense")) == ["1", "2", "5"]
    assert list(bench.store.seconds(*KEY, "ToDo")) == ["3", "4", "5"]


def test_seeds_go_on_where_the_last_method_stopped(bench: Bench) -> None:
    points = {"a": {"mse": [1.0, 2.0]}, "b": {"mse": [3.0]}}
    for seed, add in bench.each_seed(("quality", "256"), points, ("mse",), 3):
        for name in points:
            add(name, {"mse": 10.0 * seed})
    assert points == {"a": {"mse": [1.0, 2.0, 20.0]}, "b": {"mse": [3.0, 10.0, 20.0]}}
    bench.deadline = 0
    assert list(bench.each_seed(("quality", "256"), points, ("mse",), 9)) == []


def test_rounds_go_to_those_with_the_fewest_in_an_order_that_changes() -> None:
    assert next_round({"a": 1, "b": 2}, rounds=2, seed=0) == ["a"]
    assert next_round({"a": 2, "b": 2}, rounds=2, seed=0) == []
    names = [str(index) for index in range(6)]
    orders = [next_round(dict.fromkeys(names, n), rounds=9, seed=0) for n in range(8)]
    assert {tuple(sorted(order)) for order in orders} == {tuple(names)}
    assert len(set(map(tuple, orders))) > 1


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


def test_a_note_is_shown_until_there_is_such_a_point(store: Store) -> None:
    for name in ("diffusers | SD 1.x | ToMe 0.5", "diffusers | SDXL", "generation | WebUI"):
        store.note(name, "why")
    store.seconds("unet", "diffusers", "SDXL", "1024", "dense")["1"] = 1.0
    store.seconds("unet", "diffusers", "SD 1.x", "1024", "dense")["1"] = 1.0
    store.point("unet", "ldm", "SD 1.x", "1024", "ToMe 0.5")["peak_bytes"] = 1
    assert list(store.left_out()) == ["diffusers | SD 1.x | ToMe 0.5", "generation | WebUI"]


def test_groups_are_in_the_order_of_their_numbers(store: Store) -> None:
    found = [("8 heads of 160", "64"), ("8 heads of 40", "128"), ("8 heads of 40", "96")]
    for heads, side in found:
        store.seconds("layer", heads, "flash", side, "dense")["1"] = 1.0
    assert [(key[0], key[2]) for key in store.groups("layer")] == [found[2], found[1], found[0]]


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
        ("--quick --docs page.md", "--docs with --quick: the numbers of --quick mean nothing"),
        ("--quick --parts report", "--parts report with --quick: --quick always measures"),
        ("--parts report", "results.json; measure first"),
        ("--variants ToMe", "--variants 'ToMe': at these enlargements one of ToDo nearest,"),
        ("--enlargements 1 2", "--enlargements 1: nothing is pooled below 2"),
        ("--clock kernels --device cpu", "--device cpu: it is for a GPU of CUDA"),
        ("--threshold 0", "--threshold 0: ToDo: threshold = 0 is not allowed"),
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
    assert parse(["--parts", "report", "--out", str(tmp_path)]).parts == ["report"]
    args = parse(["--quick", "--out", str(tmp_path)])
    assert (args.rounds, args.sizes, args.architectures) == (1, [256], ["narrow"])
    assert args.out == gone.parent
    assert (kept.exists(), gone.exists()) == (True, False)
