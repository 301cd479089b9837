"""ControlNet: a model's own layers, reference-only, StyleAlign, and after it was used.

The model is a tiny random one. What ControlNet leaves on the U-Net by itself is not ours to judge:
the leftovers are those it leaves without ToDo.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from expect import HIRES, Pooling, all_pixels, first_pixels
from host_with_others import CONTROLNET, HostWithOthers, needs, pooled, rows, together
from other_extension_cases import unit
from todo_report import pooled as counted
from todo_report import reasons, report_of

pytestmark = needs(CONTROLNET)

POOLING = Pooling(factor=2, deep_factor=2, threshold=8)
MODEL = unit(module="none", model="tiny_controlnet")
ONE_STEP = {"steps": 1}


@pytest.fixture
def watched(crowded: HostWithOthers) -> HostWithOthers:
    """The host with ControlNet's model loaded and its layers counted as well."""
    crowded.txt2img(**together(MODEL, ONE_STEP))
    crowded.watch_controlnet()
    crowded.probe_reset()
    return crowded


def layers(host: HostWithOthers, keys: int) -> dict[bool, int]:
    """How many layers of ControlNet's (True) and of the U-Net's (False) have so many keys."""
    found = {seen[3] for seen in rows(host) if seen[6] == keys}
    names = [name.startswith("controlnet.") for name in found]
    return {own: names.count(own) for own in (True, False)}


def test_a_models_own_layers_are_pooled(watched: HostWithOthers) -> None:
    watched.txt2img(**together(MODEL, ONE_STEP))
    plain, leftovers = rows(watched), watched.probe_leftovers()
    assert layers(watched, 1024) == {True: 2, False: 5}

    watched.probe_reset()
    answer = watched.txt2img(**together(MODEL, ONE_STEP, POOLING.asked()))
    assert rows(watched) == pooled(plain, POOLING)
    assert layers(watched, 1024) == {True: 0, False: 0}
    assert counted(report_of(answer)) == {(1024, 256): 7, (256, 64): 7}
    assert report_of(answer)["layers"] == 23
    assert watched.probe_leftovers() == leftovers

    watched.probe_reset()
    watched.probe_lattice(2, 8)
    assert first_pixels(answer) == first_pixels(watched.txt2img(**together(MODEL, ONE_STEP)))


def test_a_model_in_both_passes_of_hires_fix(watched: HostWithOthers) -> None:
    watched.txt2img(**together(MODEL, HIRES))
    plain = rows(watched)
    watched.probe_reset()
    answer = watched.txt2img(**together(MODEL, HIRES, POOLING.asked()))
    assert rows(watched) == pooled(plain, POOLING)
    # 256 tokens are the largest layers' in the first pass, and the next ones' in the other
    found = report_of(answer)["passes"]
    assert counted(found["first"]) == {(256, 64): 7}
    assert counted(found["hires"]) == {(1024, 256): 7, (256, 64): 7}


@pytest.mark.parametrize("fidelity", [0, 0.5, 1])
def test_reference_only_has_each_of_its_grids_pooled(
    crowded: HostWithOthers, fidelity: float
) -> None:
    """The reference's tokens stand beside the image's own in the context.

    With a fidelity above 0 a layer is called once more, for the part without a prompt, with a copy
    of that part's own tokens as its context.
    """
    reference = together(unit(module="reference_only", threshold_a=fidelity), ONE_STEP)
    crowded.txt2img(**reference)
    plain = rows(crowded)
    two_grids = {seen for seen in plain if seen[4] == (32, 32) and seen[6] == 2048}
    assert len(two_grids) == 5

    crowded.probe_reset()
    answer = crowded.txt2img(**together(reference, POOLING.asked()))
    assert rows(crowded) == pooled(plain, POOLING)
    both = {(2048, 512): 5, (1024, 256): 5, (512, 128): 5, (256, 64): 5}
    assert counted(report_of(answer)) == both

    crowded.probe_reset()
    crowded.probe_lattice(2, 8)
    assert first_pixels(answer) == first_pixels(crowded.txt2img(**reference))


@pytest.fixture
def aligned(crowded: HostWithOthers) -> Iterator[HostWithOthers]:
    """The host with StyleAlign on."""
    crowded.style_align(True)
    yield crowded
    crowded.style_align(False)


def test_style_align_passes_through(aligned: HostWithOthers) -> None:
    """A batch's images are folded into one row of tokens, which is no grid."""
    batch = {"batch_size": 2, **ONE_STEP}
    alone = aligned.txt2img(**batch)
    plain = rows(aligned)
    assert {seen[5:] for seen in plain if seen[4] == (32, 32)} == {(2048, 2048)}
    aligned.probe_reset()
    answer = aligned.txt2img(**together(batch, POOLING.asked()))
    assert all_pixels(answer) == all_pixels(alone)
    assert rows(aligned) == plain
    assert reasons(report_of(answer)) == {"other_grid": 16}


def test_after_the_unit_is_gone(crowded: HostWithOthers, without_todo: dict[str, bytes]) -> None:
    """ControlNet leaves a way of its own through each block, with the tokens as the context."""
    reference = together(unit(module="reference_only"), ONE_STEP)
    crowded.txt2img(**together(reference, POOLING.asked()))
    crowded.probe_reset()
    assert first_pixels(crowded.txt2img(steps=2)) == without_todo["nothing"]
    plain, leftovers = rows(crowded), crowded.probe_leftovers()
    crowded.probe_reset()
    answer = crowded.txt2img(steps=2, **POOLING.asked())
    assert rows(crowded) == pooled(plain, POOLING)
    assert counted(report_of(answer)) == {(1024, 256): 5, (256, 64): 5}
    assert crowded.probe_leftovers() == leftovers
