"""The report: counts by grid and reason, steps and passes, JSON, and no module kept."""

from __future__ import annotations

import gc
import json
import weakref
from concurrent.futures import ThreadPoolExecutor, TimeoutError

import pytest
from counted_layers import BELOW, POOLED, count, two_passes
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import Report, token_downsampling
from lib_todo.reasons import Reason


def test_layers_are_distinct_and_calls_are_not() -> None:
    report = Report()
    assert (report.tallies, report.layers) == ({}, 0)
    count(report, range(10), *POOLED, calls=3)
    count(report, range(10, 16), *BELOW, calls=2)
    tally = report.tallies[POOLED]
    assert (len(tally.layers), tally.calls) == (10, 30)
    assert {key: (len(t.layers), t.calls) for key, t in report.pooled.items()} == {
        (16384, 4096): (10, 30)
    }
    assert {why: (len(t.layers), t.calls) for why, t in report.left_alone.items()} == {
        Reason.BELOW_THRESHOLD: (6, 12)
    }
    assert report.layers == 16
    # no step was named
    assert report.steps == (0, 0)


def test_what_is_summed_is_no_more_than_what_was_counted() -> None:
    """Grids of as many keys; a layer that was pooled and left alone; passes."""
    report = two_passes()
    count(report, range(2), (64, 256), 16384, 4096, None)
    count(report, range(1, 4), *POOLED)
    count(report, range(15, 17), *BELOW)
    for _ in range(2):
        assert {key: (len(t.layers), t.calls) for key, t in report.pooled.items()} == {
            (16384, 4096): (10, 55)
        }
        assert len(report.left_alone[Reason.BELOW_THRESHOLD].layers) == 17
        assert report.layers == 17
    below = [counts.left_alone[Reason.BELOW_THRESHOLD].calls for counts in report.passes.values()]
    assert below == [320, 62]
    assert report.left_alone[Reason.BELOW_THRESHOLD].calls == 382
    assert [counts.steps for counts in report.passes.values()] == [(0, 20), (6, 10)]


@pytest.mark.parametrize("known_first", [True, False])
def test_layers_known_beforehand_are_the_models_own(known_first: bool) -> None:
    """A result may have pictures in which nothing can be pooled, before or after others."""
    report = Report()
    below = Reason.BELOW_THRESHOLD
    for known in (known_first, not known_first):
        if known:
            for name in ("first", "hires"):
                report.leave_alone(name, [((8, 8), 2, below), ((3, 5), 1, below)])
        else:
            count(report, (0, 2), (16, 16), 256, 64, None)
            count(report, (1,), (8, 8), 64, 64, below)
    assert report.layers == 3
    told = ("grid", "keys_before", "keys_after", "layers", "calls")
    rows = [[row[name] for name in told] for row in report.passes["hires"].to_list()]
    assert sorted(rows) == [[[3, 5], 15, 15, 1, 0], [[8, 8], 64, 64, 2, 0]]


def test_the_line_waits_for_a_thread_that_counts() -> None:
    report = two_passes()
    with ThreadPoolExecutor(1) as pool:
        with report.lock:
            told = pool.submit(report.line)
            with pytest.raises(TimeoutError):
                told.result(0.05)
        assert told.result(60) == report.line()


def test_as_json() -> None:
    report = Report()
    report.progress(0, 2)
    count(report, range(10), *POOLED, calls=2)
    report.progress(1, 2)
    count(report, range(10, 16), *BELOW)
    written = json.loads(json.dumps(report.to_dict()))
    steps, (pooled, below) = written["steps"], written["grids"]
    assert written["passes"]["first"] == {
        "steps": {**steps, "asked": 2},
        "phase_held": [],
        "phase_rests": [],
        "grids": [pooled, below],
    }
    assert (written["layers"], steps) == (16, {"pooled": 1, "seen": 2})
    assert (written["window"], written["missed_elsewhere"]) == ("", False)
    keys = {"grid": [128, 128], "keys_before": 16384, "keys_after": 4096}
    assert pooled == {**keys, "reason": None, "layers": 10, "calls": 20, "steps": 1}
    assert below["reason"] == "below_threshold"


@pytest.mark.parametrize("breaks_off", [False, True])
def test_no_module_is_kept_alive(breaks_off: bool) -> None:
    model = spatial_transformer()
    downsampling = token_downsampling(paper(factor=2, threshold=2))
    with downsampling as report:
        if breaks_off:
            feed_forward = model.transformer_blocks[0].ff
            hook = feed_forward.register_forward_pre_hook(lambda *_: 1 / 0)
            with hook, pytest.raises(ZeroDivisionError):
                run(model, image(4, 4), text())
            del feed_forward, hook
        else:
            run(model, image(4, 4), text())
        dead = [weakref.ref(module) for module in model.modules()]
        assert len(dead) > 10
        del model
        gc.collect()
        assert [ref() for ref in dead if ref() is not None] == []
    assert report.layers == 1


FIVE = [(step, 5) for step in range(5)]
FIRST = [(step, 5, "first") for step in range(5)]
HIRES = [(step, 3, "hires") for step in range(3)]


@pytest.mark.parametrize(
    ("told", "steps"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([(0, 20)] * 4 + [(1, 20)], 2, id="several calls a step"),
        pytest.param([(call, 39, "first", 20) for call in range(39)], 20, id="two calls a step"),
        pytest.param([(step, 10) for step in range(25)], 10, id="past the count"),
        pytest.param(FIVE * 3, 15, id="batches"),
        pytest.param([*FIVE[:2], *FIVE[:3]], 5, id="an interrupted batch and the next"),
        pytest.param([*FIRST, *HIRES] * 2, 16, id="both passes"),
        pytest.param([(0, 1, "first"), (0, 1, "hires"), (0, 1, "first")], 3, id="one step each"),
    ],
)
def test_steps(told: list[tuple], steps: int) -> None:
    for pool in (True, False):
        report = Report()
        for arguments in told:
            report.progress(*arguments)
            count(report, range(3), *(POOLED if pool else BELOW), calls=2)
        assert report.steps == (steps * pool, steps)


def test_batches_of_one_step_are_told_apart_by_entering_again() -> None:
    downsampling = token_downsampling(paper(factor=2, threshold=2))
    model = spatial_transformer()
    for _ in range(3):
        with downsampling as report:
            report.progress(0, 1)
            run(model, image(4, 4), text())
    assert report.steps == (3, 3)
