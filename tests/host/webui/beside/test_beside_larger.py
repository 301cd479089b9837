"""ADetailer, ControlNet and the older ToDo extension, which do more than change some layers.

ADetailer's detector is a fixed box here, ControlNet's model a tiny random one. What ControlNet
leaves on the U-Net by itself is not ours to judge: the leftovers are those it leaves without ToDo.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from expect import HIRES, Pooling, all_pixels, first_pixels, infotext, parameters
from neighbours import (
    ADETAILER,
    CONTROLNET,
    OLDER,
    OLDER_OFF,
    HostWithOthers,
    adetailer,
    by_hand,
    control,
    keys_seen,
    needs,
    rows,
    together,
)
from told import line, pooled, reasons, report_of, steps

POOLING = Pooling(factor=2, deep_factor=2, threshold=8)
INNER_SCRIPTS = "dynamic_thresholding,soft_inpainting"
MODEL = control(module="none", model="tiny_controlnet") | {"steps": 1}
ALL_LEFT = {"older_extension": 16}


@needs(ADETAILER)
@pytest.mark.parametrize("asked", [False, True])
def test_adetailer_inside_runs_only_if_asked_and_by_the_inner_size(
    crowded: HostWithOthers, asked: bool
) -> None:
    """Outer and inner by turns, twice: neither leaks into the other, nothing is lost after it.

    By 2 in the outer 16×16 tokens, by 4 in the inner 32×32. Line and text are the outer one's.
    """
    names = f"{INNER_SCRIPTS},todo" if asked else INNER_SCRIPTS
    body = together(adetailer(), {"steps": 2, "n_iter": 2}, Pooling(threshold=8).asked())
    before = crowded.probe_leftovers()
    with crowded.options_set({"ad_script_names": INNER_SCRIPTS}, ad_script_names=names):
        answer = crowded.txt2img(**body)
    seen = {(row[0], row[4], row[6]) for row in rows(crowded) if min(row[4]) >= 16}
    inner = {((32, 32), 64 if asked else 1024), ((16, 16), 64 if asked else 256)}
    assert seen == {
        *((generation, (16, 16), 64) for generation in (1, 3)),
        *((generation, *each) for generation in (2, 4) for each in inner),
    }
    assert (pooled(report_of(answer)), steps(report_of(answer))) == ({(256, 64): 5}, (4, 4))
    assert parameters(infotext(answer))["ToDo threshold"] == "8"
    # those of other extensions' earlier images
    assert crowded.probe_leftovers() == before


@needs(ADETAILER)
def test_adetailer_asked_the_image_is_the_one_pooled_by_hand(
    crowded: HostWithOthers, without_todo: dict[str, bytes]
) -> None:
    body = together(adetailer(), {"steps": 2})
    with crowded.options_set(
        {"ad_script_names": INNER_SCRIPTS}, ad_script_names=f"{INNER_SCRIPTS},todo"
    ):
        answer = crowded.txt2img(**together(body, POOLING.asked()))
        crowded.probe_lattice(2, 8)
        assert first_pixels(answer) == first_pixels(crowded.txt2img(**body))
        crowded.probe_reset()
        assert first_pixels(crowded.txt2img(**body)) == without_todo["ADetailer"]


@needs(CONTROLNET)
def test_controlnets_own_layers_are_pooled(crowded: HostWithOthers) -> None:
    crowded.txt2img(**MODEL)
    # from now on, until a model is loaded, those of ControlNet are counted too
    crowded.post("/help-others/watch_controlnet")
    for asked in ({}, HIRES):
        crowded.probe_reset()
        crowded.txt2img(**together(MODEL, asked))
        plain, leftovers = rows(crowded), crowded.probe_leftovers()
        own = {row[3] for row in plain if row[6] == 1024 and row[3].startswith("controlnet.")}
        assert len(own) == 2
        crowded.probe_reset()
        answer = crowded.txt2img(**together(MODEL, asked, POOLING.asked()))
        assert rows(crowded) == by_hand(plain, POOLING)
        assert report_of(answer)["layers"] == 23
        assert crowded.probe_leftovers() == leftovers
        crowded.probe_lattice(2, 8)
        assert first_pixels(answer) == first_pixels(crowded.txt2img(**together(MODEL, asked)))


@needs(CONTROLNET)
@pytest.mark.parametrize("fidelity", [0, 0.5, 1])
def test_controlnets_reference_has_each_of_its_grids_pooled(
    crowded: HostWithOthers, without_todo: dict[str, bytes], fidelity: float
) -> None:
    """The reference's tokens stand beside the image's own in the context.

    With a fidelity above 0 a layer is called once more, for the part without a prompt, with a copy
    of that part's own tokens as its context. A way of its own through each block stays there.
    """
    reference = control(module="reference_only", threshold_a=fidelity) | {"steps": 1}
    crowded.txt2img(**reference)
    plain = rows(crowded)
    assert len({row for row in plain if row[4] == (32, 32) and row[6] == 2048}) == 5
    crowded.probe_reset()
    answer = crowded.txt2img(**together(reference, POOLING.asked()))
    assert rows(crowded) == by_hand(plain, POOLING)
    both = {(2048, 512): 5, (1024, 256): 5, (512, 128): 5, (256, 64): 5}
    assert pooled(report_of(answer)) == both
    crowded.probe_lattice(2, 8)
    assert first_pixels(answer) == first_pixels(crowded.txt2img(**reference))
    # after the unit is gone
    crowded.probe_reset()
    assert first_pixels(crowded.txt2img(steps=2)) == without_todo["nothing"]
    plain, leftovers = rows(crowded), crowded.probe_leftovers()
    crowded.probe_reset()
    crowded.txt2img(steps=2, **POOLING.asked())
    assert rows(crowded) == by_hand(plain, POOLING)
    assert crowded.probe_leftovers() == leftovers


@needs(CONTROLNET)
def test_controlnets_style_align_passes_through(crowded: HostWithOthers) -> None:
    """A batch's images are folded into one row of tokens, which is no grid."""
    batch = {"batch_size": 2, "steps": 1}
    crowded.post("/help-others/style_align", on=True)
    alone = crowded.txt2img(**batch)
    plain = rows(crowded)
    crowded.probe_reset()
    answer = crowded.txt2img(**together(batch, POOLING.asked()))
    crowded.post("/help-others/style_align", on=False)
    assert {row[5:] for row in plain if row[4] == (32, 32)} == {(2048, 2048)}
    assert all_pixels(answer) == all_pixels(alone)
    assert rows(crowded) == plain
    assert reasons(report_of(answer)) == {"other_grid": 16}


