"""Beside core nodes that patch the same model, before ours in the chain and after it.

By hand: the latent is bitwise that of the other node beside a node that takes every second token
of every second row itself. Left alone: bitwise that of the other node where the two touch the same
call, and the line says so. And two ToDo nodes on two branches.
"""

from __future__ import annotations

import pytest
import torch
from comfyui_host import ComfyHost, Graph
from graphs import SAMPLER, Step, add_chain, hires, text2image
from lattice import counts, latent

TODO: Step = ("ToDo", {"threshold": 16, "factor": 2, "deep_factor": 1, "phase": "fixed"})
BY_HAND: Step = ("ByHand", {})
FREEU = {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}
PAG: Step = ("PerturbedAttentionGuidance", {"scale": 3.0})
SHRINK = {"block_number": 2, "downscale_factor": 2.0, "start_percent": 0.0, "end_percent": 0.35}
SHRINK |= {"downscale_after_skip": True, "downscale_method": "bicubic", "upscale_method": "bicubic"}
TILES = {"tile_size": 128, "swap_size": 2, "max_depth": 0, "scale_depth": False}
HYPERTILE: Step = ("HyperTile", TILES)
OTHERS: list[Step] = [
    ("FreeU", FREEU),
    ("FreeU_V2", FREEU),
    ("SelfAttentionGuidance", {"scale": 0.5, "blur_sigma": 2.0}),
    PAG,
    ("TomePatchModel", {"ratio": 0.3}),
    ("PatchModelAddDownscale", SHRINK),
    # attention over the prompt replaced, as image prompts do
    ("PromptReplaced", {}),
    ("RescaleCFG", {"multiplier": 0.7}),
]
in_both_orders = pytest.mark.parametrize("ours_first", [True, False], ids=["before", "after"])


def ordered(ours: Step, other: Step, ours_first: bool) -> Graph:
    return text2image(*((ours, other) if ours_first else (other, ours)))


@in_both_orders
@pytest.mark.parametrize("other", OTHERS, ids=lambda step: step[0])
def test_as_by_hand(comfyui: ComfyHost, other: Step, ours_first: bool) -> None:
    found = latent(comfyui, ordered(TODO, other, ours_first))
    # by hand it stands last, as ours does wherever its node is
    assert torch.equal(found, latent(comfyui, text2image(other, BY_HAND)))
    assert not torch.equal(found, latent(comfyui, text2image(BY_HAND)))


@in_both_orders
def test_hypertile_keeps_its_layers(comfyui: ComfyHost, ours_first: bool) -> None:
    with comfyui.log_since() as lines:
        found = latent(comfyui, ordered(TODO, HYPERTILE, ours_first))
    assert torch.equal(found, latent(comfyui, text2image(HYPERTILE)))
    (said,) = [line for line in lines if "ToDo" in line]
    assert all(told in said for told in ("nothing was pooled", "HyperTile", "3 layers"))


def test_controlnet_keeps_its_own_layers(comfyui: ComfyHost) -> None:
    found = latent(comfyui, controlled(TODO))
    assert torch.equal(found, latent(comfyui, controlled(BY_HAND)))
    assert not torch.equal(found, latent(comfyui, text2image(TODO)))


def controlled(step: Step) -> Graph:
    graph = text2image(step)
    graph["net"] = {"class_type": "DemoControlNet", "inputs": {}}
    picture = {"width": 256, "height": 256, "batch_size": 1, "color": 0x8040C0}
    graph["hint"] = {"class_type": "EmptyImage", "inputs": picture}
    inputs = {"control_net": ["net", 0], "image": ["hint", 0], "strength": 1.0}
    inputs |= {"positive": ["positive", 0], "negative": ["negative", 0]}
    inputs |= {"start_percent": 0.0, "end_percent": 1.0}
    graph["control"] = {"class_type": "ControlNetApplyAdvanced", "inputs": inputs}
    graph[SAMPLER]["inputs"] |= {"positive": ["control", 0], "negative": ["control", 1]}
    return graph


@in_both_orders
def test_compiled(comfyui: ComfyHost, ours_first: bool) -> None:
    compiled: Step = ("TorchCompileModel", {"backend": "inductor"})
    eager = latent(comfyui, text2image(TODO))
    comfyui.forget()
    found = latent(comfyui, ordered(TODO, compiled, ours_first))
    assert torch.allclose(found, eager, atol=2e-2)
    assert (1024, 256) in counts(comfyui.record())


BY_TWO: Step = ("ToDo", {"threshold": 16, "factor": 2, "deep_factor": 1})
BY_FOUR: Step = ("ToDo", {"threshold": 8, "factor": 4, "deep_factor": 2})


def test_each_sampler_has_its_own_todo(comfyui: ComfyHost) -> None:
    """A first pass by one node and a second pass by another one, of one model."""
    graph = hires(BY_FOUR)
    graph["second"]["inputs"]["model"] = add_chain(graph, [BY_TWO], "other")
    first, second = comfyui.said(graph)
    assert counts(comfyui.record()) == {
        *((256, 16), (64, 16), (16, 4)),  # 128 pixels, by four and two
        *((1024, 256), (256, 256), (64, 64)),  # 256 pixels, by two on the first level alone
    }
    assert "256 → 16, 64 → 16, 16 → 4 keys" in first and "1024 → 256 keys" in second
