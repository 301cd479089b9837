"""The wording of every line. No other test compares it."""

from __future__ import annotations

from typing import Any

import pytest
from counted_layers import BELOW, LARGE, POOLED, SMALL, count, two_passes

from lib_todo import Report
from lib_todo.hosts.webui.step_times import in_words
from lib_todo.position import Moment
from lib_todo.reasons import UNEXPECTED, Reason
from lib_todo.wording import (
    COMPILED,
    ELSEWHERE,
    NO_LAYER,
    REMEDIES,
    WINDOWS,
    steps_in_words,
)

TEN = (range(10), *POOLED)
OF_TEN = "ToDo: 16384 → 4096 keys in 10 of 10 self-attention layers"
NOTHING = "ToDo: nothing was pooled: "


def report_of(*counted: tuple[Any, ...]) -> Report:
    """Layers and what happened to them, without any known step."""
    report = Report()
    for layers, *what in counted:
        count(report, layers, *what)
    return report


def kept(layers: range, reason: Reason) -> tuple[Any, ...]:
    return layers, LARGE, 16384, 16384, reason


def test_no_layer_was_called_or_in_another_thread() -> None:
    report = Report()
    assert report.line() == NOTHING + NO_LAYER
    report.missed_elsewhere = True
    assert report.line() == NOTHING + ELSEWHERE
    # also where the steps of two passes are known
    report = Report()
    for name in ("first", "hires"):
        report.progress(0, 4, name)
        assert report.line() == NOTHING + NO_LAYER
    report.compiled = True
    assert report.line() == NOTHING + COMPILED
    texts = {NO_LAYER, ELSEWHERE, COMPILED} | {reason.value for reason in Reason}
    assert len(texts) == 3 + len(Reason.__members__)


@pytest.mark.parametrize(("step", "window"), [(0, "unknown"), (1, "timesteps")])
def test_a_window_without_known_steps(step: int, window: str) -> None:
    report = Report()
    report.note_window(Moment(step=step, fraction=0.1))
    assert report.line() == f"{NOTHING}{NO_LAYER} ({WINDOWS[window]})"
    count(report, range(1), *BELOW)
    assert f" ({WINDOWS[window]})" in report.line()
    count(report, range(1), *POOLED)
    assert report.line().endswith(f" ({WINDOWS[window]})")


@pytest.mark.parametrize(
    "reason", [Reason.BELOW_THRESHOLD, Reason.FACTOR_ONE, Reason.LEAD_IN, Reason.SAMPLER]
)
def test_without_known_steps_all_numbers_of_keys_the_largest_grid_first(reason: Reason) -> None:
    report = report_of(
        (range(6, 12), SMALL, 4096, 4096, reason),
        (range(6, 12), SMALL, 4096, 484, None),
        (range(12, 16), SMALL, 4096, 4096, reason),
        (range(6), *POOLED),
        (range(6), LARGE, 16384, 1849, None),
    )
    assert report.line(heads={"first": "1024×1024"}) == (
        "ToDo (1024×1024): 16384 → 4096 or 1849, 4096 → 484 or all keys in 12 of 16 "
        "self-attention layers"
    )


def sampled(report: Report, steps: int, asked: int, paper: range, pass_name: str = "first") -> None:
    """The layers of one sampling, by the paper's factors in some steps."""
    for step in range(steps):
        report.progress(step, asked, pass_name)
        count(report, range(5), LARGE, 16384, 4096 if step in paper else 1849, None)
        deep = (4096, Reason.LEAD_IN) if step in paper else (484, None)
        count(report, range(5, 10), SMALL, 4096, *deep)


@pytest.mark.parametrize("batch", [1, 2])
def test_which_keys_belong_to_the_first_quarter(batch: int) -> None:
    report = Report()
    for _ in range(batch):
        sampled(report, 20, 20, range(5))
    # a batch has as many steps as each of its samplings
    assert report.line() == (
        "ToDo: 16384 → 1849, 4096 → 484 keys in 10 of 10 self-attention layers, in all 20 steps "
        "(in the first quarter only 16384 → 4096)"
    )
    (counts,) = report.to_dict()["passes"].values()
    assert counts["steps"]["asked"] == 20 * batch


