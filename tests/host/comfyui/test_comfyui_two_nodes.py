"""Two ToDo nodes in a workflow: in one chain the last one applies, on two branches each does."""

from __future__ import annotations

import pytest
import torch
from comfyui_host import ComfyHost, Graph
from graphs import SAMPLER, Step, add_chain, hires, sampler_node, text2image
from lattice import counts, latent, pooled_calls

BY_TWO: Step = ("ToDo", {"threshold": 16, "factor": 2, "deep_factor": 1})
BY_FOUR: Step = ("ToDo", {"threshold": 8, "factor": 4, "deep_factor": 2})
FREEU: Step = ("FreeU", {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2})


@pytest.mark.parametrize("between", [(), (FREEU,)], ids=["next to each other", "FreeU between"])
def test_the_last_in_a_chain_counts(comfyui: ComfyHost, between: tuple) -> None:
    for first, last in ((BY_TWO, BY_FOUR), (BY_FOUR, BY_TWO)):
        with comfyui.log_since() as lines:
            found = latent(comfyui, text2image(first, *between, last))
        assert len([line for line in lines if "ToDo" in line]) == 1
        assert torch.equal(found, latent(comfyui, text2image(*between, last)))
        assert not torch.equal(found, latent(comfyui, text2image(first, *between)))


def test_each_sampler_has_its_own(comfyui: ComfyHost) -> None:
    """A first pass by one node and a second pass by another one, of one model."""
    graph = hires(BY_FOUR)
    graph["second"]["inputs"]["model"] = add_chain(graph, [BY_TWO], "other")
    with comfyui.log_since() as lines:
        comfyui.run(graph)
    assert counts(comfyui.record()) == {
        *((256, 16), (64, 16), (16, 4)),  # 128 pixels, by four and two
        *((1024, 256), (256, 256), (64, 64)),  # 256 pixels, by two on the first level alone
    }
    first, second = (line for line in lines if "ToDo" in line)
    assert "256 → 16, 64 → 16, 16 → 4 keys" in first and "1024 → 256 keys" in second


def test_a_branch_without_it_stays_whole(comfyui: ComfyHost) -> None:
    comfyui.run(both(BY_TWO))
    by_evaluation = {call["evaluation"] for call in pooled_calls(comfyui.record())}
    assert len(by_evaluation) == 4, "of eight evaluations"


def both(step: Step) -> Graph:
    """One sampler with the node, and another one with the model as it was loaded."""
    graph = text2image(step)
    graph["plain"] = sampler_node(["model", 0], ["empty", 0], seed=2)
    graph["sum"] = {
        "class_type": "LatentAdd",
        "inputs": {"samples1": [SAMPLER, 0], "samples2": ["plain", 0]},
    }
    graph["latent"]["inputs"]["samples"] = ["sum", 0]
    return graph
