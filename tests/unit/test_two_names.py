"""The library under two names in one process, as with pip and in ComfyUI, and imported again."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ldm_models import image, run, spatial_transformer, text

import lib_todo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def other() -> Iterator[Any]:
    """The library in ComfyUI's package, which has a path for a name."""
    name = "/some/where/custom_nodes/sd-webui-todo"
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(ROOT)]
    yield importlib.import_module(f"{name}.lib_todo")
    for found in [found for found in sys.modules if found.startswith(name)]:
        del sys.modules[found]


def test_each_pools_for_those_who_entered_it_alone(other: Any) -> None:
    assert other.Settings is not lib_todo.Settings
    model, x, context = spatial_transformer(), image(8, 8), text()
    plain, outs = run(model, x, context), []
    for library in (lib_todo, other):
        with library.token_downsampling(library.Settings(factor=2, threshold=4)) as report:
            outs.append(run(model, x, context))
        assert {pair: tally.calls for pair, tally in report.pooled.items()} == {(64, 16): 1}
    assert torch.equal(*outs)
    assert not torch.equal(outs[0], plain)
    assert torch.equal(run(model, x, context), plain)