@pytest.fixture
def older(crowded: HostWithOthers) -> Iterator[HostWithOthers]:
    """The host with the older ToDo switched on, by 2 in the largest layers.

    It hooks every self-attention layer and replaces whatever context the layer is called with, for
    as many calls of the U-Net as the first pass has steps. It knows no threshold.
    """
    with crowded.options_set(OLDER_OFF, token_downsampling_factor=2.0):
        yield crowded


@needs(OLDER)
@pytest.mark.parametrize("pooling", [POOLING, Pooling(4, 4, threshold=4), Pooling()], ids=str)
def test_beside_the_older_todo_tokens_are_pooled_once(
    older: HostWithOthers, pooling: Pooling
) -> None:
    """The image is the older one's own, where ours would pool more or less, or nothing at all."""
    alone = older.txt2img(steps=2)
    text = {"ToDo factor": "2.0", "ToDo factor2": "1.0", "ToDo disable after": "1.0"}
    assert (parameters(infotext(alone)), line(alone)) == (text, None)
    by_it = rows(older)
    older.probe_reset()
    both = older.txt2img(steps=2, **pooling.asked())
    assert first_pixels(both) == first_pixels(alone)
    assert rows(older) == by_it
    assert keys_seen(older) == {(32, 32): {256}, (16, 16): {256}, (8, 8): {64}, (4, 4): {16}}
    assert (pooled(report_of(both)), reasons(report_of(both))) == ({}, ALL_LEFT)
    assert parameters(infotext(both)).items() >= text.items()


@needs(OLDER)
def test_where_the_older_todo_rests_ours_pools(older: HostWithOthers) -> None:
    """In the hires pass, after its last step, and once it is switched off."""
    answer = older.txt2img(**HIRES, **POOLING.asked())
    assert keys_seen(older)[16, 16] == {64}
    assert (keys_seen(older, "hires")[32, 32], keys_seen(older, "hires")[16, 16]) == ({256}, {64})
    assert reasons(report_of(answer)["passes"]["first"]) == ALL_LEFT
    older.probe_reset()
    with older.options_set(OLDER_OFF, token_downsampling_disable_after=0.5):
        answer = older.txt2img(steps=4, **POOLING.asked())
    deep = {(row[2], row[6]) for row in rows(older) if row[4] == (16, 16)}
    assert deep == {(0, 256), (1, 256), (2, 64), (3, 64)}
    assert steps(report_of(answer)) == (2, 4)
    with older.options_set(OLDER_OFF, token_downsampling_factor=1.0):
        answer = older.txt2img(steps=1, **POOLING.asked())
    assert pooled(report_of(answer)) == {(1024, 256): 5, (256, 64): 5}
    assert parameters(infotext(answer))["ToDo factor"] == "2"


@needs(OLDER)
def test_pasted_parameters_switch_both_todos_on(crowded: HostWithOthers) -> None:
    """A factor above 1 in the text is a setting of the older one, too; it is told as ever."""
    text = infotext(crowded.txt2img(steps=2, **POOLING.asked()))
    automatic = text.replace("ToDo factor: 2", "ToDo factor: automatic")
    # set in so many words, or the host would keep what the text says
    with crowded.options_set(OLDER_OFF, token_downsampling_factor=1.0):
        both, ours = (report_of(crowded.from_text(pasted)) for pasted in (text, automatic))
    assert reasons(both) == ALL_LEFT
    assert pooled(ours) == {(1024, 64): 5, (256, 64): 5}
