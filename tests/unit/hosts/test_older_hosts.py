"""What serves on older hosts: the denoiser, found by the call stack of its callback."""

from __future__ import annotations

import types
from typing import Any

import pytest

from lib_todo.hosts.webui.older_hosts import denoiser_of


class Denoiser:
    """As in A1111: `forward` calls the callback."""

    total_steps = 4

    def __init__(self, named: bool, inside: Any = None) -> None:
        self.named, self.inside = named, inside

    def forward(self) -> list[Any]:
        params = types.SimpleNamespace(denoiser=self) if self.named else types.SimpleNamespace()
        return [self.callback(params), *(self.inside.forward() if self.inside else [])]

    @staticmethod
    def callback(params: Any) -> Any:
        return denoiser_of(params)


class Model:
    """Another module's `forward` between the two."""

    def __init__(self, inside: Any) -> None:
        self.inside = inside

    def forward(self) -> list[Any]:
        return list(self.inside.forward())


@pytest.mark.parametrize("named", [True, False])
def test_it_is_the_caller(named: bool) -> None:
    denoiser = Denoiser(named)
    assert denoiser.forward() == [denoiser]


@pytest.mark.parametrize("named", [True, False])
def test_of_a_nested_generation_it_is_the_inner_one(named: bool) -> None:
    inner = Denoiser(named)
    outer = Denoiser(named, inside=Model(inner))
    assert outer.forward() == [outer, inner]


def test_without_one_it_says_so() -> None:
    with pytest.raises(LookupError, match="on_cfg_denoiser"):
        denoiser_of(types.SimpleNamespace())
