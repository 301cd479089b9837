"""The older ToDo extension beside ours: tokens are pooled once, and the line says by which.

It hooks every self-attention layer and replaces whatever context the layer is called with, for as
many calls of the U-Net as the first pass has steps. It knows no threshold.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from expect import HIRES, Pooling, first_pixels, infotext, parameters
from host_with_others import OLDER, HostWithOthers, Row, needs, rows
from other_extension_cases import OLDER_OFF
from todo_report import line, pooled, reasons, report_of, steps

pytestmark = needs(OLDER)

POOLING = Pooling(factor=2, deep_factor=2, threshold=8)
ALL_LEFT = {"older_extension": 16}
BY_TWO = {(1024, 256): 5, (256, 64): 5}
# The grids of 256 pixels that neither pools here.
SMALL = {(8, 8): {64}, (4, 4): {16}}
ITS_TEXT = {"ToDo factor": "2.0", "ToDo factor2": "1.0", "ToDo disable after": "1.0"}


@pytest.fixture
def older(crowded: HostWithOthers) -> Iterator[HostWithOthers]:
    """The host with the older extension switched on, by 2 in the largest layers."""
    with crowded.options_set(OLDER_OFF, token_downsampling_factor=2.0):
        yield crowded


def keys_seen(host: HostWithOthers, in_pass: str) -> dict[tuple[int, int], set[int]]:
    """The numbers of keys that each grid was seen with in a pass."""
    found: dict[tuple[int, int], set[int]] = {}
    seen: Row
    for seen in rows(host):
        if seen[1] == in_pass:
            found.setdefault(seen[4], set()).add(seen[6])
    return found


@pytest.mark.parametrize(
    "pooling", [POOLING, Pooling(factor=4, deep_factor=4, threshold=4), Pooling()]
)
def test_both_on_pool_once(older: HostWithOthers, pooling: Pooling) -> None:
    """The image is the older one's own, where ours would pool more or less, or nothing at all."""
    alone = older.txt2img(steps=2)
    by_it = rows(older)
    older.probe_reset()
    both = older.txt2img(steps=2, **pooling.asked())
    assert first_pixels(both) == first_pixels(alone)
    assert rows(older) == by_it
    assert keys_seen(older, "first") == {
        (32, 32): {256},
        (16, 16): {256},
        (8, 8): {64},
        (4, 4): {16},
    }
    assert (pooled(report_of(both)), reasons(report_of(both))) == ({}, ALL_LEFT)
    assert parameters(infotext(both)).items() >= ITS_TEXT.items()


def test_with_ours_off_its_text_stays(older: HostWithOthers) -> None:
    answer = older.txt2img(steps=1)
    assert parameters(infotext(answer)) == ITS_TEXT
    assert line(answer) is None


def test_in_the_hires_pass_it_rests_and_ours_pools(older: HostWithOthers) -> None:
    answer = older.txt2img(**HIRES, **POOLING.asked())
    assert keys_seen(older, "first")[16, 16] == {64}
    assert keys_seen(older, "first")[8, 8] == {64}
    assert keys_seen(older, "hires") == {
        (32, 32): {256},
        (16, 16): {64},
        (8, 8): {64},
        (4, 4): {16},
    }
    found = report_of(answer)["passes"]
    assert reasons(found["first"]) == ALL_LEFT
    assert pooled(found["hires"]) == BY_TWO


def test_after_its_last_step_ours_pools(older: HostWithOthers) -> None:
    with older.options_set(OLDER_OFF, token_downsampling_disable_after=0.5):
        answer = older.txt2img(steps=4, **POOLING.asked())
    deep = {(seen[2], seen[6]) for seen in rows(older) if seen[4] == (16, 16)}
    assert deep == {(0, 256), (1, 256), (2, 64), (3, 64)}
    assert (steps(report_of(answer)), reasons(report_of(answer))["older_extension"]) == ((2, 4), 16)


def test_switched_off_again_it_leaves_all_to_ours(crowded: HostWithOthers) -> None:
    with crowded.options_set(OLDER_OFF, token_downsampling_factor=2.0):
        crowded.txt2img(steps=1, **POOLING.asked())
    crowded.probe_reset()
    answer = crowded.txt2img(steps=1, **POOLING.asked())
    assert pooled(report_of(answer)) == BY_TWO
    assert "older_extension" not in reasons(report_of(answer))
    assert parameters(infotext(answer))["ToDo factor"] == "2"
    assert keys_seen(crowded, "first")[16, 16] == {64}


def test_pasted_parameters_switch_both_on(crowded: HostWithOthers) -> None:
    """A factor above 1 in the text is a setting of the older one, too; it is told as ever."""
    text = infotext(crowded.txt2img(steps=2, **POOLING.asked()))
    automatic = text.replace("ToDo factor: 2", "ToDo factor: automatic")
    quiet = {"do_not_save_samples": True, "do_not_save_grid": True}
    # set in so many words, or the host would keep what the text says
    with crowded.options_set(OLDER_OFF, token_downsampling_factor=1.0):
        both, ours = (
            report_of(crowded.post("/sdapi/v1/txt2img", {"infotext": pasted, **quiet}))
            for pasted in (text, automatic)
        )
    assert reasons(both) == ALL_LEFT
    assert pooled(ours) == {(1024, 64): 5, (256, 64): 5}
