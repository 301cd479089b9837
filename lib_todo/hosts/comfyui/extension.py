"""The entry point for ComfyUI: the list of nodes, or an error if this ComfyUI is too old."""

from __future__ import annotations

from comfyui_version import __version__ as comfyui

NEEDED = "0.11.0"

_here, _needed = ([int(part) for part in v.split(".") if part.isdigit()] for v in (comfyui, NEEDED))
if _here < _needed:
    raise ImportError(f"ToDo: ComfyUI {NEEDED} or newer is needed; this is {comfyui}")

from comfy_api.latest import ComfyExtension, io  # noqa: E402  older versions lack this

from .node import ToDo, ToDoSettings  # noqa: E402


class ToDoExtension(ComfyExtension):
    """The nodes of this folder."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [ToDo, ToDoSettings]


async def comfy_entrypoint() -> ToDoExtension:
    """ComfyUI calls this when it starts."""
    return ToDoExtension()
