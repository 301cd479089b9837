"""Models that torch.compile made into graphs: calls that are traced, and how to tell such a model.

While Dynamo traces a call there are no steps to count and nothing to read from the context.
"""

from __future__ import annotations

from typing import Any

import torch


def is_tracing() -> bool:
    """Whether Dynamo traces the code that asks; a constant to its graph."""
    return _is_dynamo_compiling()


def _never() -> bool:
    return False


# PyTorch 2.1 has one function for both kinds of tracing
_is_dynamo_compiling = getattr(
    torch.compiler,
    "is_dynamo_compiling",
    getattr(torch.compiler, "is_compiling", _never),
)


def is_compiled(module: Any) -> bool:
    """Whether calling `module`, or a block of it, runs a graph instead of the class's code."""
    parts = (module, *getattr(module, "transformer_blocks", ()))
    return any(
        getattr(part, "_compiled_call_impl", None) is not None
        or hasattr(getattr(part, "forward", None), "_torchdynamo_orig_callable")
        for part in parts
    )
