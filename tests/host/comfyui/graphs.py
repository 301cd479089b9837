"""Workflows in ComfyUI's API format, on the demo's model."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from comfyui_host import Graph

# a node's class and its inputs besides the model
Step = tuple[str, Mapping[str, Any]]

SAMPLER, SAVED_LATENT, SAVED_IMAGE = "sampler", "latent", "image"
# the demo's model has its own resolution in its first layers: 32×32 tokens at 256 pixels
TODO: Step = ("ToDo", {"threshold": 16, "factor": 2, "deep_factor": 1})
LAST_MODEL = "chain"


def text2image(
    *chain: Step,
    width: int = 256,
    height: int = 256,
    batch_size: int = 1,
    checkpoint: str = "DemoCheckpoint",
    **sampler: Any,
) -> Graph:
    """Text to image, the model led through the nodes of `chain` one after another."""
    graph: Graph = {
        "model": _node(checkpoint),
        "positive": _node("CLIPTextEncode", clip=["model", 1], text="a fox on a beach"),
        "negative": _node("CLIPTextEncode", clip=["model", 1], text=""),
        "empty": _node("EmptyLatentImage", width=width, height=height, batch_size=batch_size),
        SAVED_LATENT: _node("SaveLatent", samples=[SAMPLER, 0], filename_prefix="latent"),
    }
    model = add_chain(graph, chain)
    graph[SAMPLER] = sampler_node(model, ["empty", 0], **sampler)
    return graph


def add_chain(graph: Graph, chain: Sequence[Step], name: str = LAST_MODEL) -> list:
    """Lead the model through these nodes; the output of the last one.

    What is given for ToDo besides a preset comes from ToDo Settings, as `…-settings`.
    """
    model = ["model", 0]
    for index, (kind, given) in enumerate(chain):
        inputs = copy.deepcopy(dict(given))
        if kind == "ToDo" and inputs and "preset" not in inputs:
            graph[f"{name}-{index}-settings"] = _node("ToDoSettings", **inputs)
            inputs = {"preset": [f"{name}-{index}-settings", 0]}
        graph[f"{name}-{index}"] = _node(kind, model=model, **inputs)
        model = [f"{name}-{index}", 0]
    return model


def sampler_node(model: list, latent: list, **changed: Any) -> dict[str, Any]:
    """A KSampler of four steps of Euler; `changed` are other inputs of it."""
    inputs = {
        "seed": 1,
        "steps": 4,
        "cfg": 3.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
        "positive": ["positive", 0],
        "negative": ["negative", 0],
    }
    return _node("KSampler", **{**inputs, **changed, "model": model, "latent_image": latent})


def hires(*chain: Step, scale: float = 2.0, **sampler: Any) -> Graph:
    """A first sampler at 128 pixels, its latent enlarged, and a second sampler with the same model.

    Its latent is the one that is saved.
    """
    graph = text2image(*chain, width=128, height=128)
    graph["larger"] = _node(
        "LatentUpscaleBy", samples=[SAMPLER, 0], upscale_method="bilinear", scale_by=scale
    )
    model = graph[SAMPLER]["inputs"]["model"]
    graph["second"] = sampler_node(model, ["larger", 0], **{"denoise": 0.6, **sampler})
    graph[SAVED_LATENT]["inputs"]["samples"] = ["second", 0]
    return graph


def in_halves(*chain: Step, steps: int = 8) -> Graph:
    """Text to image by two samplers, the second of which goes on where the first one ends."""
    graph = text2image(*chain)
    whole = graph.pop(SAMPLER)["inputs"]
    for name, first, latent in (("half", 0, ["empty", 0]), (SAMPLER, steps // 2, ["half", 0])):
        graph[name] = _node(
            "KSamplerAdvanced",
            **{key: whole[key] for key in ("cfg", "sampler_name", "model", "positive", "negative")},
            scheduler="karras",
            noise_seed=1,
            steps=steps,
            add_noise="enable" if first == 0 else "disable",
            start_at_step=first,
            end_at_step=first + steps // 2,
            return_with_leftover_noise="enable" if first == 0 else "disable",
            latent_image=latent,
        )
    return graph


def with_image(graph: Graph) -> Graph:
    """The same with its picture decoded and saved."""
    samples = graph[SAVED_LATENT]["inputs"]["samples"]
    decoded = _node("VAEDecode", samples=samples, vae=["model", 2])
    saved = _node("SaveImage", images=["decoded", 0], filename_prefix="image")
    return {**graph, "decoded": decoded, SAVED_IMAGE: saved}


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}
