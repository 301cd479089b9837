"""Scripts that mix sizes (tiles and seams, Prompts from file): one line names them all."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from stand_in import BY_TWO, ON, Processing, calls, process_images_inner, report_of
from told import sizes

POOLS = {"threshold": 4, **BY_TWO}


def test_tiles_and_seams_of_one_object(lifecycle: Any, model: Any) -> None:
    """Ultimate SD Upscale and outpainting process one object at several sizes."""
    p = Processing(model, lifecycle)
    for width, height in ((128, 128), (64, 256), (128, 128)):
        p.width, p.height = width, height
        processed = process_images_inner(p, {**POOLS, "threshold": 8})
    data = report_of(processed)
    assert sizes(data) == {"first": [(128, 128), (64, 256)]}
    assert data["steps"] == {"pooled": 12, "seen": 12}
    assert {tuple(grid["grid"]) for grid in data["grids"]} >= {(16, 16), (32, 8)}
    (line,) = processed.comments.splitlines()
    assert ["128×128" in line, "64×256" in line] == [True, True]
    # an image's own text names the grid of that image alone
    assert p.extra_generation_params["ToDo used"] == "first pass 16×16 tokens by 2"


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
        "first pass 16×16 tokens by 2",
        "first pass 24×16 tokens by 2",
        "first pass 4×16 tokens by 2",
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
