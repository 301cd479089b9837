"""The report: counts by grid and reason, steps, the line for people, JSON, and no module kept."""

from __future__ import annotations

import gc
import json
import weakref

import pytest
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper
from torch import nn

from lib_todo import Report, token_downsampling, wording
from lib_todo.reasons import Reason
from lib_todo.wording import WORDS

LAYERS = [nn.Identity() for _ in range(16)]
LARGE, SMALL = (128, 128), (64, 64)
POOLED = (LARGE, 16384, 4096, None)
BELOW = (SMALL, 4096, 4096, Reason.BELOW_THRESHOLD)


def count(report: Report, layers: range, *what: object, calls: int = 1) -> None:
    for _ in range(calls):
        for index in layers:
            report.count(LAYERS[index], *what, step=report.position.current_step)


def steps_told(*told: tuple, pool: bool = True) -> tuple[int, int]:
    """(steps pooled, steps seen) after each progress was followed by a call of the model."""
    report = Report()
    for arguments in told:
        report.progress(*arguments)
        if pool:
            count(report, range(1), *POOLED)
    return report.steps


def test_nothing_seen() -> None:
    report = Report()
    assert (report.tallies, report.pooled, report.left_alone) == ({}, {}, {})
    assert (report.layers, report.largest_grid, report.steps) == (0, None, (0, 0))
    assert report.line() == "ToDo: nothing was pooled: no such layer seen"


def test_layers_are_distinct_and_calls_are_not() -> None:
    report = Report()
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
    assert (report.layers, report.largest_grid) == (16, LARGE)


def test_a_layer_that_was_pooled_and_left_alone_is_one_layer() -> None:
    report = Report()
    count(report, range(4), *POOLED)
    count(report, range(4), LARGE, 16384, 16384, Reason.OUTSIDE_WINDOW)
    assert report.layers == 4
    assert (
        len(report.pooled[16384, 4096].layers)
        == len(report.left_alone[Reason.OUTSIDE_WINDOW].layers)
        == 4
    )


def test_grids_of_as_many_keys_are_merged_in_the_sums_only() -> None:
    report = Report()
    count(report, range(2), (64, 256), 16384, 4096, None)
    count(report, range(1, 4), *POOLED)
    assert len(report.tallies) == 2
    assert {key: (len(t.layers), t.calls) for key, t in report.pooled.items()} == {
        (16384, 4096): (4, 5)
    }


def test_reading_the_sums_does_not_change_the_counts() -> None:
    report = Report()
    count(report, range(2), (64, 256), 16384, 4096, None)
    count(report, range(2, 4), *POOLED)
    count(report, range(4, 5), *BELOW)
    count(report, range(5, 6), (32, 32), 1024, 1024, Reason.BELOW_THRESHOLD)
    for _ in range(2):
        assert len(report.pooled[16384, 4096].layers) == 4
        assert len(report.left_alone[Reason.BELOW_THRESHOLD].layers) == 2
    assert [len(tally.layers) for tally in report.tallies.values()] == [2, 2, 1, 1]


def test_attention_to_a_prompt_is_no_self_attention_layer() -> None:
    report = Report()
    count(report, range(3), (256, 256), 65536, 65536, Reason.NOT_SELF_ATTENTION)
    assert (report.layers, report.left_alone, report.largest_grid) == (0, {}, None)
    assert len(report.tallies) == 1
    expected = "ToDo: nothing was pooled: self-attention is replaced by another extension"
    assert report.line() == expected


# steps


def test_every_step_of_a_sampling() -> None:
    assert steps_told(*[(step, 20) for step in range(20)]) == (20, 20)
    assert steps_told(*[(step, 20) for step in range(20)], pool=False) == (0, 20)


def test_only_steps_in_which_something_was_pooled() -> None:
    report = Report()
    for step in range(20):
        report.progress(step, 20)
        count(report, range(1), *(POOLED if step < 7 else BELOW))
    assert report.steps == (7, 20)


def test_several_calls_in_a_step_are_one_step() -> None:
    report = Report()
    report.progress(0, 20)
    count(report, range(3), *POOLED, calls=4)
    report.progress(0, 20)
    count(report, range(3), *POOLED)
    assert report.steps == (1, 1)


