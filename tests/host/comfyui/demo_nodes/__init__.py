"""A ComfyUI extension for tests: the demo's model as MODEL, CLIP and VAE, its attention watched.

It is linked into `custom_nodes/` of the host under test, and is no part of ToDo. Each run of a
graph that needs a checkpoint anew begins a new record.
"""

from __future__ import annotations

from . import checkpoint, neighbours, sdxl, watch
from .node import node


@node("MODEL", "CLIP", "VAE")
def demo_checkpoint() -> tuple:
    model, clip, vae = checkpoint.load()
    watch.watch(model.model.diffusion_model)
    return model, clip, vae


@node("MODEL", "CLIP", "VAE")
def sdxl_checkpoint() -> tuple:
    """A small model of SDXL's structure, with the demo's VAE."""
    model = sdxl.load()
    watch.watch(model.model.diffusion_model)
    return model, sdxl.Prompt(), checkpoint.load()[2]


NODE_CLASS_MAPPINGS = {
    "DemoCheckpoint": demo_checkpoint,
    "SDXLCheckpoint": sdxl_checkpoint,
    **neighbours.NODES,
}
watch.add_routes()
