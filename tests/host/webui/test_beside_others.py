"""Other extensions, loaded before and after ours: each works as before, and its layers are pooled.

Off, an image is bitwise the one of a host that has the other extension and not ours. On, it is the
one that the other makes when every layer's tokens are pooled by hand.
"""

from __future__ import annotations

from collections import Counter

import pytest
from expect import Pooling, first_pixels
from host_with_others import (
    AGENT_ATTENTION,
    GUIDANCE,
    INCANTATIONS,
    HostWithOthers,
    needs,
    pooled,
    rows,
)
from other_extension_cases import CASES, ORDINARY, Case, parameters
from todo_report import line, reasons, report_of
from todo_report import pooled as counted

POOLING = Pooling(factor=2, deep_factor=2, threshold=8)
PLAIN = Case()


@pytest.mark.parametrize("name", parameters(CASES))
def test_off_is_the_others_own_image(
    crowded: HostWithOthers, without_todo: dict[str, bytes], name: str
) -> None:
    assert without_todo[name] != without_todo["nothing"]
    answer = CASES[name].txt2img(crowded)
    assert first_pixels(answer) == without_todo[name]
    assert line(answer) is None


@pytest.mark.parametrize("name", parameters(ORDINARY))
def test_on_every_layer_is_pooled(
    crowded: HostWithOthers, without_todo: dict[str, bytes], name: str
) -> None:
    case = ORDINARY[name]
    case.txt2img(crowded)
    plain, leftovers = rows(crowded), crowded.probe_leftovers()

    crowded.probe_reset()
    with crowded.log_since() as log:
        answer = case.txt2img(crowded, POOLING.asked())
    assert rows(crowded) == pooled(plain, POOLING)
    assert counted(report_of(answer))
    assert report_of(answer)["layers"] == 16
    assert "Traceback" not in "\n".join(log)
    # what the other one left by itself, and nothing of ours
    assert crowded.probe_leftovers() == leftovers

    crowded.probe_reset()
    crowded.probe_lattice(POOLING.factor, POOLING.threshold)
    assert first_pixels(answer) == first_pixels(case.txt2img(crowded))
    crowded.probe_reset()
    assert first_pixels(PLAIN.txt2img(crowded)) == without_todo["nothing"]


@needs(GUIDANCE)
def test_guidance_keeps_the_layer_it_reads(crowded: HostWithOthers) -> None:
    """Its mask is made from the middle block's attention map, which must have one key a token."""
    guided = ORDINARY["self-attention guidance"]
    everywhere = Pooling(factor=2, deep_factor=2, threshold=2)
    guided.txt2img(crowded)
    plain = rows(crowded)
    crowded.probe_reset()
    with crowded.log_since() as log:
        answer = guided.txt2img(crowded, everywhere.asked())
    middle = Counter({row: n for row, n in plain.items() if row[3].startswith("middle_block")})
    expected = pooled(plain - middle, everywhere)
    expected.update(middle)
    assert rows(crowded) == expected
    assert reasons(report_of(answer))["attention_map_read"] == 1
    assert "Traceback" not in "\n".join(log)
    answer = PLAIN.txt2img(crowded, everywhere.asked())
    assert counted(report_of(answer))[16, 4] == 1


@needs(INCANTATIONS)
def test_perturbed_attention_is_left_whole_where_its_values_are_taken(
    crowded: HostWithOthers,
) -> None:
    """In the call that guidance adds to a step the middle block's values replace its output."""
    guided = ORDINARY["perturbed-attention guidance"]
    everywhere = Pooling(factor=2, deep_factor=2, threshold=2)
    guided.txt2img(crowded)
    plain = rows(crowded)
    crowded.probe_reset()
    answer = guided.txt2img(crowded, everywhere.asked())
    middle = Counter({row: n // 2 for row, n in plain.items() if row[3].startswith("middle_block")})
    assert set(middle.values()) == {1}
    expected = pooled(plain - middle, everywhere)
    expected.update(middle)
    assert rows(crowded) == expected
    assert reasons(report_of(answer)) == {"perturbed_attention": 1}
    assert counted(report_of(answer))[16, 4] == 1


@needs(AGENT_ATTENTION)
def test_agent_attention_keeps_the_layers_it_merges(crowded: HostWithOthers) -> None:
    """Of 1024 tokens it leaves 615, and the layers below are pooled."""
    agents = CASES["agent attention"]
    agents.txt2img(crowded)
    plain = rows(crowded)
    crowded.probe_reset()
    with crowded.log_since() as log:
        answer = agents.txt2img(crowded, POOLING.asked())
    merged = Counter({row: n for row, n in plain.items() if row[4] == (32, 32)})
    assert {(row[5], row[6]) for row in merged} == {(615, 615)}
    expected = pooled(plain - merged, POOLING)
    expected.update(merged)
    assert rows(crowded) == expected
    assert reasons(report_of(answer))["agent_attention"] == 5
    assert counted(report_of(answer)) == {(256, 64): 5}
    assert "Traceback" not in "\n".join(log)
