"""A model with SDXL's structure: attention only at a half and a quarter of the latent's size."""

from __future__ import annotations

import pytest
import torch
from comfyui_host import ComfyHost, Graph
from graphs import Step, text2image
from lattice import counts, grid_of, latent, phase_of, pooled_calls

# at 256 pixels its largest grid is 16×16
TODO: Step = ("ToDo", {"threshold": 8, "factor": 2, "deep_factor": 1})


def sdxl(*chain: Step, **more: object) -> Graph:
    return text2image(*chain, checkpoint="SDXLCheckpoint", **more)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, {(256, 64), (64, 64)}),
        ({"deep_factor": 2}, {(256, 64), (64, 16)}),
        # the preset balanced at twice the trained size: by the paper's 2 in the first quarter of
        # the steps, then by 3 on the largest level and by 2 below it
        ({"factor": 0, "deep_factor": 0}, {(256, 64), (64, 64), (256, 36), (64, 16)}),
        ({"threshold": 16}, {(256, 256), (64, 64)}),
    ],
    ids=["first level", "both", "balanced", "at the trained size"],
)
def test_levels(comfyui: ComfyHost, inputs: dict, expected: set) -> None:
    comfyui.run(sdxl(("ToDo", {**TODO[1], **inputs}), steps=12, scheduler="karras"))
    assert counts(comfyui.record()) == expected


def test_odd_size_and_phases(comfyui: ComfyHost) -> None:
    comfyui.run(sdxl(TODO, width=296, height=200))
    record = comfyui.record()
    # 37×25 of the latent, rounded up by halves
    assert counts(record) == {(19 * 13, 10 * 7), (10 * 7, 10 * 7)}
    grid = grid_of(19 * 13, 296, 200)
    phases = [{phase_of(call["positions"], grid, 2) for call in step} for step in by_step(record)]
    assert [len(found) for found in phases] == [1, 1, 1, 1]
    assert len(set().union(*phases)) == 4


def by_step(record: dict) -> list[list[dict]]:
    calls = list(pooled_calls(record))
    return [[call for call in calls if call["evaluation"] == step] for step in range(4)]


def test_as_by_hand(comfyui: ComfyHost) -> None:
    """The node that takes every second token by plain indexing has a threshold of 16×16."""
    side = {"width": 512, "height": 512}
    ours = ("ToDo", {"threshold": 16, "factor": 2, "deep_factor": 1, "phase": "fixed"})
    found = latent(comfyui, sdxl(ours, **side))
    assert torch.equal(found, latent(comfyui, sdxl(("ByHand", {}), **side)))
    assert not torch.equal(found, latent(comfyui, sdxl(**side)))


def test_the_line_expects_a_speed_up(comfyui: ComfyHost) -> None:
    with comfyui.log_since() as lines:
        comfyui.run(sdxl(TODO))
    (said,) = [line for line in lines if "ToDo" in line]
    assert "256 → 64 keys in 5 of 17 self-attention layers" in said
    assert "times as fast" in said
