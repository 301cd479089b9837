"""The wording of every line. No other test compares it."""

from __future__ import annotations

import pytest
from counted_layers import BELOW, LARGE, POOLED, count, two_passes

from lib_todo import Report
from lib_todo.hosts.webui.hint.step_times import in_words
from lib_todo.position import Moment
from lib_todo.reasons import UNEXPECTED, Reason
from lib_todo.wording import REMEDIES, WORDS, steps_in_words


def test_no_layer_was_called() -> None:
    words = "no self-attention layer that ToDo knows was called"
    assert Report().line() == f"ToDo: nothing was pooled: {words}"


def test_a_model_was_called_in_another_thread() -> None:
    report = Report()
    report.missed_elsewhere = True
    assert report.line() == (
        "ToDo: nothing was pooled: the model was called in another thread or task than the one "
        "that entered the `with`: run it by asyncio.to_thread or contextvars.copy_context().run, "
        "which carry the `with` over, or use lib_todo.bind, which works in every thread"
    )


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            0,
            "start and end ignored, since the steps are not known: use a diffusers scheduler "
            "inside the `with`, or call Report.progress before each step",
        ),
        (1, "start and end estimated from timesteps, since the number of steps is not known"),
    ],
)
def test_a_window_without_known_steps(step: int, words: str) -> None:
    report = Report()
    report.note_window(Moment(step=step, fraction=0.1))
    count(report, range(1), *BELOW)
    assert f" ({words})" in report.line()
    count(report, range(1), *POOLED)
    assert report.line().endswith(f" ({words})")


def test_without_any_progress_no_steps_are_named() -> None:
    report = Report()
    count(report, range(1), *POOLED)
    assert report.line() == "ToDo: 16384 → 4096 keys in 1 of 1 self-attention layers"


def test_the_issues_own_line() -> None:
    report = Report()
    for step in range(20):
        report.progress(step, 20)
        count(report, range(10), *POOLED)
        count(report, range(10, 16), *BELOW)
    assert report.line() == (
        "ToDo: 16384 → 4096 keys in 10 of 16 self-attention layers, in all 20 steps"
    )


def test_several_grids_largest_first() -> None:
    report = Report()
    count(report, range(5, 10), LARGE, 16384, 4096, None)
    count(report, range(5), (256, 256), 65536, 4096, None)
    count(report, range(10, 16), *BELOW)
    assert report.line() == (
        "ToDo: 65536 → 4096, 16384 → 4096 keys in 10 of 16 self-attention layers"
    )


@pytest.mark.parametrize(
    "reason", [Reason.BELOW_THRESHOLD, Reason.FACTOR_ONE, Reason.LEAD_IN, Reason.SAMPLER]
)
def test_a_level_that_a_lead_in_pools_less_or_not_at_all(reason: Reason) -> None:
    report = Report()
    count(report, range(6), *POOLED)
    count(report, range(6), LARGE, 16384, 1849, None)
    count(report, range(6, 12), (64, 64), 4096, 4096, reason)
    count(report, range(6, 12), (64, 64), 4096, 484, None)
    count(report, range(12, 16), (64, 64), 4096, 4096, reason)
    assert report.line() == (
        "ToDo: 16384 → 4096 or 1849, 4096 → 484 or all keys in 12 of 16 self-attention layers"
    )


def sampled(report: Report, steps: int, asked: int, paper: range, pass_name: str = "first") -> None:
    """The layers of one sampling, by the paper's factors in some steps."""
    for step in range(steps):
        report.progress(step, asked, pass_name)
        count(report, range(5), LARGE, 16384, 4096 if step in paper else 1849, None)
        count(report, range(5, 10), *(SMALL_KEPT if step in paper else SMALL_POOLED))


SMALL_KEPT = ((64, 64), 4096, 4096, Reason.LEAD_IN)
SMALL_POOLED = ((64, 64), 4096, 484, None)


def test_which_keys_belong_to_the_first_quarter() -> None:
    report = Report()
    sampled(report, 20, 20, range(5))
    assert report.line() == (
        "ToDo: 16384 → 1849, 4096 → 484 keys in 10 of 10 self-attention layers, in all 20 steps "
        "(in the first quarter only 16384 → 4096)"
    )


def test_a_batch_has_as_many_steps_as_each_of_its_samplings() -> None:
    report = Report()
    for _ in range(2):
        sampled(report, 4, 4, range(1))
    assert report.line().endswith(
        "4096 → 484 keys in 10 of 10 self-attention layers, in all 4 steps "
        "(in the first quarter only 16384 → 4096)"
    )
    assert report.steps == (8, 8)


@pytest.mark.parametrize(("paper", "keys"), [(range(10), 4096), (range(0), 1849)])
def test_a_sampling_that_was_stopped(paper: range, keys: int) -> None:
    report = Report()
    sampled(report, 10, 40, paper)
    report.stopped()
    assert f"16384 → {keys}" in report.line()
    assert report.line().endswith(", in all 10 steps until it was stopped at 10 of 40")


def test_a_note_stands_behind_its_own_pass() -> None:
    report = Report()
    sampled(report, 4, 4, range(1))
    report.progress(0, 4, "hires")
    report.phase_held("LMS", 0)
    report.phase_rests("LMS")
    sampled(report, 4, 4, range(4), "hires")
    first, hires = report.line().split("; hires pass: ")
    assert "phase" not in first
    assert hires.endswith("(phase fixed for LMS; phase held in the last steps for LMS)")


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
        (range(20), 20, "all 20 steps"),
        (range(1), 1, "the only step"),
        (range(5), 20, "the first quarter"),
        (range(6), 21, "the first quarter"),
        (range(1), 2, "the first quarter"),
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


