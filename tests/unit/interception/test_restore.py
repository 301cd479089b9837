"""However it ends and whoever wraps the classes too, they are as they were."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import leftovers
import pytest
import torch
from ldm.modules.attention import CrossAttention, MemoryEfficientCrossAttention, SpatialTransformer
from ldm_models import image, keys_over, run, spatial_transformer, text, unet
from leftovers import CLASSES
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.interception.calls import undo_all
from lib_todo.reasons import Reason

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


@pytest.mark.parametrize("where", ["attn1", "attn2", "ff"])
def test_raised_inside_a_layer_and_through_two_levels_of_nesting(where: str) -> None:
    def fail(*_: object) -> None:
        raise Interrupted

    before = state()
    block = MODEL.transformer_blocks[0]
    with pytest.raises(Interrupted), token_downsampling(BY_TWO) as report:
        layer = getattr(block, where)
        with layer.register_forward_pre_hook(fail), pytest.raises(Interrupted):
            run(MODEL, image(8, 8), text())
        # the grid of the broken call is forgotten: outside of a transformer nothing is pooled
        x = torch.randn(2, 64, 32)
        assert torch.equal(block.attn1(x), block.attn1.forward(x))
        assert keys() == HALF
        with token_downsampling(paper(factor=3, threshold=4)):
            raise Interrupted
    assert max(grid for grid, *_ in report.tallies) in ((8, 8), (6, 6))
    assert state() == before


def test_switched_off_and_on_inside_as_often_as_it_was_entered() -> None:
    before = state()
    with (downsampling := token_downsampling(BY_TWO)), downsampling:
        downsampling.enable(False)
        assert (keys(), state()) == (DENSE, before)
        downsampling.enable(True)
        assert keys() == HALF


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
        assert keys() == DENSE
        with token_downsampling(BY_TWO):
            assert keys() == HALF
        assert state() == before
        assert keys() == DENSE
    # even in the middle of a layer
    layer = MODEL.transformer_blocks[0].attn1
    with layer.register_forward_pre_hook(lambda *_: undo_all()), token_downsampling(BY_TWO):
        assert keys() == HALF
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


def test_others_wrapped_the_call_before_and_wrap_and_unwrap_inside(cls: type) -> None:
    wrapper, called = counting(cls.__call__)
    cls.__call__ = wrapper
    with token_downsampling(BY_TWO):
        assert keys() == HALF
        ours = vars(cls)["__call__"]
        cls.__call__, called_too = counting(ours)
        assert keys() == HALF
        cls.__call__ = ours
    assert len(called) == 2 * len(called_too) > 0
    assert vars(cls)["__call__"] is wrapper
    assert keys() == DENSE


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


def test_a_model_is_known_though_its_forward_is_replaced_by_one_of_unknown_arguments() -> None:
    """Another extension's wrapper hides where the timestep stands, and so what the step is."""
    model, latent = unet(), torch.randn(1, 4, 16, 16)
    # a class that nothing is known of yet
    model.__class__ = type("UNet", (type(model),), {})
    own = model.__class__.forward

    def call(timestep: float, is_wrapped: bool) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if is_wrapped:
                patch.setattr(model.__class__, "forward", lambda *args, **kw: own(*args, **kw))
            model(latent, torch.tensor([timestep]), context=text(batch=1))

    with torch.no_grad(), token_downsampling(paper(factor=2, threshold=4, end=0.5)) as report:
        # seen by its transformers alone, then known, and not forgotten
        for timestep, is_wrapped in [(999, True), (998, False), (10, False), (9, True)]:
            assert (Reason.OUTSIDE_WINDOW in report.left_alone) is (timestep < 10)
            call(float(timestep), is_wrapped)
    assert report.left_alone[Reason.OUTSIDE_WINDOW].calls == 2 * 6