@pytest.mark.parametrize("steps", [1, 2, 10, 20, 33])
def test_second_order_samplers_count_the_steps_the_user_knows(steps: int) -> None:
    """Heun calls the model twice in every step but the last."""
    total = 2 * steps - 1
    told = [(call, total, "first", steps) for call in range(total)]
    assert steps_told(*told) == (steps, steps)
    assert steps_told(*[arguments[:2] for arguments in told]) == (total, total)


@pytest.mark.parametrize("steps", [2, 10, 33])
def test_second_order_samplers_with_two_calls_in_the_last_step_too(steps: int) -> None:
    told = [(call, 2 * steps, "first", steps) for call in range(2 * steps)]
    assert steps_told(*told) == (steps, steps)


def test_half_of_a_second_order_sampling() -> None:
    report = Report()
    for call in range(39):
        report.progress(call, 39, "first", 20)
        count(report, range(1), *(POOLED if call < 20 else BELOW))
    assert report.steps == (10, 20)


def test_samplers_that_run_past_their_count_stay_in_the_last_step() -> None:
    assert steps_told(*[(step, 10) for step in range(25)]) == (10, 10)


def test_batches_add_up() -> None:
    batch = [(step, 5) for step in range(5)]
    assert steps_told(*batch, *batch, *batch) == (15, 15)


def test_an_interrupted_batch_and_the_next() -> None:
    assert steps_told((0, 5), (1, 5), (2, 5), (0, 5), (1, 5)) == (5, 5)


def test_both_passes_add_up() -> None:
    first = [(step, 5, "first") for step in range(5)]
    hires = [(step, 3, "hires") for step in range(3)]
    assert steps_told(*first, *hires, *first, *hires) == (16, 16)


def test_one_step_passes_are_told_apart() -> None:
    assert steps_told((0, 1, "first"), (0, 1, "hires"), (0, 1, "first")) == (3, 3)


def test_batches_of_one_step_are_told_apart_by_entering_again() -> None:
    downsampling = token_downsampling(paper(factor=2, threshold=2))
    model = spatial_transformer()
    for _ in range(3):
        with downsampling as report:
            report.progress(0, 1)
            run(model, image(4, 4), text())
    assert report.steps == (3, 3)
    assert "3 of 3 steps" in report.line()


def test_without_any_progress_no_steps_are_claimed() -> None:
    report = Report()
    count(report, range(1), *POOLED)
    assert report.steps == (0, 0)
    assert report.line() == "ToDo: 16384 → 4096 keys in 1 of 1 self-attention layers"


@pytest.mark.parametrize(
    "arguments", [(-1, 20), (0, 0), (0, -1), (0, 20, "second"), (0, 20, ""), (0, 20, None)]
)
def test_progress_that_cannot_be(arguments: tuple) -> None:
    report = Report()
    report.progress(3, 7, "hires")
    at = report.position
    with pytest.raises(ValueError, match=r"ToDo: progress\(") as caught:
        report.progress(*arguments)
    assert repr(arguments[-1]) in str(caught.value)
    assert (at.step, at.total, at.pass_name, report.steps) == (3, 7, "hires", (0, 1))


def test_pause_lasts_until_the_next_progress() -> None:
    report = Report()
    assert not report.position.foreign_evaluation
    report.position.pause()
    assert report.position.foreign_evaluation
    report.progress(1, 2)
    assert not report.position.foreign_evaluation


# the line


def test_the_issues_own_line() -> None:
    report = Report()
    for step in range(20):
        report.progress(step, 20)
        count(report, range(10), *POOLED)
        count(report, range(10, 16), *BELOW)
    assert report.line(64, "at 1024×1024") == (
        "ToDo: 16384 → 4096 keys in 10 of 16 self-attention layers, 20 of 20 steps"
    )


def test_several_grids_largest_first() -> None:
    report = Report()
    count(report, range(5, 10), LARGE, 16384, 4096, None)
    count(report, range(5), (256, 256), 65536, 4096, None)
    count(report, range(10, 16), *BELOW)
    assert report.line() == (
        "ToDo: 65536 → 4096 keys in 5, 16384 → 4096 keys in 5 of 16 self-attention layers"
    )


