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
from settings_of import paper

import lib_todo
from lib_todo.interception import pooling_in_graphs

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


def pool_of(library: Any) -> Any:
    return sys.modules[f"{library.__name__}.interception.pooling_in_graphs"].operators.pool


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


@pytest.mark.skipif(not pooling_in_graphs.AVAILABLE, reason="needs PyTorch 2.4")
def test_the_operators_of_graphs_count_in_their_own_library(other: Any) -> None:
    tokens, how = torch.randn(1, 64, 8), "8 8 2 nearest"
    with lib_todo.token_downsampling(paper(factor=2, threshold=4)) as report:
        assert pool_of(other)(tokens, torch.zeros(1), how, 1).shape[1] == 16
        assert not report.pooled
        assert pool_of(lib_todo)(tokens, torch.zeros(1), how, 1).shape[1] == 16
        assert {pair: tally.calls for pair, tally in report.pooled.items()} == {(64, 16): 1}


@pytest.mark.skipif(not pooling_in_graphs.AVAILABLE, reason="needs PyTorch 2.4")
def test_imported_anew_under_the_same_name(package: str, other: Any) -> None:
    drop(package)
    again = import_as(package)
    assert again is not other
    tokens = torch.randn(1, 64, 8)
    with again.token_downsampling(again.Settings(factor=2, threshold=4)) as report:
        pool_of(again)(tokens, torch.zeros(1), "8 8 2 nearest", 1)
        assert report.pooled
