"""What a method is applied to: a U-Net at one size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from lib_todo import Settings
from lib_todo.plan import Grid, layer_factor


@dataclasses.dataclass(frozen=True)
class Case:
    """A U-Net at one size, and what ToDo's rule makes of it.

    `grids` are those of its self-attention, largest first; sizes are in pixels; `batch` is the
    images in a call.
    """

    model: Any
    kind: str
    architecture: str
    width: int
    height: int
    grids: list[Grid]
    settings: Settings
    batch: int = 1

    @property
    def factors(self) -> tuple[float, float]:
        """Of the largest grid and of the next one."""
        return tuple(layer_factor(g, self.grids[0], self.settings) for g in self.grids[:2])


# patches the case's model inside a `with`
Method = Callable[[Case], AbstractContextManager]
