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
    OptimisedAttention,
    Transformer,
    image,
    only,
    put,
    tokens,
)

from lib_todo import Report, token_downsampling

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


def calls(report: Report) -> int:
    return sum(tally.calls for tally in report.tallies.values())


def only_ldm(monkeypatch: pytest.MonkeyPatch, plain: type, efficient: type) -> None:
    """Have ldm imported alone, with these two attention classes."""
    members = {
        "SpatialTransformer": LdmTransformer,
        "CrossAttention": plain,
        "MemoryEfficientCrossAttention": efficient,
    }
    only(monkeypatch, {LDM: members})


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


def test_several_families_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """reForge has ldm_patched and a clone of ldm."""
    only(monkeypatch, HOSTS["ldm"][2] | HOSTS["ldm_patched"][2])
    with token_downsampling(BY_TWO) as report:
        assert run(LdmTransformer(LdmAttention())) == 6
        assert run(ComfyTransformer(ComfyAttention())) == 6
    assert calls(report) == 2


@pytest.mark.parametrize(
    "member",
    [None, lambda: None, "CrossAttention", LdmAttention()],
    ids=["None", "function", "name", "instance"],
)
def test_what_is_no_class_is_no_attention(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, {LDM: {"SpatialTransformer": LdmTransformer, "CrossAttention": member}})
    with token_downsampling(BY_TWO):
        assert run(LdmTransformer(LdmAttention())) == 24


def test_a_module_that_python_was_told_not_to_import(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, {})
    monkeypatch.setitem(sys.modules, LDM, None)
    with token_downsampling(BY_TWO) as report:
        pass
    assert report.tallies == {}


def test_the_alias_that_the_host_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """AUTOMATIC1111 makes the xformers class an alias of the plain one."""
    only_ldm(monkeypatch, LdmAttention, LdmAttention)
    with token_downsampling(BY_TWO) as report:
        assert run(LdmTransformer(LdmAttention())) == 6
    assert calls(report) == 1
    assert changed(LdmAttention) == []


def test_two_attention_classes_of_one_family(monkeypatch: pytest.MonkeyPatch) -> None:
    only_ldm(monkeypatch, LdmAttention, OptimisedAttention)
    with token_downsampling(BY_TWO) as report:
        assert run(LdmTransformer(LdmAttention())) == 6
        assert run(LdmTransformer(OptimisedAttention())) == 6
    assert calls(report) == 2
    assert changed(LdmAttention, OptimisedAttention) == []


class Subclass(LdmAttention):
    """Inherits the call that is intercepted."""


@pytest.mark.parametrize("first", ["base", "subclass"])
def test_an_attention_class_that_inherits_from_the_other(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = (LdmAttention, Subclass) if first == "base" else (Subclass, LdmAttention)
    only_ldm(monkeypatch, *pair)
    with token_downsampling(BY_TWO) as report:
        assert run(LdmTransformer(LdmAttention())) == 6
        assert run(LdmTransformer(Subclass())) == 6
    assert calls(report) == 2
    assert changed(LdmAttention, Subclass) == []


def test_subclasses_that_no_table_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """sgm's video transformer, ControlNet's and others' own."""

    class VideoTransformer(LdmTransformer):
        pass

    only(monkeypatch, HOSTS["ldm"][2])
    with token_downsampling(BY_TWO):
        assert run(VideoTransformer(Subclass())) == 6


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
    assert list(report.tallies) == [((4, 6), 24, 4, None), ((2, 3), 6, 2, None)]
    assert calls(report) == 2
    assert changed(ComfyTransformer, ComfyAttention) == []


def test_a_family_imported_inside_takes_part_from_the_next_entry_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only(monkeypatch, HOSTS["ldm"][2])
    comfy = ComfyTransformer(ComfyAttention())
    with token_downsampling(BY_TWO):
        put(monkeypatch, "backend.nn.unet", **HOSTS["forge"][2]["backend.nn.unet"])
        assert run(comfy) == 24
        with token_downsampling(BY_TWO):
            assert run(comfy) == 6
            assert run(LdmTransformer(LdmAttention())) == 6
    assert changed(ComfyTransformer, ComfyAttention, LdmTransformer, LdmAttention) == []


def test_a_family_whose_module_went_away_is_restored_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A UI reload may drop modules while a generation runs."""
    only(monkeypatch, HOSTS["ldm"][2])
    with token_downsampling(BY_TWO):
        monkeypatch.delitem(sys.modules, LDM)
        assert run(LdmTransformer(LdmAttention())) == 6
    assert changed(LdmTransformer, LdmAttention) == []
