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
    """The attentions' only once a transformer has pooled; disabled, none."""
    before = state()

    def changed() -> set[type]:
        now = state()
        assert now[len(CLASSES) :] == before[len(CLASSES) :]
        names = {
            cls: {name for name in here if here[name] is not was.get(name)} | was.keys() - here
            for cls, was, here in zip(CLASSES, before, now)
        }
        found = {cls for cls in CLASSES if names[cls]}
        assert all(names[cls] == {"__call__"} for cls in found)
        return found

    with token_downsampling(BY_TWO):
        run(MODEL, image(4, 4), text())
        assert changed() == {SpatialTransformer}
        keys()
        assert changed() == {SpatialTransformer, CrossAttention, MemoryEfficientCrossAttention}
    with token_downsampling(paper(enabled=False)):
        assert changed() == set()


class Interrupted(BaseException):
    """Not an Exception, like KeyboardInterrupt."""


@pytest.mark.parametrize("kind", [RuntimeError, Interrupted, GeneratorExit])
def test_raised_through_two_levels_of_nesting(kind: type[BaseException]) -> None:
    before = state()
    with (
        pytest.raises(kind),
        token_downsampling(BY_TWO),
        token_downsampling(paper(factor=3, threshold=4)),
        token_downsampling(paper(enabled=False)),
    ):
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


def test_undo_all_in_the_middle_and_when_nothing_is_on() -> None:
    before = state()
    undo_all()
    with token_downsampling(BY_TWO):
        assert keys() == HALF
        undo_all()
        assert state() == before
        assert keys() == DENSE
        with token_downsampling(BY_TWO):
            assert keys() == HALF
        assert state() == before
        assert keys() == DENSE
    assert state() == before


def test_undo_all_in_the_middle_of_a_layer() -> None:
    handle = MODEL.transformer_blocks[0].attn1.register_forward_pre_hook(lambda *_: undo_all())
    with token_downsampling(BY_TWO):
        assert keys() == HALF
        assert keys() == DENSE
    handle.remove()
