"""Other extensions, loaded before and after ours: each works as before, and its layers are pooled.

Off, an image is bitwise the one of a host that has the other extension and not ours. On, it is the
one that the other makes when every layer's tokens are pooled by hand.
"""

from __future__ import annotations

from collections import Counter

import pytest
from expect import Pooling, first_pixels, infotext, todo
from neighbours import (
    AGENT_ATTENTION,
    CASES,
    GUIDANCE,
    INCANTATIONS,
    KOISHI_SMEA,
    LARGER,
    ORDINARY,
    Case,
    HostWithOthers,
    by_hand,
    needs,
    parameters,
    rows,
    sampler,
)
from phases_seen import phases
from told import line, pooled, reasons, report_of, steps, used

POOLING = Pooling(factor=2, deep_factor=2, threshold=8)
# every layer, the middle block's too
EVERYWHERE = Pooling(factor=2, deep_factor=2, threshold=2)
PLAIN = Case()


@pytest.mark.parametrize("name", parameters(LARGER))
def test_off_is_the_others_own_image(
    crowded: HostWithOthers, without_todo: dict[str, bytes], name: str
) -> None:
    assert without_todo[name] != without_todo["nothing"]
    answer = CASES[name].txt2img(crowded)
    assert first_pixels(answer) == without_todo[name]
    assert line(answer) is None


@pytest.mark.parametrize("name", parameters(ORDINARY))
def test_off_is_the_others_own_image_and_on_every_layer_is_pooled(
    crowded: HostWithOthers, without_todo: dict[str, bytes], name: str
) -> None:
    case = ORDINARY[name]
    off = case.txt2img(crowded)
    assert first_pixels(off) == without_todo[name] != without_todo["nothing"]
    assert line(off) is None
    plain, leftovers = rows(crowded), crowded.probe_leftovers()
    crowded.probe_reset()
    with crowded.log_since() as log:
        answer = case.txt2img(crowded, POOLING.asked())
    assert rows(crowded) == by_hand(plain, POOLING)
    assert pooled(report_of(answer))
    assert report_of(answer)["layers"] == 16
    assert "Traceback" not in "\n".join(log)
    # what the other one left by itself, and nothing of ours
    assert crowded.probe_leftovers() == leftovers
    crowded.probe_lattice(POOLING.factor, POOLING.threshold)
    assert first_pixels(answer) == first_pixels(case.txt2img(crowded))
    crowded.probe_reset()
    assert first_pixels(PLAIN.txt2img(crowded)) == without_todo["nothing"]


@pytest.mark.parametrize(
    ("name", "pooling", "keeps", "calls", "why"),
    [
        # its mask is made from the middle block's attention map, which must have one key a token
        pytest.param(
            *("self-attention guidance", EVERYWHERE, "middle_block", 1),
            {"attention_map_read": 1},
            marks=needs(GUIDANCE),
        ),
        # in the call that it adds to a step the middle block's values replace its output
        pytest.param(
            *("perturbed-attention guidance", EVERYWHERE, "middle_block", 0.5),
            {"perturbed_attention": 1},
            marks=needs(INCANTATIONS),
        ),
        # of 1024 tokens it leaves 615, and the layers below are pooled
        pytest.param(
            *("agent attention", POOLING, 615, 1),
            {"agent_attention": 5},
            marks=needs(AGENT_ATTENTION),
        ),
    ],
)
def test_layers_that_the_other_one_uses_are_left_to_it(
    crowded: HostWithOthers,
    name: str,
    pooling: Pooling,
    keeps: str | int,
    calls: float,
    why: dict[str, int],
) -> None:
    """`keeps`: the beginning of their names or their keys; `calls`: which part of theirs."""
    case = CASES[name]
    case.txt2img(crowded)
    plain = rows(crowded)
    kept = {
        row: int(n * calls)
        for row, n in plain.items()
        if keeps == row[6] or row[3].startswith(str(keeps))
    }
    assert kept
    crowded.probe_reset()
    with crowded.log_since() as log:
        answer = case.txt2img(crowded, pooling.asked())
    expected = by_hand(plain - Counter(kept), pooling)
    expected.update(kept)
    assert rows(crowded) == expected
    assert reasons(report_of(answer)).items() >= why.items()
    assert "Traceback" not in "\n".join(log)
    # without it they are pooled again
    answer = PLAIN.txt2img(crowded, pooling.asked())
    assert not reasons(report_of(answer)).keys() & why.keys()


# 32×32 tokens at the image's size, which alone are above the threshold
ALONE = {"preset": "close", "factor": 2, "deep_factor": 1, "threshold": 20}
ROUND = [(0, 0), (1, 1), (0, 1), (1, 0)]
UNKNOWN = "Kohaku_LoNyu_Yog"


@needs(KOISHI_SMEA)
@pytest.mark.parametrize("name", ["Euler SMEA Dy", "Euler Negative Dy", UNKNOWN])
def test_smea_a_step_has_one_phase_and_all_are_visited(crowded: HostWithOthers, name: str) -> None:
    crowded.watch_positions()
    answer = sampler(KOISHI_SMEA, name).txt2img(crowded, {"steps": 8}, todo(**ALONE))
    taken = [phase for _, phase in phases(crowded.probe_positions())]
    order = [phase for at, phase in enumerate(taken) if at == 0 or phase != taken[at - 1]]
    # eight steps are few for a sampler whose order is not known
    assert order == ([(0, 0)] if name == UNKNOWN else ROUND * 2)
    assert steps(report_of(answer)) == (8, 8)
    assert used(infotext(answer))["first"] == {(32, 32): 256}


@needs(KOISHI_SMEA)
def test_smea_each_size_is_pooled_by_its_own_grid(crowded: HostWithOthers) -> None:
    asked = todo(preset="paper", threshold=12)
    sampler(KOISHI_SMEA, "Euler SMEA Dy").txt2img(crowded, {"steps": 4}, asked)
    keys = {row[4]: row[6] for row in rows(crowded) if row[3].startswith("input_blocks.1.")}
    # by 1, 3 and 3: the whole numbers nearest to 16/12, 32/12 and 40/12
    assert keys == {(16, 16): 256, (32, 32): 11 * 11, (40, 40): 14 * 14}
