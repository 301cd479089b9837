"""What a generation and a series of them report: the line, the infotext and the JSON."""

from __future__ import annotations

import copy
import sys
import types
from typing import Any

import pytest
import torch
from stand_in import BY_TWO, ON, Processing, calls, process_images_inner, report_of
from told import sizes

from lib_todo.reasons import Reason
from lib_todo.wording import REMEDIES


def test_pools_writes_infotext_and_line(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle)
    processed = process_images_inner(p, *ON)
    data = report_of(processed)
    assert (data["layers"], data["steps"]) == (1, {"pooled": 4, "seen": 4})
    assert (calls(data), sizes(data)) == ({(256, 64, None): 4}, {"first": [(128, 128)]})
    assert "128×128" in processed.comments
    assert processed.extra_generation_params["ToDo report"] + "\n" == processed.comments
    assert p.extra_generation_params == {
        "ToDo preset": "balanced",
        "ToDo factor": "2",
        "ToDo deep factor": "1",
        "ToDo threshold": "8",
        "ToDo used": "first pass 16×16 tokens to 64 keys",
    }


def test_both_passes_count_and_each_can_be_chosen(lifecycle: Any, model: Any) -> None:
    for passes in ("both", "first", "hires"):
        p = Processing(model, lifecycle, enable_hr=True, hr_upscale_to_x=256, hr_upscale_to_y=256)
        processed = process_images_inner(p, {"threshold": 8, **BY_TWO, "passes": passes})
        found = report_of(processed)["passes"]
        for name, keys in (("first", 256), ("hires", 1024)):
            is_chosen = passes in ("both", name)
            pooled = (keys, keys // 4, None) if is_chosen else (keys, keys, "other_pass")
            assert calls(found[name]) == {pooled: 4}
            assert found[name]["steps"] == {"pooled": 4 * is_chosen, "seen": 4, "asked": 4}
        assert "128×128" in processed.comments
        assert "256×256" in processed.comments


def test_batches_add_up_and_leave_one_line(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle, n_iter=3)
    processed = process_images_inner(p, *ON)
    assert report_of(processed)["steps"] == {"pooled": 12, "seen": 12}
    assert processed.comments.count("ToDo") == len(p.comments) == 1


def test_nothing_pooled_says_why_and_what_would_help(lifecycle: Any, model: Any) -> None:
    """The image's text says that ToDo was on: pasted for hires fix, it must not be unticked."""
    p = Processing(model, lifecycle)
    processed = process_images_inner(p, True)
    # known before sampling from the size and the model: no call was intercepted
    below = {(256, 256, "below_threshold"): 0, (64, 64, "below_threshold"): 0}
    assert calls(report_of(processed)) == below
    assert report_of(processed)["steps"] == {"pooled": 0, "seen": 4}
    assert "128×128" in processed.comments
    assert processed.comments.endswith(f". {REMEDIES[Reason.BELOW_THRESHOLD]}\n")
    assert p.extra_generation_params == {
        "ToDo preset": "balanced",
        "ToDo factor": "automatic",
        "ToDo used": "first pass as without ToDo",
    }


def test_the_line_can_be_turned_off(
    host: Any, lifecycle: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib_todo.hosts.webui import host as known

    known.register_option()
    assert known.show_line()
    monkeypatch.setitem(host.shared.opts.data, known.SHOW_LINE, False)
    processed = process_images_inner(Processing(model, lifecycle), *ON)
    assert processed.comments == ""
    assert "ToDo report" not in processed.extra_generation_params


def test_a_plots_first_result_tells_of_every_cell(lifecycle: Any, model: Any) -> None:
    """And the cells' images do not share their texts."""
    from lib_todo.hosts.webui.request import OVERRIDES

    base = Processing(model, lifecycle)
    results, texts = [], []
    for width, values in ((128, {"factor": 2}), (192, {"factor": 4}), (128, {"enabled": False})):
        cell = copy.copy(base)
        cell.width = width
        setattr(cell, OVERRIDES, {**BY_TWO, "threshold": 4, **values})
        results.append(copy.copy(process_images_inner(cell, False)))
        texts.append(dict(cell.extra_generation_params))
    first, second = results[0].extra_generation_params["ToDo report"].splitlines()
    assert first.startswith("[factor 2] ")
    assert second.startswith("[factor 4] ")
    cells = results[0].extra_generation_params["ToDo report JSON"]["generations"]
    assert [calls(cell) for cell in cells] == [{(256, 64, None): 4}, {(384, 24, None): 4}]
    assert [cell["settings"]["factor"] for cell in cells] == [2, 4]
    assert [sizes(cell)["first"] for cell in cells] == [[(128, 128)], [(192, 128)]]
    # a copy of its first cell's result is what the plot shows below the grid
    assert results[0].comments == f"{first.removeprefix('[factor 2] ')}\n"
    text = {"ToDo preset": "balanced", "ToDo deep factor": "1", "ToDo threshold": "4"}
    assert texts[1:] == [
        {**text, "ToDo factor": "4", "ToDo used": "first pass 24×16 tokens to 24 keys"},
        {},
    ]


def test_a_host_that_asks_values_has_the_report_outside_of_images(
    lifecycle: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a script builds from the processing object has it; an image's own text has not."""

    script = types.SimpleNamespace(process_before_every_sampling=None)
    monkeypatch.setitem(sys.modules, "modules.scripts", types.SimpleNamespace(Script=script))
    p = Processing(model, lifecycle)
    process_images_inner(p, *ON)
    report = p.extra_generation_params["ToDo report"]
    assert [report] == list(p.comments)
    data = p.extra_generation_params["ToDo report JSON"]
    assert calls(data["generations"][0]) == {(256, 64, None): 4}
    # of a list, the host would write one item without asking
    assert not isinstance(data, list)
    assert report() is data() is None


def test_seconds_a_step_and_the_gain_over_an_earlier_generation_without(
    host: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib_todo.hosts.webui import generation as lifecycle
    from lib_todo.hosts.webui.hint import step_times

    now = [0.0]
    monkeypatch.setattr(step_times, "times", step_times.StepTimes(lambda: now[0]))

    def taking(seconds: float) -> Any:
        def call(height: int, width: int) -> torch.Tensor:
            now[0] += seconds
            return model(height, width)

        return call

    def seconds_a_step(processed: Any) -> tuple[float, float | None]:
        """Seconds with and without, as the JSON tells them; the line says the same."""
        ((found,),) = report_of(processed)["sizes"].values()
        measured = found["seconds_a_step"]["with_todo"], found["seconds_a_step"]["without_todo"]
        assert f"128×128, {step_times.in_words(*measured)})" in processed.comments
        return measured

    assert seconds_a_step(process_images_inner(Processing(taking(2), lifecycle), *ON)) == (2, None)
    process_images_inner(Processing(taking(3), lifecycle), False)
    other = Processing(taking(2), lifecycle, cfg_scale=1)
    assert seconds_a_step(process_images_inner(other, *ON)) == (2, None)
    p = Processing(taking(1), lifecycle, calls_per_step=2)
    assert seconds_a_step(process_images_inner(p, *ON)) == (2, 6)
    # a difference is not ToDo's where it pooled nothing
    idle = process_images_inner(Processing(taking(2), lifecycle), {"threshold": 512})
    assert f"128×128, {step_times.in_words(2, None)})" in idle.comments


def test_calls_before_the_sampler_are_in_no_step(lifecycle: Any, model: Any) -> None:
    """The img2img alternative test inverts the image first, inside `p.sample`."""
    for window, expected in (({}, 5), ({"end": 0.5}, 2), ({"start": 0.5}, 2)):
        p = Processing(model, lifecycle)
        ordinary = p.sample

        def inverting(ordinary: Any = ordinary) -> torch.Tensor:
            model(16, 16)
            return ordinary()

        p.sample = inverting
        processed = process_images_inner(p, {"threshold": 8, **BY_TWO, **window})
        assert calls(report_of(processed))[256, 64, None] == expected


@pytest.mark.parametrize("args", [ON, [False], [{"threshold": 64}]])
def test_what_the_older_extension_wrote_stays(lifecycle: Any, model: Any, args: list[Any]) -> None:
    """It has a `ToDo factor` too; that it was written by another shows in no other way."""
    p = Processing(model, lifecycle, extra_generation_params={"ToDo factor": 2.0})
    process_images_inner(p, *args)
    assert p.extra_generation_params["ToDo factor"] == 2.0
    assert p.extra_generation_params.get("ToDo threshold") == ("8" if args is ON else None)


POOLS = {"threshold": 4, **BY_TWO}


def test_tiles_and_seams_of_one_object(lifecycle: Any, model: Any) -> None:
    """Ultimate SD Upscale and outpainting process one object at several sizes."""
    p = Processing(model, lifecycle)
    results = []
    for width, height in ((128, 128), (64, 256), (128, 128)):
        p.width, p.height = width, height
        results.append(process_images_inner(p, {**POOLS, "threshold": 8}))
    data = report_of(results[-1])
    assert sizes(data) == {"first": [(128, 128), (64, 256)]}
    assert data["steps"] == {"pooled": 12, "seen": 12}
    assert {tuple(grid["grid"]) for grid in data["grids"]} >= {(16, 16), (32, 8)}
    assert results[0].comments == results[-1].comments, "of a batch of files the first is shown"
    (line,) = results[0].comments.splitlines()
    assert ["128×128" in line, "64×256" in line] == [True, True]
    # an image's own text names the grid of that image alone
    assert p.extra_generation_params["ToDo used"] == "first pass 16×16 tokens to 64 keys"


def test_copies_of_one_object(lifecycle: Any, model: Any) -> None:
    """Prompts from file copies it for each line, and builds the result from the first object."""
    base = Processing(model, lifecycle)
    used = []
    for width in (128, 192, 32):
        p = copy.copy(base)
        p.width = width
        processed = process_images_inner(p, POOLS)
        used.append(p.extra_generation_params["ToDo used"])
    data = report_of(processed)
    assert sizes(data) == {"first": [(128, 128), (192, 128), (32, 128)]}
    assert len(base.comments) == 1
    assert used == [
        "first pass 16×16 tokens to 64 keys",
        "first pass 24×16 tokens to 96 keys",
        "first pass 4×16 tokens to 16 keys",
    ]


def test_each_size_has_its_own_seconds(
    lifecycle: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a small seam say nothing of a large tile, with ToDo and without."""
    from lib_todo.hosts.webui.hint import step_times

    now = [0.0]
    monkeypatch.setattr(step_times, "times", step_times.StepTimes(lambda: now[0]))

    def slow(height: int, width: int) -> torch.Tensor:
        now[0] += width * (1 if on else 2)
        return model(height, width)

    for on in (False, True):
        p = Processing(slow, lifecycle)
        for p.width in (128, 64):
            processed = process_images_inner(p, *(ON if on else [False]))
    assert report_of(processed)["sizes"]["first"] == [
        {"size": [128, 128], "seconds_a_step": {"with_todo": 16, "without_todo": 32}},
        {"size": [64, 128], "seconds_a_step": {"with_todo": 8, "without_todo": 16}},
    ]


def test_a_pass_that_was_not_reached_is_not_told_of(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle, enable_hr=True, hr_upscale_to_x=256, hr_upscale_to_y=256)
    # of a picture whose size is not quite what was asked for
    p.width, p.height = 135, 130
    p.sample = lambda: p._one_pass(p.width, p.height)
    data = report_of(process_images_inner(p, *ON))
    assert sizes(data) == {"first": [(128, 128)]}
    assert calls(data) == {(256, 64, None): 4}
