"""A model with Stable Video Diffusion's structure: its layers over time are never touched."""

from __future__ import annotations

import pytest
from comfyui_host import ComfyHost
from graphs import TODO, text2image

GRID = 16 * 16


@pytest.mark.parametrize("frames", [4, GRID // 4])
def test_layers_over_time_stay_whole_and_are_not_named(comfyui: ComfyHost, frames: int) -> None:
    """Also with as many frames as a level has tokens, where shapes tell no layer from another."""
    todo = ("ToDo", {**TODO[1], "threshold": 4, "deep_factor": 2})
    side = {"width": 128, "height": 128, "batch_size": frames, "steps": 2}
    with comfyui.log_since() as lines:
        comfyui.run(text2image(todo, checkpoint="VideoCheckpoint", **side))
    calls = comfyui.record()["calls"]
    over_time = [call for call in calls if ".time_stack." in call["layer"]]
    over_pictures = [call for call in calls if ".time_stack." not in call["layer"]]
    assert over_time and {(call["queries"], call["tokens"]) for call in over_time} == {
        (frames, frames)
    }
    assert {(call["queries"], call["tokens"]) for call in over_pictures} == {
        (GRID, GRID // 4),
        (GRID // 4, GRID // 16),
    }
    (said,) = [line for line in lines if "ToDo" in line]
    assert "7 of 7 self-attention layers" in said and "another extension" not in said
