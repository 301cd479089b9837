"""However it ends, the classes and modules are as they were, also where others wrap them too."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import torch
from ldm.modules.attention import (
    BasicTransformerBlock,
    CrossAttention,
    MemoryEfficientCrossAttention,
    SpatialTransformer,
)
from ldm_models import image, keys_computed, run, spatial_transformer, text
from settings_of import paper
from torch import nn

from lib_todo import token_downsampling
from lib_todo.interception.calls import undo_all
from lib_todo.reasons import Reason

CLASSES = (
    SpatialTransformer,
    CrossAttention,
    MemoryEfficientCrossAttention,
    BasicTransformerBlock,
    nn.Module,
)
MODEL = spatial_transformer()
BY_TWO = paper(factor=2, threshold=4)
DENSE, HALF = 36, 9


def state() -> list[dict[str, Any]]:
    """Everything that could carry a leftover: classes, modules, their hooks, global hooks."""
    found = [dict(vars(cls)) for cls in CLASSES]
    for module in MODEL.modules():
        found.append({**vars(module), **{k: dict(v) for k, v in hooks(vars(module))}})
    return [*found, dict(hooks(vars(torch.nn.modules.module)))]


def hooks(attributes: dict[str, Any]) -> Iterator[tuple[str, dict]]:
    return ((k, dict(v)) for k, v in attributes.items() if "hook" in k and isinstance(v, dict))


def keys() -> int:
    with keys_computed(MODEL) as seen:
        run(MODEL, image(6, 6), text())
    ((_, count),) = seen
    return count


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    before = state()
    yield
    assert state() == before
    assert keys() == DENSE


def test_inside_only_the_call_of_three_classes_is_another() -> None:
    before = state()
    with token_downsampling(BY_TWO):
        inside = state()
        keys()
    changed = {
        cls: {name for name in now if now[name] is not was.get(name)} | (was.keys() - now.keys())
        for cls, was, now in zip(CLASSES, before, inside)
    }
    assert {cls: names for cls, names in changed.items() if names} == {
        SpatialTransformer: {"__call__"},
        CrossAttention: {"__call__"},
        MemoryEfficientCrossAttention: {"__call__"},
    }
    assert inside[len(CLASSES) :] == before[len(CLASSES) :]


def test_disabled_touches_nothing_at_all() -> None:
    before = state()
    with token_downsampling(paper(enabled=False)):
        assert state() == before


class Interrupted(BaseException):
    """Not an Exception, like KeyboardInterrupt."""


@pytest.mark.parametrize("kind", [RuntimeError, Interrupted, KeyboardInterrupt, GeneratorExit])
def test_raised_inside_the_with(kind: type[BaseException]) -> None:
    before = state()
    with pytest.raises(kind), token_downsampling(BY_TWO):
        raise kind
    assert state() == before


@pytest.mark.parametrize("kind", [RuntimeError, Interrupted])
@pytest.mark.parametrize("where", ["attn1", "attn2", "ff"])
def test_raised_inside_a_layer(where: str, kind: type[BaseException]) -> None:
    def fail(*_: object) -> None:
        raise kind

    handle = getattr(MODEL.transformer_blocks[0], where).register_forward_pre_hook(fail)
    with token_downsampling(BY_TWO) as report:
        with pytest.raises(kind):
            run(MODEL, image(8, 8), text())
        handle.remove()
        # the grid of the broken call is forgotten: outside of a transformer nothing is pooled
        x = torch.randn(2, 64, 32)
        layer = MODEL.transformer_blocks[0].attn1
        assert torch.equal(layer(x), layer.forward(x))
        assert keys() == HALF
    assert report.largest_grid in ((8, 8), (6, 6))


def test_raised_through_two_levels_of_nesting() -> None:
    before = state()
    with (
        pytest.raises(Interrupted),
        token_downsampling(BY_TWO),
        token_downsampling(paper(factor=3, threshold=4)),
        token_downsampling(paper(enabled=False)),
    ):
        raise Interrupted
    assert state() == before


def test_an_exception_in_the_pooling_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("lib_todo.downsampling.pool_tokens", fail)
    with pytest.raises(MemoryError), token_downsampling(BY_TWO):
        keys()


def test_a_class_that_cannot_be_changed_leaves_the_others_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Sealed(type):
        def __setattr__(cls, name: str, value: object) -> None:
            raise TypeError("sealed")

    sealed = Sealed("CrossAttention", (), {"__call__": lambda self: None})
    module = types.ModuleType("comfy.ldm.modules.attention")
    module.CrossAttention = sealed
    monkeypatch.setitem(sys.modules, module.__name__, module)
    before = state()
    with suppress(TypeError), token_downsampling(BY_TWO):
        pass
    assert state() == before
    monkeypatch.delitem(sys.modules, module.__name__)
    with token_downsampling(BY_TWO):
        assert keys() == HALF
    assert state() == before


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
        ours = vars(cls)["__call__"]
        cls.__call__, called = counting(ours)
        assert keys() == HALF
        cls.__call__ = ours
    assert called
    assert "__call__" not in vars(cls)


def test_others_wrap_inside_and_stay(cls: type) -> None:
    with token_downsampling(BY_TWO):
        wrapper, called = counting(cls.__call__)
        cls.__call__ = wrapper
        assert keys() == HALF
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
    assert sum(tally.calls for tally in report.tallies.values()) == 4  # attn1 and attn2, twice
    assert vars(cls)["__call__"] is wrapper
    assert keys() == DENSE


def test_an_inner_entry_where_others_wrapped_the_outers_call(cls: type) -> None:
    with token_downsampling(BY_TWO):
        wrapper = counting(cls.__call__)[0]
        cls.__call__ = wrapper
        with token_downsampling(BY_TWO) as inner:
            assert keys() == HALF
        assert keys() == HALF
    assert sum(tally.calls for tally in inner.tallies.values()) == 2
    assert vars(cls)["__call__"] is wrapper


def test_deeper_layers_stay_deeper_where_others_wrapped_and_stayed(cls: type) -> None:
    large, small = spatial_transformer(), spatial_transformer()
    with token_downsampling(BY_TWO):
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
        ours = vars(cls)["__call__"]
        cls.__call__ = counting(ours)[0]
    cls.__call__ = ours
    assert keys() == DENSE
    with token_downsampling(BY_TWO) as report:
        assert keys() == HALF
    assert sum(tally.calls for tally in report.tallies.values()) == 2
    assert "__call__" not in vars(cls)
    assert keys() == DENSE


def test_others_delete_the_call_inside(cls: type) -> None:
    with token_downsampling(BY_TWO):
        del cls.__call__
        assert keys() == DENSE
    assert "__call__" not in vars(cls)


def test_undo_all_in_the_middle() -> None:
    before = state()
    with token_downsampling(BY_TWO):
        assert keys() == HALF
        undo_all()
        assert state() == before
        assert keys() == DENSE
    assert state() == before


def test_undo_all_in_the_middle_of_a_layer() -> None:
    handle = MODEL.transformer_blocks[0].attn1.register_forward_pre_hook(lambda *_: undo_all())
    with token_downsampling(BY_TWO):
        assert keys() == HALF
        assert keys() == DENSE
    handle.remove()


def test_after_undo_all_the_next_one_works() -> None:
    before = state()
    with token_downsampling(BY_TWO):
        undo_all()
        with token_downsampling(BY_TWO):
            assert keys() == HALF
        assert state() == before
        assert keys() == DENSE
    with token_downsampling(BY_TWO):
        assert keys() == HALF


def test_undo_all_when_nothing_is_on() -> None:
    before = state()
    undo_all()
    undo_all()
    assert state() == before
