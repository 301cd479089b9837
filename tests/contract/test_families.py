"""Which classes take part: only those of modules that are imported, each class once."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from settings_of import paper
from stand_ins import (
    HOSTS,
    Attention,
    ComfyAttention,
    ComfyTransformer,
    LdmAttention,
    LdmTransformer,
    Transformer,
    image,
    only,
    put,
    tokens,
)

from lib_todo import token_downsampling

LDM = "ldm.modules.attention"
BY_TWO = paper(factor=2, threshold=4)


def changed(*classes: type) -> list[type]:
    return [cls for cls in classes if "__call__" in vars(cls)]


def run(transformer: Transformer) -> int:
    """How many keys the attention gets in a call over GRID."""
    layer = transformer.transformer_blocks[0].attn1
    transformer.args = (tokens(),)
    layer.calls.clear()
    transformer(image())
    ((args, kwargs),) = layer.calls
    context = kwargs.get("context", kwargs.get("encoder_hidden_states", args[0]))
    return context.shape[1]


def test_nothing_imported_nothing_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, {})
    # with diffusers at hand, its models are imported on entering, since it imports them late
    monkeypatch.delitem(sys.modules, "diffusers", raising=False)
    before = set(sys.modules)
    with token_downsampling(BY_TWO) as report:
        assert set(sys.modules) == before
        assert run(LdmTransformer(LdmAttention())) == 24
    assert (report.tallies, report.layers) == ({}, 0)


@pytest.mark.parametrize("name", HOSTS)
def test_only_the_imported_family_is_touched(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    transformer, attention, classes = HOSTS[name]
    only(monkeypatch, classes)
    every = {cls for t, a, _ in HOSTS.values() for cls in (t, a)}
    with token_downsampling(BY_TWO):
        assert run(transformer(attention())) == 6
        assert set(changed(*every, Attention, Transformer)) == {transformer, attention}
    assert changed(*every) == []


@pytest.mark.parametrize("member", [None, lambda: None, "CrossAttention", LdmAttention()])
def test_what_is_no_class_is_no_attention(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, {LDM: {"SpatialTransformer": LdmTransformer, "CrossAttention": member}})
    # a module that Python was told not to import
    monkeypatch.setitem(sys.modules, "sgm.modules.attention", None)
    with token_downsampling(BY_TWO):
        assert run(LdmTransformer(LdmAttention())) == 24


class Subclass(LdmAttention):
    """Inherits the call that is intercepted."""


class Other(Attention):
    forward = LdmAttention.forward


@pytest.mark.parametrize(
    ("plain", "efficient"),
    [
        # AUTOMATIC1111 makes the xformers class an alias of the plain one
        (LdmAttention, LdmAttention),
        (LdmAttention, Other),
        (LdmAttention, Subclass),
        (Subclass, LdmAttention),
    ],
)
def test_two_attention_classes_of_one_family(
    plain: type, efficient: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {"CrossAttention": plain, "MemoryEfficientCrossAttention": efficient}
    only(monkeypatch, {LDM: {"SpatialTransformer": LdmTransformer, **members}})
    # a transformer that no table knows: sgm's for videos, ControlNet's and others' own
    unknown = type("VideoTransformer", (LdmTransformer,), {})
    with token_downsampling(BY_TWO) as report:
        assert run(LdmTransformer(plain())) == 6
        assert run(unknown(efficient())) == 6
    assert [tally.calls for tally in report.tallies.values()] == [2]
    assert changed(plain, efficient, Attention) == []


def test_one_class_under_two_families_names(monkeypatch: pytest.MonkeyPatch) -> None:
    members = {"SpatialTransformer": ComfyTransformer, "CrossAttention": ComfyAttention}
    only(
        monkeypatch,
        {"backend.nn.unet": members, "ldm_patched.ldm.modules.attention": dict(members)},
    )
    small, large = ComfyTransformer(ComfyAttention()), ComfyTransformer(ComfyAttention())
    with token_downsampling(paper(factor=3, deep_factor=2, threshold=2)) as report:
        large.args, small.args = (tokens(24),), (tokens(6),)
        large(image())
        small(image()[:, :, :2, :3])
    # the second is a deeper layer, which it would not be if the first were forgotten
    assert {key: tally.calls for key, tally in report.tallies.items()} == {
        ((4, 6), 24, 4, None): 1,
        ((2, 3), 6, 2, None): 1,
    }
    assert changed(ComfyTransformer, ComfyAttention) == []


def test_families_that_come_and_go_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One takes part from the next entry on; a UI reload may drop modules meanwhile."""
    only(monkeypatch, HOSTS["ldm"][2])
    comfy = ComfyTransformer(ComfyAttention())
    with token_downsampling(BY_TWO):
        assert run(LdmTransformer(LdmAttention())) == 6
        put(monkeypatch, "backend.nn.unet", **HOSTS["forge"][2]["backend.nn.unet"])
        assert run(comfy) == 24
        with token_downsampling(BY_TWO):
            monkeypatch.delitem(sys.modules, LDM)
            assert run(comfy) == 6
            assert run(LdmTransformer(LdmAttention())) == 6
    assert changed(ComfyTransformer, ComfyAttention, LdmTransformer, LdmAttention) == []
