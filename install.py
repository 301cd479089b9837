"""Run by the WebUI at start: makes sure einops is there, and never upgrades it: hosts pin it.

Where pip fails, the host prints its error, and scripts/todo.py what is missing. ComfyUI-Manager
runs this too, after it has installed the dependencies itself; there it does nothing.
"""

from __future__ import annotations

try:
    import launch
except ImportError:
    launch = None

if launch is not None and not launch.is_installed("einops"):
    launch.run_pip("install einops", "einops for ToDo")