@pytest.mark.parametrize(
    "reason",
    [Reason.HYPERTILE, Reason.OTHER_GRID, Reason.MASKED, Reason.FUSED, Reason.OTHER_VALUES],
)
def test_what_was_unexpectedly_left_alone_is_noted(reason: Reason) -> None:
    report = Report()
    count(report, range(10), *POOLED)
    count(report, range(10, 13), LARGE, 16384, 16384, reason)
    assert report.line() == (
        f"ToDo: 16384 → 4096 keys in 10 of 13 self-attention layers (3 {WORDS[reason]})"
    )


@pytest.mark.parametrize(
    "reason",
    [
        Reason.BELOW_THRESHOLD,
        Reason.FACTOR_ONE,
        Reason.OUTSIDE_WINDOW,
        Reason.OTHER_PASS,
        Reason.OTHER_GENERATION,
    ],
)
def test_what_was_asked_for_is_not_noted(reason: Reason) -> None:
    report = Report()
    count(report, range(10), *POOLED)
    count(report, range(10, 13), LARGE, 16384, 16384, reason)
    assert report.line() == "ToDo: 16384 → 4096 keys in 10 of 13 self-attention layers"


@pytest.mark.parametrize(
    ("threshold", "where", "words"),
    [
        (64, "at 512×512", "no layer has more than 64×64 tokens at 512×512"),
        (64, "", "no layer has more than 64×64 tokens"),
        (None, "", "no layer has more than the threshold"),
        (None, "at 512×512", "no layer has more than the threshold at 512×512"),
    ],
)
def test_nothing_above_the_threshold(threshold: int | None, where: str, words: str) -> None:
    report = Report()
    count(report, range(16), *BELOW)
    assert report.line(threshold, where) == f"ToDo: nothing was pooled: {words}"


@pytest.mark.parametrize(
    "reason",
    [
        Reason.FACTOR_ONE,
        Reason.OUTSIDE_WINDOW,
        Reason.OTHER_PASS,
        Reason.OTHER_GENERATION,
        Reason.OTHER_GRID,
        Reason.HYPERTILE,
        Reason.MASKED,
        Reason.FUSED,
        Reason.OTHER_VALUES,
    ],
)
def test_nothing_pooled_for_another_reason(reason: Reason) -> None:
    report = Report()
    count(report, range(6, 16), *BELOW)
    count(report, range(6), LARGE, 16384, 16384, reason)
    assert report.line(64) == f"ToDo: nothing was pooled: 6 layers {WORDS[reason]}"


def test_nothing_pooled_for_two_reasons() -> None:
    report = Report()
    count(report, range(2), LARGE, 16384, 16384, Reason.HYPERTILE)
    count(report, range(2, 5), LARGE, 16384, 16384, Reason.OUTSIDE_WINDOW)
    assert report.line() == (
        f"ToDo: nothing was pooled: 2 layers {WORDS[Reason.HYPERTILE]}, "
        f"3 layers {WORDS[Reason.OUTSIDE_WINDOW]}"
    )


# the line of a generation, pass by pass


def two_passes() -> Report:
    report = Report()
    for step in range(20):
        report.progress(step, 20)
        count(report, range(16), *BELOW)
    for step in range(10):
        report.progress(step, 10, "hires")
        count(report, range(10), *(POOLED if step < 5 else (*POOLED[:2], *POOLED[1:2], OUTSIDE)))
        count(report, range(10, 16), *BELOW)
    return report


OUTSIDE = Reason.OUTSIDE_WINDOW


def test_each_pass_by_its_name_and_size() -> None:
    heads = {"first": "512×512", "hires": "1024×1024, 0.83 s a step"}
    assert wording.generation_line(two_passes(), 64, heads) == (
        "ToDo: first pass (512×512): nothing was pooled: no layer has more than 64×64 tokens; "
        "hires pass (1024×1024, 0.83 s a step): 16384 → 4096 keys in 10 of 16 self-attention "
        "layers, 5 of 10 steps"
    )


