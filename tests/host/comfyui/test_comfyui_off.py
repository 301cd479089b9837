"""Switched off, removed or with nothing to pool, latents are those without ToDo, bit for bit."""

from __future__ import annotations

import pytest
import torch
from comfyui_host import COMFYUI, ComfyHost, Graph
from graphs import SAMPLER, TODO, hires, sampler_node, text2image
from lattice import latent

CASES = {
    "text to image": text2image(),
    "batch of two": text2image(batch_size=2),
    "odd size": text2image(width=264, height=200, sampler_name="dpmpp_2m"),
    "two samplers": hires(),
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The latents of each case on a host where ToDo is not installed."""
    COMFYUI.folder()
    with ComfyHost(tmp_path_factory.mktemp("bare"), with_todo=False) as host:
        return {name: latent(host, graph) for name, graph in CASES.items()}


@pytest.mark.parametrize("name", list(CASES))
def test_without_the_node(comfyui: ComfyHost, bare: dict, name: str) -> None:
    assert torch.equal(latent(comfyui, CASES[name]), bare[name])


def test_after_it_was_there(comfyui: ComfyHost, bare: dict) -> None:
    assert not torch.equal(latent(comfyui, text2image(TODO)), bare["text to image"])
    comfyui.free_memory()
    assert torch.equal(latent(comfyui, text2image()), bare["text to image"])


def test_a_branch_from_the_model_before_it(comfyui: ComfyHost, bare: dict) -> None:
    graph: Graph = text2image(TODO)
    graph["plain"] = sampler_node(["model", 0], graph[SAMPLER]["inputs"]["latent_image"])
    saved = {"samples": ["plain", 0], "filename_prefix": "plain"}
    graph["plain latent"] = {"class_type": "SaveLatent", "inputs": saved}
    found = latent(comfyui, graph, "plain latent")
    assert torch.equal(found, bare["text to image"])


@pytest.mark.parametrize("nothing", [{"threshold": 64}, {"end": 0.0}, {"factor": 1}], ids=str)
def test_settings_that_pool_nothing(comfyui: ComfyHost, bare: dict, nothing: dict) -> None:
    todo = ("ToDo", {**TODO[1], **nothing})
    assert torch.equal(latent(comfyui, text2image(todo)), bare["text to image"])
