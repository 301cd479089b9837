"""diffusers' kinds of pipelines inside the with: steps, layers and phases, and nothing left."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
import diffusers_pipelines as pipelines
from diffusers_pipelines import Kind

from lib_todo import Settings, token_downsampling
from lib_todo.hosts.diffusers import StepProgress
from lib_todo.pooling import pooling
from lib_todo.reasons import Reason
from lib_todo.runs import model_call

BY_TWO = Settings(factor=2, deep_factor=2, threshold=4)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return models.sd_pipeline(tmp_path_factory.mktemp("sd"))


@pytest.fixture
def phases(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The phase of each pooled transformer's call."""
    seen: list[Any] = []

    def pool(grid: Any, factor: float, method: str, phase: Any, device: Any) -> Any:
        seen.append(phase)
        return pooling(grid, factor, method, phase, device)

    monkeypatch.setattr(model_call, "pooling", pool)
    return seen


def assert_moves_with_the_steps(phases: list[Any], kind: Kind) -> None:
    """All layers of a step have one phase, which is not that of the step before."""
    calls, rest = divmod(len(phases), kind.steps)
    by_step = [set(phases[start : start + calls]) for start in range(0, len(phases), calls)]
    assert rest == 0
    assert [len(step) for step in by_step] == [1] * kind.steps
    assert all(one != other for one, other in itertools.pairwise(by_step))


@pytest.mark.parametrize("make", pipelines.OF_SD, ids=lambda make: make.__name__)
def test_by_kind(make: Callable[[Any], Kind], base: Any, phases: list[Any]) -> None:
    kind = make(base)
    dense = kind()
    for with_callback in (False, True) if kind.told else (False,):
        with token_downsampling(BY_TWO) as report:
            options = {"callback_on_step_end": StepProgress(report)} if with_callback else {}
            for calls in (1, 2):
                phases.clear()
                kind(**options)
                assert report.steps == (calls * kind.steps,) * 2
                assert_moves_with_the_steps(phases, kind)
        assert "in all " in report.line()
        left_alone = {Reason.OTHER_PROCESSOR} if make is pipelines.perturbed else set()
        assert set(report.left_alone) == left_alone
        assert (report.layers, list(report.passes)) == (kind.layers(), ["first"])
    assert torch.equal(kind(), dense)