def test_one_pass_needs_no_name() -> None:
    report = Report()
    count(report, range(10), *POOLED)
    expected = "ToDo (1024×1024): 16384 → 4096 keys in 10 of 10 self-attention layers"
    assert wording.generation_line(report, 64, {"first": "1024×1024"}) == expected


@pytest.mark.parametrize("reason", list(wording.REMEDIES))
def test_nothing_pooled_comes_with_what_would_help(reason: Reason) -> None:
    report = Report()
    count(report, range(6, 16), *BELOW)
    count(report, range(6), LARGE, 16384, 16384, reason)
    assert wording.generation_line(report, 64, {}).endswith(f". {wording.REMEDIES[reason]}")


def test_every_reason_has_words_and_no_two_the_same() -> None:
    assert set(WORDS) == set(Reason)
    assert len(set(WORDS.values())) == len(Reason)


def test_the_sums_of_the_passes_are_the_report() -> None:
    report = two_passes()
    merged: dict = {}
    for counts in report.passes.values():
        for key, tally in counts.tallies.items():
            merged[key] = merged.get(key, 0) + tally.calls
    assert merged == {key: tally.calls for key, tally in report.tallies.items()}
    assert (report.steps_of("first"), report.steps_of("hires")) == ((0, 20), (5, 10))


# JSON


def test_as_json() -> None:
    report = Report()
    report.progress(0, 2)
    count(report, range(10), *POOLED, calls=2)
    report.progress(1, 2)
    count(report, range(10, 16), *BELOW)
    count(report, range(2), LARGE, 77, 77, Reason.NOT_SELF_ATTENTION)
    written = json.loads(json.dumps(report.to_dict()))
    assert written.pop("passes") == {
        "first": {"steps": written["steps"], "grids": written["grids"]}
    }
    assert written == {
        "phase_held": [],
        "layers": 16,
        "steps": {"pooled": 1, "seen": 2},
        "grids": [
            {
                "grid": [128, 128],
                "keys_before": 16384,
                "keys_after": 4096,
                "reason": None,
                "layers": 10,
                "calls": 20,
            },
            {
                "grid": [64, 64],
                "keys_before": 4096,
                "keys_after": 4096,
                "reason": "below_threshold",
                "layers": 6,
                "calls": 6,
            },
            {
                "grid": [128, 128],
                "keys_before": 77,
                "keys_after": 77,
                "reason": "not_self_attention",
                "layers": 2,
                "calls": 2,
            },
        ],
    }


def test_a_real_run_as_json() -> None:
    model = spatial_transformer(depth=2)
    with token_downsampling(paper(factor=1.5, threshold=4)) as report:
        report.progress(0, 1)
        run(model, image(6, 7), text())
    written = json.loads(json.dumps(report.to_dict()))
    assert (written["layers"], written["steps"]) == (2, {"pooled": 1, "seen": 1})
    assert written["grids"][0] == {
        "grid": [6, 7],
        "keys_before": 42,
        "keys_after": 20,
        "reason": None,
        "layers": 2,
        "calls": 2,
    }


# memory


def test_no_module_is_kept_alive() -> None:
    model = spatial_transformer()
    downsampling = token_downsampling(paper(factor=2, threshold=2))
    with downsampling as report:
        run(model, image(4, 4), text())
        dead = [weakref.ref(module) for module in model.modules()]
        assert len(dead) > 10
        del model
        gc.collect()
        assert [ref() for ref in dead if ref() is not None] == []
    assert report.layers == 1


def test_no_module_is_kept_alive_by_one_that_broke_off() -> None:
    model = spatial_transformer()
    handle = model.transformer_blocks[0].ff.register_forward_pre_hook(lambda *_: 1 / 0)
    downsampling = token_downsampling(paper(factor=2, threshold=2))
    with downsampling as report:
        with pytest.raises(ZeroDivisionError):
            run(model, image(4, 4), text())
        dead = weakref.ref(model)
        handle.remove()
        del model, handle
        gc.collect()
        assert dead() is None
    assert report.layers == 1


def test_a_new_layer_is_a_new_one_even_in_the_memory_of_a_dead_one() -> None:
    report = Report()
    for _ in range(50):
        report.count(nn.Identity(), *POOLED)
    assert report.layers == 50
