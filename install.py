"""Run by the WebUI at start: makes sure einops is there, and nothing else.

ComfyUI-Manager runs it too, after it has installed the dependencies itself; there it does nothing.
"""

from __future__ import annotations

import importlib

try:
    import launch
except ImportError:
    launch = None


def main() -> None:
    """Install einops if it is missing; never upgrade, since hosts pin it. One line on failure."""
    if launch is None or launch.is_installed("einops"):
        return
    reason = "the WebUI was told to install nothing"
    try:
        launch.run_pip("install einops", "einops for ToDo")
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
    importlib.invalidate_caches()
    if not launch.is_installed("einops"):
        print(f"ToDo: einops is missing ({reason}); install it with: pip install einops")


main()