@pytest.mark.parametrize(
    ("steps", "asked", "words"),
    [
        (range(3), None, "in all 3 steps"),
        (range(1), 1, "in the only step"),
        # a sampling that was stopped in its first quarter
        (range(2), 8, "in all 2 steps from 1 to 2 of 8"),
        # a part of a schedule
        (range(2, 3), 4, "in its step 3 of 4"),
        (range(2, 4), 4, "in all 2 steps from 3 to 4 of 4"),
    ],
)
def test_the_steps_that_a_sampling_went_through(
    steps: range, asked: int | None, words: str
) -> None:
    report = Report()
    for step in steps:
        if asked:
            report.progress(step, asked)
        report.count({POOLED: range(10)}, (1, "first", step))
    assert report.line() == f"{OF_TEN}, {words}"


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        # (keys before, in the first quarter, after it); None: all
        ([(4096, 1024, 256), (1024, None, 256)], "in the first quarter only 4096 → 1024"),
        ([(4096, 1024, 256), (1024, 512, 256)], "in the first quarter 4096 → 1024, 1024 → 512"),
        ([(4096, None, 1024), (1024, None, 256)], "in the first quarter none"),
        ([(4096, 1024, 1024), (1024, None, 256)], "in the first quarter all 1024"),
        (
            [(4096, 1024, 1024), (1024, None, 256), (512, 256, 128)],
            "in the first quarter all 1024, 512 → 256",
        ),
    ],
)
def test_what_is_other_in_the_first_quarter(
    levels: list[tuple[int, int | None, int]], words: str
) -> None:
    report = Report()
    for step in range(8):
        report.progress(step, 8)
        for layer, (before, early, late) in enumerate(levels):
            after = early if step < 2 else late
            reason = Reason.LEAD_IN if after is None else None
            grid = (before // 16, 16)
            count(report, range(layer, layer + 1), grid, before, after or before, reason)
    assert report.line().endswith(f" steps ({words})")


@pytest.mark.parametrize(
    ("steps", "total", "words"),
    [
        (range(2), 2, "all 2 steps"),
        (range(20), 20, "all 20 steps"),
        (range(1), 1, "the only step"),
        (range(5), 20, "the first quarter"),
        (range(6), 21, "the first quarter"),
        (range(1), 2, "the first quarter"),
        (range(14), 20, "the first two thirds"),
        (range(3), 20, "the first 3 steps"),
        (range(1), 20, "the first step"),
        (range(19, 20), 20, "the last step"),
        ([0, 1, 17, 18, 19], 20, "the first 2 steps and the last 3 steps"),
        ([3, 4], 20, "2 of 20 steps"),
        ([0, 4], 20, "2 of 20 steps"),
    ],
)
def test_steps_in_words(steps: list[int], total: int, words: str) -> None:
    assert steps_in_words(steps, total) == words


def test_layers_of_calls_that_were_not_met_were_not_left_whole() -> None:
    """A larger picture's second sampling at the trained size beside it."""
    report = report_of((range(6), *POOLED), (range(6, 12), SMALL, 4096, 484, None))
    report.leave_alone("first", [(SMALL, 12, Reason.BELOW_THRESHOLD)])
    words = "ToDo: 16384 → 4096, 4096 → 484 keys in 12 of 12 self-attention layers"
    assert report.line() == words


def test_the_steps_of_a_sampling_too_small_to_pool_are_no_steps_of_the_others() -> None:
    """Such as a seam's, beside tiles."""
    report = Report()
    for steps, layers in ((4, range(10)), (7, range(0))):
        report.position.expect_sampling()
        for step in range(steps):
            report.progress(step, steps)
            count(report, layers, *POOLED)
    assert report.line() == f"{OF_TEN}, in all 4 steps"
    assert report.steps == (4, 11)


def test_where_another_program_runs_instead_of_the_model_no_setting_is_a_remedy() -> None:
    report = Report()
    report.leave_alone("first", [(SMALL, 6, Reason.BELOW_THRESHOLD)])
    report.progress(0, 4, "hires")
    assert report.line().endswith(f"; hires pass: nothing was pooled: {NO_LAYER}")
    report.compiled = True
    assert report.line().endswith(f"; hires pass: nothing was pooled: {COMPILED}")


def test_a_layer_left_alone_for_several_reasons_is_counted_once() -> None:
    """The setting Passes, and in the first quarter the factor of 1."""
    report = Report()
    for step in range(4):
        report.progress(step, 4)
        count(report, *kept(range(5), Reason.OTHER_PASS))
        deeper = Reason.LEAD_IN if step == 0 else Reason.OTHER_PASS
        count(report, range(5, 16), SMALL, 4096, 4096, deeper)
    words, remedy = Reason.OTHER_PASS.value, REMEDIES[Reason.OTHER_PASS]
    assert report.line() == f"{NOTHING}16 layers {words}. {remedy}"


@pytest.mark.parametrize("reason", Reason)
def test_each_reason(reason: Reason) -> None:
    """Beside pooled layers, what no setting asked for is noted; where nothing was, the remedy."""
    note = f" (3 {reason.value})" if reason in UNEXPECTED else ""
    line = report_of(TEN, kept(range(10, 13), reason)).line()
    assert line == OF_TEN.replace("10 of 10", "10 of 13") + note
    if reason is Reason.BELOW_THRESHOLD:
        counted = (range(5), *BELOW), (range(5, 16), (32, 16), 512, 512, reason)
        why = "no layer is above the threshold, the largest has 64×64 tokens"
    else:
        counted = (range(6, 16), *BELOW), kept(range(6), reason)
        why = f"6 layers {reason.value}"
    remedy = f". {REMEDIES[reason]}" if reason in REMEDIES else ""
    assert report_of(*counted).line() == f"{NOTHING}{why}{remedy}"


def test_nothing_pooled_for_two_reasons() -> None:
    report = report_of(kept(range(2), Reason.HYPERTILE), kept(range(2, 5), Reason.OUTSIDE_WINDOW))
    assert report.line() == (
        f"{NOTHING}2 layers {Reason.HYPERTILE.value}, "
        f"3 layers {Reason.OUTSIDE_WINDOW.value}. {REMEDIES[Reason.HYPERTILE]}"
    )
    # one layer is no layers
    line = report_of(kept(range(1), Reason.FUSED_PROJECTIONS)).line()
    assert line.startswith(f"{NOTHING}1 layer {Reason.FUSED_PROJECTIONS.value}")


def test_each_pass_by_its_name_and_size_and_with_its_own_notes() -> None:
    heads = {"first": "512×512", "hires": "1024×1024, 0.83 s a step"}
    report = two_passes()
    report.passes["hires"].held["LMS"] = 0
    report.passes["hires"].rested["LMS"] = None
    assert report.line(heads=heads) == (
        "ToDo: first pass (512×512): nothing was pooled: no layer is above the threshold, "
        "the largest has 64×64 tokens; "
        "hires pass (1024×1024, 0.83 s a step): 16384 → 4096 keys in 10 of 16 self-attention "
        "layers, in 5 of 10 steps (phase fixed for LMS; phase held in the last steps for LMS)"
    )


@pytest.mark.parametrize(
    ("sampler", "steps", "words"),
    [
        ("Heun", 2, "phase held for 2 steps for Heun"),
        (None, 3, "phase held for 3 steps since the sampler is not known"),
        (None, 0, "phase fixed since the steps are not known"),
    ],
)
def test_a_held_phase_is_noted_with_whose_sake(sampler: str | None, steps: int, words: str) -> None:
    report = report_of(TEN, kept(range(10, 13), Reason.HYPERTILE))
    report.passes["first"].held[sampler] = steps
    assert report.line().endswith(f"(3 left to HyperTile; {words})")


@pytest.mark.parametrize(
    ("seconds", "without", "words"),
    [
        (None, None, ""),
        (None, 2, ""),
        (0.834, None, "0.83 s a step"),
        (12.4, None, "12 s a step"),
        (2, 6, "2 s a step, 3.00 times as fast as without ToDo"),
        (2, 2.05, "2 s a step, no faster than without ToDo"),
        (0.0014, 0.21, "0.0014 s a step, 150.00 times as fast as without ToDo"),
    ],
)
def test_seconds_a_step(seconds: float | None, without: float | None, words: str) -> None:
    assert in_words(seconds, without) == words
