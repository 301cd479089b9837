"""The scheduler classes that tell which sampler runs, and when a sampling begins."""

from __future__ import annotations

import sys
from collections.abc import Iterator

_MODULES = "diffusers.schedulers.scheduling_"


def scheduler_classes() -> Iterator[type]:
    """diffusers' schedulers that are imported and have a `set_timesteps` of their own.

    Every pipeline calls that once, before its first step.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(_MODULES):
            for cls in list(vars(module).values()):
                is_own = isinstance(cls, type) and cls.__module__ == name
                if is_own and "set_timesteps" in vars(cls):
                    yield cls
