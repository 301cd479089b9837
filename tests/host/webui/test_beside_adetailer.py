"""ADetailer repaints a part of the image, in a generation inside the outer one.

Its detector is a fixed box here. It runs only those scripts inside that its settings name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from expect import Pooling, first_pixels, infotext, parameters
from host_with_others import ADETAILER, HostWithOthers, needs, rows, together
from other_extension_cases import adetailer
from todo_report import line, pooled, reasons, report_of, steps

pytestmark = needs(ADETAILER)

# By 2 in the outer 16×16 tokens, by 4 in the inner 32×32.
AUTOMATIC = Pooling(threshold=8)
BY_TWO = Pooling(factor=2, deep_factor=2, threshold=8)
INNER_SCRIPTS = "dynamic_thresholding,soft_inpainting"


def runs_inside(host: HostWithOthers, todo: bool) -> AbstractContextManager[None]:
    """Have ToDo among the scripts that ADetailer runs inside, or not."""
    names = f"{INNER_SCRIPTS},todo" if todo else INNER_SCRIPTS
    return host.options_set({"ad_script_names": INNER_SCRIPTS}, ad_script_names=names)


@pytest.fixture
def inside(crowded: HostWithOthers) -> Iterator[HostWithOthers]:
    """The host with ToDo among those scripts."""
    with runs_inside(crowded, True):
        yield crowded


def keys_seen(host: HostWithOthers) -> dict[int, dict[tuple[int, int], set[int]]]:
    """By generation: the numbers of keys that its two largest grids were seen with."""
    found: dict[int, dict[tuple[int, int], set[int]]] = {}
    for generation, _, _, _, grid, _, keys in rows(host):
        if min(grid) >= 16:
            found.setdefault(generation, {}).setdefault(grid, set()).add(keys)
    return found


@pytest.mark.parametrize("asked", [False, True])
def test_inside_it_runs_only_if_asked_and_by_the_inner_size(
    crowded: HostWithOthers, asked: bool
) -> None:
    """Outer and inner by turns, twice: neither leaks into the other, nothing is lost after it.

    Line and text are the outer generation's.
    """
    body = together(adetailer(), {"steps": 2, "n_iter": 2}, AUTOMATIC.asked())
    before = crowded.probe_leftovers()
    with runs_inside(crowded, asked):
        answer = crowded.txt2img(**body)
    outer = {(16, 16): {64}}
    inner = {(32, 32): {64 if asked else 1024}, (16, 16): {64 if asked else 256}}
    assert keys_seen(crowded) == {1: outer, 2: inner, 3: outer, 4: inner}
    assert (pooled(report_of(answer)), steps(report_of(answer))) == ({(256, 64): 5}, (4, 4))
    assert parameters(infotext(answer))["ToDo threshold"] == "8"
    # those of other extensions' earlier images
    assert crowded.probe_leftovers() == before


def test_asked_the_image_is_the_one_pooled_by_hand(inside: HostWithOthers) -> None:
    answer = inside.txt2img(**together(adetailer(), {"steps": 2}, BY_TWO.asked()))
    inside.probe_reset()
    inside.probe_lattice(2, 8)
    by_hand = inside.txt2img(**together(adetailer(), {"steps": 2}))
    assert first_pixels(answer) == first_pixels(by_hand)


def test_off_is_off_inside_too(inside: HostWithOthers, without_todo: dict[str, bytes]) -> None:
    answer = inside.txt2img(**together(adetailer(), {"steps": 2}))
    assert first_pixels(answer) == without_todo["ADetailer"]
    assert keys_seen(inside) == {1: {(16, 16): {256}}, 2: {(32, 32): {1024}, (16, 16): {256}}}
    assert line(answer) is None


def test_only_the_inner_generation_is_above_the_threshold(inside: HostWithOthers) -> None:
    answer = inside.txt2img(
        **together(adetailer(), {"steps": 2}, Pooling(factor=2, threshold=16).asked())
    )
    assert keys_seen(inside) == {1: {(16, 16): {256}}, 2: {(32, 32): {256}, (16, 16): {256}}}
    assert reasons(report_of(answer)) == {"below_threshold": 16}
