"""ComfyUI imports this file and finds the node ToDo here; for everyone else it does nothing.

Tests import it without a package, and other programs without ComfyUI.
"""

import sys

if __package__ and "comfy.model_management" in sys.modules:
    from .lib_todo.hosts.comfyui.node import comfy_entrypoint

    WEB_DIRECTORY = "lib_todo/hosts/comfyui/web"
    __all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
