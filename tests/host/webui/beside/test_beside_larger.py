"""ADetailer, ControlNet and the older ToDo extension, which do more than change some layers.

ADetailer's detector is a fixed box here, ControlNet's model a tiny random one. What ControlNet
leaves on the U-Net by itself is not ours to judge: the leftovers are those it leaves without ToDo.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from expect import HIRES, Pooling, first_pixels, infotext, keys_seen, parameters
from neighbours import (
    ADETAILER,
    CONTROLNET,
    OLDER,
    OLDER_OFF,
    ORDERS,
    POOLING,
    Case,
    HostWithOthers,
    adetailer,
    check_as_by_hand,
    control,
    needs,
    rows,
    together,
)
from told import line, pooled, reasons, report_of, steps

INNER_SCRIPTS = "dynamic_thresholding,soft_inpainting"
MODEL = control(module="none", model="tiny_controlnet") | {"steps": 1}


def assert_left(counts: dict[str, Any]) -> None:
    """No layer was pooled: the older extension has those that are large enough."""
    left = reasons(counts)
    assert not pooled(counts) and left.keys() <= {"older_extension", "below_threshold"}
    assert sum(left.values()) == 16


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
    if asked:
        with crowded.options_set({"ad_script_names": INNER_SCRIPTS}, ad_script_names=names):
            answer = crowded.txt2img(**together(adetailer(), {"steps": 2}, POOLING.asked()))
            crowded.probe_lattice(2, 8)
            own = crowded.txt2img(**together(adetailer(), {"steps": 2}))
        assert first_pixels(answer) == first_pixels(own)


@needs(CONTROLNET)
def test_controlnets_own_layers_are_pooled(crowded: HostWithOthers) -> None:
    crowded.txt2img(**MODEL)
    # from now on, until a model is loaded, those of ControlNet are counted too
    crowded.post("/help-others/watch_controlnet")
    for asked in ({}, HIRES):
        made = Case(body=MODEL | asked)
        answer = check_as_by_hand(crowded, partial(made.txt2img, crowded))
        assert report_of(answer)["layers"] == 23
    made.txt2img(crowded)
    own = {row[3] for row in rows(crowded) if row[6] == 1024 and row[3].startswith("controlnet.")}
    assert len(own) == 2


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
    answer = check_as_by_hand(crowded, partial(Case(body=reference).txt2img, crowded))
    both = {(2048, 512): 5, (1024, 256): 5, (512, 128): 5, (256, 64): 5}
    assert pooled(report_of(answer)) == both
    # after the unit is gone
    assert first_pixels(Case().txt2img(crowded)) == without_todo["nothing"]
    check_as_by_hand(crowded, partial(Case().txt2img, crowded))


def older(host: HostWithOthers, **changed: float) -> AbstractContextManager[None]:
    """The older ToDo switched on, by 2 in the largest layers.

    It hooks every self-attention layer and replaces whatever context the layer is called with, for
    as many calls of the U-Net as the first pass has steps. It knows no threshold.
    """
    return host.options_set(OLDER_OFF, **{"token_downsampling_factor": 2.0, **changed})


@needs(OLDER)
@pytest.mark.parametrize("pooling", [POOLING, Pooling(4, 4, threshold=4), Pooling()], ids=str)
def test_beside_the_older_todo_tokens_are_pooled_once(
    crowded: HostWithOthers, pooling: Pooling
) -> None:
    """The image is the older one's own, where ours would pool more or less, or nothing at all."""
    with older(crowded):
        alone = crowded.txt2img(steps=2)
        by_it = rows(crowded)
        crowded.probe_reset()
        both = crowded.txt2img(steps=2, **pooling.asked())
    text = {"ToDo factor": "2.0", "ToDo factor2": "1.0", "ToDo disable after": "1.0"}
    assert (parameters(infotext(alone)), line(alone)) == (text, None)
    assert first_pixels(both) == first_pixels(alone)
    assert rows(crowded) == by_it
    assert (keys_seen(crowded)[32], keys_seen(crowded)[16]) == ({(1024, 256)}, {(256, 256)})
    assert_left(report_of(both))
    assert parameters(infotext(both)).items() >= text.items()


@needs(OLDER)
def test_where_the_older_todo_rests_ours_pools(crowded: HostWithOthers) -> None:
    """In the hires pass, after its last step, and once it is switched off."""
    with older(crowded):
        answer = crowded.txt2img(**HIRES, **POOLING.asked())
    assert keys_seen(crowded)[16] == {(256, 64)}
    assert keys_seen(crowded, "hires")[32] == {(1024, 256)}
    assert_left(report_of(answer)["passes"]["first"])
    crowded.probe_reset()
    with older(crowded, token_downsampling_disable_after=0.5):
        answer = crowded.txt2img(steps=4, **POOLING.asked())
    deep = {(row[2], row[6]) for row in rows(crowded) if row[4] == (16, 16)}
    assert deep == {(0, 256), (1, 256), (2, 64), (3, 64)}
    assert steps(report_of(answer)) == (2, 4)


@needs(OLDER)
@pytest.mark.parametrize("order", ORDERS)
def test_a_pasted_factor_is_the_older_todos_too(tmp_path: Path, order: str) -> None:
    """On a host of their own: any text given to the API switches agent attention on.

    The host takes the `gr.update` that agent attention makes of a text for a true value.
    """
    with HostWithOthers(tmp_path / "host", order, only=OLDER) as host:
        asked = (POOLING, replace(POOLING, factor=0))
        texts = [infotext(host.txt2img(steps=2, **pooling.asked())) for pooling in asked]
        # set in so many words, or the host would keep what the text says
        with older(host, token_downsampling_factor=1.0):
            both, ours = (report_of(host.from_text(text)) for text in texts)
    assert_left(both)
    assert pooled(ours) == {(1024, 64): 5, (256, 64): 5}
