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


def import_as(package: str) -> Any:
    """The library as `package.lib_todo`; ComfyUI's package has a path for a name."""
    if package not in sys.modules:
        sys.modules[package] = types.ModuleType(package)
        sys.modules[package].__path__ = [str(ROOT)]
    return importlib.import_module(f"{package}.lib_todo")


def drop(package: str) -> None:
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        del sys.modules[name]


@pytest.fixture
def package() -> Iterator[str]:
    name = "/some/where/custom_nodes/sd-webui-todo"
    yield name
    drop(name)
    sys.modules.pop(name, None)


@pytest.fixture
def other(package: str) -> Any:
    return import_as(package)


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
