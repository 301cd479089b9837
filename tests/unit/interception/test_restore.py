"""However it ends, the classes and modules are as they were."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import leftovers
import pytest
import torch
from ldm.modules.attention import CrossAttention, MemoryEfficientCrossAttention, SpatialTransformer
from ldm_models import image, keys_over, run, spatial_transformer, text
from leftovers import CLASSES
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.interception.calls import undo_all

MODEL = spatial_transformer()
BY_TWO = paper(factor=2, threshold=4)
DENSE, HALF = 36, 9


def state() -> list[dict[str, Any]]:
    return leftovers.state(MODEL)


def keys() -> int:
    return keys_over(MODEL, 6)


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    before = state()
    yield
    assert state() == before
    assert keys() == DENSE


def test_inside_only_the_call_of_three_classes_is_another() -> None:
    before = state()
    with token_downsampling(BY_TWO):
        keys()
        inside = state()
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

    monkeypatch.setattr("lib_todo.pooling.Pooling.take", fail)
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