def test_a_layer_left_alone_for_several_reasons_is_counted_once() -> None:
    """The setting Passes, and in the first quarter the factor of 1."""
    report = Report()
    for step in range(4):
        report.progress(step, 4)
        count(report, range(5), LARGE, 16384, 16384, Reason.OTHER_PASS)
        deeper = Reason.LEAD_IN if step == 0 else Reason.OTHER_PASS
        count(report, range(5, 16), (64, 64), 4096, 4096, deeper)
    assert report.line() == (
        f"ToDo: nothing was pooled: 16 layers {WORDS[Reason.OTHER_PASS]}. "
        f"{REMEDIES[Reason.OTHER_PASS]}"
    )


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason in UNEXPECTED])
def test_what_was_unexpectedly_left_alone_is_noted(reason: Reason) -> None:
    report = Report()
    count(report, range(10), *POOLED)
    count(report, range(10, 13), LARGE, 16384, 16384, reason)
    assert report.line() == (
        f"ToDo: 16384 → 4096 keys in 10 of 13 self-attention layers (3 {WORDS[reason]})"
    )


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in UNEXPECTED])
def test_what_was_asked_for_is_not_noted(reason: Reason) -> None:
    report = Report()
    count(report, range(10), *POOLED)
    count(report, range(10, 13), LARGE, 16384, 16384, reason)
    assert report.line() == "ToDo: 16384 → 4096 keys in 10 of 13 self-attention layers"


def test_nothing_above_the_threshold() -> None:
    report = Report()
    count(report, range(5), *BELOW)
    count(report, range(5, 16), (32, 16), 512, 512, Reason.BELOW_THRESHOLD)
    why = "no layer is above the threshold, the largest has 64×64 tokens"
    remedy = REMEDIES[Reason.BELOW_THRESHOLD]
    assert report.line() == f"ToDo: nothing was pooled: {why}. {remedy}"


@pytest.mark.parametrize(
    "reason", [reason for reason in Reason if reason is not Reason.BELOW_THRESHOLD]
)
def test_nothing_pooled_for_another_reason(reason: Reason) -> None:
    report = Report()
    count(report, range(6, 16), *BELOW)
    count(report, range(6), LARGE, 16384, 16384, reason)
    remedy = REMEDIES.get(reason)
    told = f"ToDo: nothing was pooled: 6 layers {WORDS[reason]}"
    assert report.line() == (f"{told}. {remedy}" if remedy else told)


def test_nothing_pooled_for_two_reasons() -> None:
    report = Report()
    count(report, range(2), LARGE, 16384, 16384, Reason.HYPERTILE)
    count(report, range(2, 5), LARGE, 16384, 16384, Reason.OUTSIDE_WINDOW)
    assert report.line() == (
        f"ToDo: nothing was pooled: 2 layers {WORDS[Reason.HYPERTILE]}, "
        f"3 layers {WORDS[Reason.OUTSIDE_WINDOW]}. {REMEDIES[Reason.HYPERTILE]}"
    )


def test_each_pass_by_its_name_and_size() -> None:
    heads = {"first": "512×512", "hires": "1024×1024, 0.83 s a step"}
    assert two_passes().line(heads=heads) == (
        "ToDo: first pass (512×512): nothing was pooled: no layer is above the threshold, "
        "the largest has 64×64 tokens; "
        "hires pass (1024×1024, 0.83 s a step): 16384 → 4096 keys in 10 of 16 self-attention "
        "layers, in 5 of 10 steps"
    )


def test_one_pass_needs_no_name() -> None:
    report = Report()
    count(report, range(10), *POOLED)
    expected = "ToDo (1024×1024): 16384 → 4096 keys in 10 of 10 self-attention layers"
    assert report.line(heads={"first": "1024×1024"}) == expected


def test_every_reason_has_words_and_no_two_the_same() -> None:
    assert set(WORDS) == set(Reason)
    assert len(set(WORDS.values())) == len(Reason)


def test_one_layer_is_no_layers() -> None:
    report = Report()
    count(report, range(1), LARGE, 16384, 16384, Reason.FUSED)
    assert "nothing was pooled: 1 layer with fused projections" in report.line()


@pytest.mark.parametrize(
    ("sampler", "steps", "words"),
    [
        ("Heun", 2, "phase held for 2 steps for Heun"),
        ("DPM fast", 0, "phase fixed for DPM fast"),
        (None, 3, "phase held for 3 steps since the sampler is not known"),
        (None, 0, "phase fixed since the steps are not known"),
    ],
)
def test_a_held_phase_is_noted_with_whose_sake(sampler: str | None, steps: int, words: str) -> None:
    report = Report()
    count(report, range(10), *POOLED)
    count(report, range(10, 13), LARGE, 16384, 16384, Reason.HYPERTILE)
    report.phase_held(sampler, steps)
    assert report.line() == (
        f"ToDo: 16384 → 4096 keys in 10 of 13 self-attention layers (3 left to HyperTile; {words})"
    )


def test_a_phase_that_rests_is_noted() -> None:
    report = Report()
    count(report, range(10), *POOLED)
    report.phase_rests("DPM++ 2M")
    assert report.line() == (
        "ToDo: 16384 → 4096 keys in 10 of 10 self-attention layers "
        "(phase held in the last steps for DPM++ 2M)"
    )


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
