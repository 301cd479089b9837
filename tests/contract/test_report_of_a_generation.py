"""What a generation and a series of them report: the line, the infotext, the JSON, the steps."""

from __future__ import annotations

import copy
import types
from typing import Any

import ldm_models
import pytest
import torch
from stand_in import BY_TWO, ON, Denoiser, Model, Processing, calls, process_images_inner, report_of
from told import sizes

from lib_todo.reasons import Reason
from lib_todo.wording import REMEDIES


def text_of(p: Processing) -> dict[str, str]:
    """What an image's text has, for which the host calls what can be called."""
    params = p.extra_generation_params
    return {
        key: value for key, value in params.items() if not callable(value) or value(p) is not None
    }


def test_pools_writes_infotext_and_line(lifecycle: Any, model: Any) -> None:
    """Batches add up and leave one line."""
    p = Processing(model, lifecycle, n_iter=3)
    processed = process_images_inner(p, *ON)
    data = report_of(processed)
    assert (data["layers"], data["steps"]) == (1, {"pooled": 12, "seen": 12})
    assert (calls(data), sizes(data)) == ({(256, 64, None): 12}, {"first": [(128, 128)]})
    assert processed.comments.count("ToDo") == processed.comments.count("128×128") == 1
    assert processed.extra_generation_params["ToDo report"] + "\n" == processed.comments
    assert text_of(p) == {
        "ToDo preset": "balanced",
        "ToDo factor": "2",
        "ToDo deep factor": "1",
        "ToDo threshold": "8",
        "ToDo used": "256 → 64",
    }


