"""Other extensions, loaded before and after ours: each works as before, and its layers are pooled.

Off, an image is bitwise the one of a host that has the other extension and not ours. On, it is the
one that the other makes when every layer's tokens are pooled by hand.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from expect import Pooling, first_pixels, infotext, todo
from neighbours import (
    CASES,
    KOISHI_SMEA,
    ORDINARY,
    POOLING,
    Case,
    HostWithOthers,
    by_hand,
    check_as_by_hand,
    needs,
    parameters,
    rows,
    sampler,
)
from phases_seen import phases
from told import line, pooled, reasons, report_of, steps, used

# every layer, the middle block's too
EVERYWHERE = Pooling(factor=2, deep_factor=2, threshold=2)


@pytest.mark.parametrize("name", parameters(CASES))
def test_off_is_the_others_own_image_and_on_every_ordinary_layer_is_pooled(
    crowded: HostWithOthers, without_todo: dict[str, bytes], name: str
) -> None:
    case = CASES[name]
    off = case.txt2img(crowded)
    assert first_pixels(off) == without_todo[name] != without_todo["nothing"]
    assert line(off) is None
    if name not in ORDINARY:
        return
    with crowded.log_since() as log:
        answer = check_as_by_hand(crowded, partial(case.txt2img, crowded))
    assert pooled(report_of(answer))
    assert report_of(answer)["layers"] == 16
    assert "Traceback" not in "\n".join(log)
    assert first_pixels(Case().txt2img(crowded)) == without_todo["nothing"]


# the pooling; the beginning of the layers' names or their keys; which part of their calls; the
# reason, and how many layers it is
LEFT: dict[str, tuple[Pooling, str | int, float, tuple[str, int]]] = {
    # its mask is made from the middle block's attention map, which must have one key a token
    "self-attention guidance": (EVERYWHERE, "middle_block", 1, ("attention_map_read", 1)),
    # in the call that it adds to a step the middle block's values replace its output
    "perturbed-attention guidance": (EVERYWHERE, "middle_block", 0.5, ("perturbed_attention", 1)),
    # of 1024 tokens it leaves 615, and the layers below are pooled
    "agent attention": (POOLING, 615, 1, ("other_grid", 5)),
}


@pytest.mark.parametrize("name", parameters({name: CASES[name] for name in LEFT}))
def test_layers_that_the_other_one_uses_are_left_to_it(crowded: HostWithOthers, name: str) -> None:
    pooling, keeps, part, (reason, layers) = LEFT[name]
    case = CASES[name]
    case.txt2img(crowded)
    plain = rows(crowded)
    kept = {
        row: int(calls * part)
        for row, calls in plain.items()
        if keeps == row[6] or row[3].startswith(str(keeps))
    }
    assert kept
    crowded.probe_reset()
    with crowded.log_since() as log:
        answer = case.txt2img(crowded, pooling.asked())
    expected = by_hand(plain - Counter(kept), pooling)
    expected.update(kept)
    assert rows(crowded) == expected
    assert reasons(report_of(answer))[reason] == layers
    assert "Traceback" not in "\n".join(log)
    # without it they are pooled again
    assert reason not in reasons(report_of(Case().txt2img(crowded, pooling.asked())))


# 32×32 tokens at the image's size, which alone are above the threshold
ALONE = {"preset": "close", "factor": 2, "deep_factor": 1, "threshold": 20}
ROUND = [(0, 0), (1, 1), (0, 1), (1, 0)]
UNKNOWN = "Kohaku_LoNyu_Yog"


@needs(KOISHI_SMEA)
@pytest.mark.parametrize("name", ["Euler SMEA Dy", "Euler Negative Dy", UNKNOWN])
def test_smea_a_step_has_one_phase_and_each_size_its_own_grid(
    crowded: HostWithOthers, name: str
) -> None:
    crowded.watch_positions()
    answer = sampler(KOISHI_SMEA, name).txt2img(crowded, {"steps": 8}, todo(**ALONE))
    taken = [phase for _, phase in phases(crowded.probe_positions())]
    order = [phase for at, phase in enumerate(taken) if at == 0 or phase != taken[at - 1]]
    # eight steps are few for a sampler whose order is not known
    assert order == ([(0, 0)] if name == UNKNOWN else ROUND * 2)
    assert steps(report_of(answer)) == (8, 8)
    # it looks at a picture of 1.25 times the size, too
    larger = {(1600, 400)} if name == "Euler SMEA Dy" else set()
    assert used(infotext(answer)) == {(1024, 256)} | larger
    if name == "Euler SMEA Dy":
        crowded.probe_reset()
        asked = todo(preset="paper", threshold=12)
        sampler(KOISHI_SMEA, name).txt2img(crowded, {"steps": 4}, asked)
        keys = {row[4]: row[6] for row in rows(crowded) if row[3].startswith("input_blocks.1.")}
        # by 1, 3 and 3: the whole numbers nearest to 16/12, 32/12 and 40/12
        assert keys == {(16, 16): 256, (32, 32): 11 * 11, (40, 40): 14 * 14}
