"""Functions as nodes of ComfyUI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def node(*returns: str, **takes: str) -> Callable[[Callable[..., tuple]], type]:
    """Make a node of a function, by the types of what it returns and takes."""

    def made(function: Callable[..., tuple]) -> type:
        class Node:
            CATEGORY, FUNCTION, RETURN_TYPES = "tests", "run", returns

            @classmethod
            def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  the host's name
                return {"required": {name: (kind,) for name, kind in takes.items()}}

            def run(self, **given: Any) -> tuple:
                return function(**given)

        return Node

    return made