def test_both_passes_count_and_each_can_be_chosen(lifecycle: Any, model: Any) -> None:
    for passes in ("both", "first", "hires"):
        p = Processing(model, lifecycle, enable_hr=True, hr_upscale_to_x=256, hr_upscale_to_y=256)
        processed = process_images_inner(p, {"threshold": 8, **BY_TWO, "passes": passes})
        found = report_of(processed)["passes"]
        for name, keys in (("first", 256), ("hires", 1024)):
            is_chosen = passes in ("both", name)
            pooled = (keys, keys // 4, None) if is_chosen else (keys, keys, "other_pass")
            # a pass in which nothing can be pooled is known before it, and none of its calls is met
            assert calls(found[name])[pooled] == 4 * is_chosen
            assert found[name]["steps"] == {"pooled": 4 * is_chosen, "seen": 4, "asked": 4}
        assert "128×128" in processed.comments
        assert "256×256" in processed.comments


# a U-Net with other residual blocks than trained models have, whose levels are not known
OTHER = Model(model=types.SimpleNamespace(diffusion_model=ldm_models.unet()))


@pytest.mark.parametrize("given", [{}, {"refiner_checkpoint_info": "other"}, {"sd_model": OTHER}])
def test_nothing_pooled_says_why_and_what_would_help(
    lifecycle: Any, model: Any, given: dict[str, Any]
) -> None:
    """The image's text says that ToDo was on: pasted for hires fix, it must not be unticked."""
    p = Processing(model, lifecycle, **given)
    processed = process_images_inner(p, True)
    # mostly known before sampling from the size and the model: no call was intercepted
    below = {(256, 256, "below_threshold"): 0, (64, 64, "below_threshold"): 0}
    met = {(256, 256, "below_threshold"): 4}
    assert calls(report_of(processed)) == (met if given else below)
    assert report_of(processed)["steps"] == {"pooled": 0, "seen": 4}
    assert "128×128" in processed.comments
    assert processed.comments.endswith(f". {REMEDIES[Reason.BELOW_THRESHOLD]}\n")
    assert text_of(p) == {"ToDo preset": "balanced", "ToDo used": "as without ToDo"}


def test_what_a_script_builds_of_the_processing_object_has_the_report(
    lifecycle: Any, model: Any
) -> None:
    """Cells of a plot, of which the last is made without ToDo, in a result of the script's own."""
    base = Processing(model, lifecycle)
    for args in (ON, [{"preset": "fast", "threshold": 8}], [False]):
        process_images_inner(copy.copy(base), *args)
        if args == [False]:
            assert text_of(base) == {}
    params = base.extra_generation_params
    told = params["ToDo report JSON"]["generations"]
    assert [calls(data)[256, 64, None] for data in told] == [4, 1]
    heads = [line.split("]")[0] for line in params["ToDo report"].splitlines()]
    assert heads == ["[preset balanced, factor 2, deep factor 1", "[preset fast"]
    # of a list, the host would write one item without asking
    assert not isinstance(params["ToDo report JSON"], list)
    # the next image's text is made before its report
    lifecycle.begin(base, ON)
    assert params == {}


def test_seconds_a_step_and_the_gain_over_an_earlier_generation_without(
    host: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib_todo.hosts.webui import generation as lifecycle
    from lib_todo.hosts.webui import step_times

    now = [0.0]
    monkeypatch.setattr(step_times, "FILE", "steps-of-this-test.json")
    monkeypatch.setattr(step_times.time, "perf_counter", lambda: now[0])

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
    process_images_inner(Processing(taking(3), lifecycle, calls_per_step=2), False)
    other = Processing(taking(2), lifecycle, cfg_scale=1)
    assert seconds_a_step(process_images_inner(other, *ON)) == (2, None)
    p = Processing(taking(1), lifecycle, calls_per_step=2)
    assert seconds_a_step(process_images_inner(p, *ON)) == (2, 6)
    # a difference is not ToDo's where it pooled nothing
    idle = process_images_inner(Processing(taking(2), lifecycle), {"threshold": 512})
    assert f"128×128, {step_times.in_words(2, None)})" in idle.comments


@pytest.mark.parametrize("args", [ON, [False], [{"threshold": 64}]])
def test_what_the_older_extension_wrote_stays(lifecycle: Any, model: Any, args: list[Any]) -> None:
    """It has a `ToDo factor` too; that it was written by another shows in no other way."""
    p = Processing(model, lifecycle, extra_generation_params={"ToDo factor": 2.0})
    process_images_inner(p, *args)
    assert p.extra_generation_params["ToDo factor"] == 2.0
    assert p.extra_generation_params.get("ToDo threshold") == ("8" if args is ON else None)


def test_tiles_and_seams_of_one_object(lifecycle: Any, model: Any) -> None:
    """Ultimate SD Upscale and outpainting process one object at several sizes."""
    p = Processing(model, lifecycle)
    results = []
    for width, height in ((128, 128), (64, 256), (128, 128)):
        p.width, p.height = width, height
        results.append(process_images_inner(p, *ON))
    data = report_of(results[-1])
    assert sizes(data) == {"first": [(128, 128), (64, 256)]}
    assert data["steps"] == {"pooled": 12, "seen": 12}
    assert {tuple(grid["grid"]) for grid in data["grids"]} >= {(16, 16), (32, 8)}
    assert results[0].comments == results[-1].comments, "of a batch of files the first is shown"
    (line,) = results[0].comments.splitlines()
    assert ["128×128" in line, "64×256" in line] == [True, True]
    # an image's own text names the grid of that image alone
    assert p.extra_generation_params["ToDo used"] == "256 → 64"


def test_a_pass_that_was_not_reached_is_not_told_of(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle, enable_hr=True, hr_upscale_to_x=256, hr_upscale_to_y=256)
    # of a picture whose size is not quite what was asked for
    p.width, p.height = 135, 130
    p.sample = lambda: p._one_pass(p.width, p.height)
    data = report_of(process_images_inner(p, *ON))
    assert sizes(data) == {"first": [(128, 128)]}
    assert calls(data) == {(256, 64, None): 4}


def report_of_calls(lifecycle: Any, model: Any, *calls: tuple[int, float, int]) -> dict[str, Any]:
    """What is told of a sampler that calls the model so: the host's step, the level, the side."""
    p = Processing(model, lifecycle)

    def sample() -> None:
        denoiser = Denoiser(p, 4)
        for denoiser.step, level, side in calls:
            lifecycle.on_denoiser_call(denoiser.params(level, side, side))
            model(side // 8, side // 8)

    p.sample = sample
    return report_of(process_images_inner(p, *ON))


@pytest.mark.parametrize("sides", [(64, 128), (128, 64)])
def test_a_sampler_that_looks_at_other_sizes_in_between(
    lifecycle: Any, model: Any, sides: tuple[int, int]
) -> None:
    """As SMEA samplers do, at one level; the host counts each look as a step."""
    looks = [(step, 4 - step // 2, sides[step % 2]) for step in range(8)]
    data = report_of_calls(lifecycle, model, *looks)
    assert calls(data)[256, 64, None] == 4
    assert calls(data)[64, 64, "below_threshold"] == 0
    assert data["steps"] == {"pooled": 4, "seen": 4}


@pytest.mark.parametrize("side", [64, 128])
def test_a_sampler_that_does_not_count_its_looks_at_a_level(
    lifecycle: Any, model: Any, side: int
) -> None:
    data = report_of_calls(lifecycle, model, (0, 2, side), *[(1, 1, side)] * 3)
    assert data["steps"]["seen"] == 2


@pytest.mark.parametrize(
    ("sampler", "levels", "window", "pooled", "steps"),
    [
        # it calls the denoiser three times in its first steps, which the host cannot know
        *[
            ("Euler SMEA Dy", (14, 14, 14, 13, 13, 13, 12, 11), window, pooled, steps)
            for window, pooled, steps in (
                *(({}, 8, 4), ({"end": 0.5}, 6, 2), ({"start": 0.5}, 2, 2)),
                ({"start": 0.25}, 5, 3),
            )
        ],
        # PLMS looks at its second level twice, and has a rule of its own that counts on that
        ("PLMS", (14, 13, 13, 12, 11), {"end": 0.5}, 2, 2),
    ],
)
def test_window_and_steps_go_by_the_noise_level(
    lifecycle: Any,
    model: Any,
    sampler: str,
    levels: tuple[float, ...],
    window: dict[str, float],
    pooled: int,
    steps: int,
) -> None:
    p = Processing(model, lifecycle, sampler_name=sampler, levels=levels)
    data = report_of(process_images_inner(p, {"threshold": 8, **BY_TWO, **window}))
    assert calls(data)[256, 64, None] == pooled
    assert data["steps"] == {"pooled": steps, "seen": 4}


def test_each_pass_and_batch_counts_anew(lifecycle: Any, model: Any) -> None:
    """The last level of one is the first of the next here."""
    p = Processing(model, lifecycle, n_iter=2, steps=3, levels=(14, 13, 14))
    data = report_of(process_images_inner(p, {"threshold": 8, **BY_TWO, "end": 0.5}))
    assert (calls(data)[256, 64, None], data["steps"]) == (4, {"pooled": 4, "seen": 6})
