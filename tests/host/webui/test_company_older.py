"""The older ToDo extension beside ours: the tokens are pooled once, and the line says by whom.

It hooks every self-attention layer and replaces whatever context the layer is called with, for as
many calls of the U-Net as the first pass has steps. It knows no threshold.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from company import OLDER, CompanyHost, Row, needs, rows
from company_cases import OLDER_OFF
from expect import HIRES, Pooling, first_pixels, infotext, parameters
from told import line, pooled, reasons, steps, told

pytestmark = needs(OLDER)

POOLING = Pooling(factor=2, deep_factor=2, threshold=8)
ALL_LEFT = {"older_extension": 16}
BY_TWO = {(1024, 256): 5, (256, 64): 5}
# The grids of 256 pixels that neither pools here.
SMALL = {(8, 8): {64}, (4, 4): {16}}
ITS_TEXT = {"ToDo factor": "2.0", "ToDo factor2": "1.0", "ToDo disable after": "1.0"}


@pytest.fixture
def older(company: CompanyHost) -> Iterator[CompanyHost]:
    """The host with the older extension switched on, by 2 in the largest layers."""
    with company.options_set(OLDER_OFF, token_downsampling_factor=2.0):
        yield company


def keys_seen(host: CompanyHost, in_pass: str) -> dict[tuple[int, int], set[int]]:
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
def test_both_on_pool_once(older: CompanyHost, pooling: Pooling) -> None:
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
    assert (pooled(told(both)), reasons(told(both))) == ({}, ALL_LEFT)
    assert parameters(infotext(both)).items() >= ITS_TEXT.items()


def test_with_ours_off_its_text_stays(older: CompanyHost) -> None:
    answer = older.txt2img(steps=1)
    assert parameters(infotext(answer)) == ITS_TEXT
    assert line(answer) is None


def test_in_the_hires_pass_it_rests_and_ours_pools(older: CompanyHost) -> None:
    answer = older.txt2img(**HIRES, **POOLING.asked())
    assert keys_seen(older, "first")[16, 16] == {64}
    assert keys_seen(older, "first")[8, 8] == {64}
    assert keys_seen(older, "hires") == {
        (32, 32): {256},
        (16, 16): {64},
        (8, 8): {64},
        (4, 4): {16},
    }
    found = told(answer)["passes"]
    assert reasons(found["first"]) == ALL_LEFT
    assert pooled(found["hires"]) == BY_TWO


def test_after_its_last_step_ours_pools(older: CompanyHost) -> None:
    with older.options_set(OLDER_OFF, token_downsampling_disable_after=0.5):
        answer = older.txt2img(steps=4, **POOLING.asked())
    deep = {(seen[2], seen[6]) for seen in rows(older) if seen[4] == (16, 16)}
    assert deep == {(0, 256), (1, 256), (2, 64), (3, 64)}
    assert (steps(told(answer)), reasons(told(answer))["older_extension"]) == ((2, 4), 16)


def test_switched_off_again_it_leaves_all_to_ours(company: CompanyHost) -> None:
    with company.options_set(OLDER_OFF, token_downsampling_factor=2.0):
        company.txt2img(steps=1, **POOLING.asked())
    company.probe_reset()
    answer = company.txt2img(steps=1, **POOLING.asked())
    assert pooled(told(answer)) == BY_TWO
    assert "older_extension" not in reasons(told(answer))
    assert parameters(infotext(answer))["ToDo factor"] == "2"
    assert keys_seen(company, "first")[16, 16] == {64}


def test_pasted_parameters_switch_both_on(company: CompanyHost) -> None:
    """A factor above 1 in the text is a setting of the older one, too; it is told as ever."""
    text = infotext(company.txt2img(steps=2, **POOLING.asked()))
    automatic = text.replace("ToDo factor: 2", "ToDo factor: automatic")
    quiet = {"do_not_save_samples": True, "do_not_save_grid": True}
    # set in so many words, or the host would keep what the text says
    with company.options_set(OLDER_OFF, token_downsampling_factor=1.0):
        both, ours = (
            told(company.post("/sdapi/v1/txt2img", {"infotext": pasted, **quiet}))
            for pasted in (text, automatic)
        )
    assert reasons(both) == ALL_LEFT
    assert pooled(ours) == {(1024, 64): 5, (256, 64): 5}
