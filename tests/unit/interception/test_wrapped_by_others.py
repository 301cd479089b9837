"""Classes that other extensions wrap too, before or during ours: all are called, nothing stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import leftovers
import pytest
from ldm.modules.attention import CrossAttention, SpatialTransformer
from ldm_models import image, keys_over, run, spatial_transformer, text
from self_attention import keys_computed
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.reasons import Reason

MODEL = spatial_transformer()
BY_TWO = paper(factor=2, threshold=4)
DENSE, HALF = 36, 9


def keys() -> int:
    return keys_over(MODEL, 6)


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    before = leftovers.state(MODEL)
    yield
    assert leftovers.state(MODEL) == before
    assert keys() == DENSE


def counting(original: Callable) -> tuple[Callable, list[object]]:
    """What another extension might put in the place of a class's call."""
    called: list[object] = []

    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(self)
        return original(self, *args, **kwargs)

    return wrapper, called


@pytest.fixture(params=[SpatialTransformer, CrossAttention])
def cls(request: pytest.FixtureRequest) -> Iterator[type]:
    yield request.param
    if "__call__" in vars(request.param):
        del request.param.__call__


def test_others_wrapped_the_call_before(cls: type) -> None:
    wrapper, called = counting(cls.__call__)
    cls.__call__ = wrapper
    with token_downsampling(BY_TWO):
        assert keys() == HALF
    assert called
    assert vars(cls)["__call__"] is wrapper
    assert keys() == DENSE


def test_others_wrap_and_unwrap_inside(cls: type) -> None:
    with token_downsampling(BY_TWO):
        keys()
        ours = vars(cls)["__call__"]
        cls.__call__, called = counting(ours)
        assert keys() == HALF
        cls.__call__ = ours
    assert called
    assert "__call__" not in vars(cls)


def test_others_wrap_inside_and_stay(cls: type) -> None:
    with token_downsampling(BY_TWO):
        keys()
        wrapper, called = counting(cls.__call__)
        cls.__call__ = wrapper
        with token_downsampling(BY_TWO) as inner:
            assert keys() == HALF
        assert keys() == HALF
    assert sum(tally.calls for tally in inner.tallies.values()) == 1
    assert vars(cls)["__call__"] is wrapper
    assert keys() == DENSE
    called.clear()

    # what is left of the first time must not act a second time beside the new one
    with token_downsampling(paper(factor=2, threshold=4)) as report:
        assert keys() == HALF
        run(MODEL, image(2, 2), text())
    assert called
    assert {key: tally.calls for key, tally in report.pooled.items()} == {(36, 9): 1}
    assert {why: tally.calls for why, tally in report.left_alone.items()} == {
        Reason.BELOW_THRESHOLD: 1
    }
    assert vars(cls)["__call__"] is wrapper
    assert keys() == DENSE


def test_deeper_layers_stay_deeper_where_others_wrapped_and_stayed(cls: type) -> None:
    large, small = spatial_transformer(), spatial_transformer()
    with token_downsampling(BY_TWO):
        keys()
        cls.__call__ = counting(cls.__call__)[0]
    with (
        token_downsampling(paper(factor=2, deep_factor=4, threshold=4)),
        keys_computed(large, small) as seen,
    ):
        for _ in range(2):
            run(large, image(16, 16), text())
            run(small, image(8, 8), text())
    assert seen == [(256, 64), (64, 4)] * 2


def test_others_unwrap_too_late(cls: type) -> None:
    """They put back what they had found, which was ours: it must be dead, and gone by the next."""
    with token_downsampling(BY_TWO):
        keys()
        ours = vars(cls)["__call__"]
        cls.__call__ = counting(ours)[0]
    cls.__call__ = ours
    assert keys() == DENSE
    with token_downsampling(BY_TWO) as report:
        assert keys() == HALF
    assert sum(tally.calls for tally in report.tallies.values()) == 1
    assert "__call__" not in vars(cls)
    assert keys() == DENSE


def test_others_delete_the_call_inside(cls: type) -> None:
    with token_downsampling(BY_TWO):
        keys()
        del cls.__call__
        assert keys() == DENSE
    assert "__call__" not in vars(cls)
