"""Where a generation is in SD.Next: by the timesteps of its U-Net, and by its flag for the pass."""

import sys


class Timesteps:
    """Counts the steps of each sampling; a higher timestep begins the next one."""

    def __init__(self) -> None:
        self._last = float("inf")
        self._step = -1

    def step(self, timestep: float) -> int:
        """The step that a call at this timestep belongs to, from 0."""
        if timestep > self._last:
            self._step = 0
        elif timestep < self._last:
            self._step += 1
        self._last = timestep
        return self._step


def pass_in_sdnext() -> str:
    """The pass whose pipeline runs."""
    p = getattr(sys.modules.get("modules.processing_callbacks"), "p", None)
    return "hires" if getattr(p, "is_hr_pass", False) else "first"
