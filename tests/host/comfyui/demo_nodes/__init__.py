"""A ComfyUI extension for tests: the demo's model as MODEL, CLIP and VAE, its attention watched.

It is linked into `custom_nodes/` of the host under test, and is no part of ToDo.
"""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import checkpoint, neighbours, sdxl, watch


class DemoCheckpoint(io.ComfyNode):
    """The demo's model; each run of a graph that needs it begins a new record."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DemoCheckpoint",
            category="tests",
            inputs=[],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        model, clip, vae = checkpoint.load()
        watch.watch(model.model.diffusion_model)
        return io.NodeOutput(model, clip, vae)


class TestNodes(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        nodes = (sdxl, neighbours)
        return [DemoCheckpoint, *(node for module in nodes for node in module.NODES)]


async def comfy_entrypoint() -> TestNodes:
    watch.add_routes()
    return TestNodes()
