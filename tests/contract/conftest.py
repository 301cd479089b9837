"""Stand-in WebUIs, the lifecycle that runs in one, and a model of one layer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import ldm_models
import pytest
import torch
from stand_in import host_modules, modules_for_the_host


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with host_modules(tmp_path_factory.mktemp("settings")) as host:
        yield host
    for name in modules_for_the_host():
        del sys.modules[name]


@pytest.fixture
def lifecycle(host: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """No seconds are told, which differ from run to run."""
    from lib_todo.hosts.webui import generation as lifecycle

    monkeypatch.setattr(lifecycle.result, "in_words", lambda *seconds: "")
    return lifecycle


@pytest.fixture(scope="module")
def model() -> Any:
    """One spatial transformer; called with a grid, it returns what it makes of fixed noise."""
    layer = ldm_models.spatial_transformer()

    def call(height: int, width: int) -> torch.Tensor:
        torch.manual_seed(1)
        return ldm_models.run(layer, ldm_models.image(height, width), ldm_models.text())

    return call
