"""Hires fix: both passes and each alone, with other checkpoints in mid-generation."""

from __future__ import annotations

from typing import Any

import pytest
from expect import HIRES, Pass, Pooling, check, infotext, parameters
from host import Host
from kinds import every_kind
from told import reasons, report_of, sizes, steps, used

# automatic: 2 for the first pass' 16×16, 4 for the hires pass' 32×32 and 2 for its 16×16
POOLING = Pooling(threshold=8)


def passes(wanted: str = "both", pooling: Pooling = POOLING, **both: Any) -> dict[str, Pass]:
    """What HIRES is to show when `wanted` is asked for."""
    return {
        name: Pass(side, side, 1, pooling if wanted in ("both", name) else None, **both)
        for name, side in (("first", 128), ("hires", 256))
    }


@every_kind
@pytest.mark.parametrize("family", ["tiny15", "tinyxl"])
@pytest.mark.parametrize("wanted", ["both", "first", "hires"])
def test_the_passes_that_were_asked_for(host: Host, family: str, wanted: str) -> None:
    host.use(f"{family}_a")
    pooling = Pooling(threshold=4)
    answer = host.txt2img(**HIRES, n_iter=2, **pooling.asked(passes=wanted))
    check(host, family, **passes(wanted, pooling, calls=2))
    assert parameters(infotext(answer)).get("ToDo passes", "both") == wanted
    for name, counts in report_of(answer)["passes"].items():
        is_wanted = wanted in ("both", name)
        assert steps(counts) == ((2, 2) if is_wanted else (0, 2))
        assert ("other_pass" in reasons(counts)) is not is_wanted


def test_only_the_hires_pass_is_above_the_threshold(host: Host) -> None:
    pooling = Pooling(threshold=16)
    answer = host.txt2img(**HIRES, **pooling.asked())
    check(host, "tiny15", **passes("hires", pooling))
    assert reasons(report_of(answer)["passes"]["first"]) == {"below_threshold": 16}
    assert used(infotext(answer)) == {"first": {}, "hires": {(32, 32): 256}}


def test_the_window_is_that_of_each_pass(host: Host) -> None:
    more = {"steps": 4, "hr_second_pass_steps": 2, "hr_scale": 1.5}
    host.txt2img(**HIRES | more, **POOLING.asked(start=0.5))
    check(
        host,
        "tiny15",
        first=Pass(128, 128, 4, POOLING, pooled_in={2, 3}),
        hires=Pass(192, 192, 2, POOLING, pooled_in={1}),
    )


@pytest.mark.parametrize(
    ("asked", "first", "second"),
    [
        # from a square: the host makes 264×264 and cuts off what is too much
        (
            {"hr_resize_x": 264, "hr_resize_y": 200, "hr_upscaler": "Lanczos"},
            (128, 128),
            (264, 200),
        ),
        # rounded down to whole latents
        ({"width": 200, "height": 136, "hr_scale": 1.56}, (200, 136), (312, 208)),
    ],
    ids=["cropped", "rounded"],
)
def test_the_sizes_are_those_of_the_picture(
    host: Host, asked: dict[str, Any], first: tuple[int, int], second: tuple[int, int]
) -> None:
    answer = host.txt2img(**HIRES | asked, **POOLING.asked())
    check(host, "tiny15", first=Pass(*first, 1, POOLING), hires=Pass(*second, 1, POOLING))
    assert sizes(report_of(answer)) == {"first": [first], "hires": [second]}


# a and b have configurations of their own: the host builds a new model object for the other one
# c and d share the stock configuration: the host reuses the object and loads other weights
SWAPS = [("tiny15", "ab"), ("tiny15", "cd"), ("tinyxl", "ab"), ("tinyxl", "cd")]


@every_kind
@pytest.mark.parametrize(("family", "letters"), SWAPS)
def test_another_checkpoint_in_mid_generation(host: Host, family: str, letters: str) -> None:
    """For the hires pass, and as the refiner."""
    first, second = (f"{family}_{letter}" for letter in letters)
    pooling = Pooling(threshold=4)
    host.use(first)
    answer = host.txt2img(**HIRES, n_iter=2, hr_checkpoint_name=second, **pooling.asked())
    check(host, family, **passes(pooling=pooling, calls=2))
    assert f"Hires checkpoint: {second}" in infotext(answer)
    host.use(first)
    size = {"width": 128, "height": 128, "steps": 2, "n_iter": 2}
    refiner = {"refiner_checkpoint": second, "refiner_switch_at": 0.5}
    answer = host.txt2img(**size, **refiner, **pooling.asked())
    check(host, family, first=Pass(128, 128, 2, pooling, calls=2))
    assert f"Refiner: {second}" in infotext(answer)


def test_a_hires_checkpoint_and_a_refiner_after_it(host: Host) -> None:
    answer = host.txt2img(
        **HIRES | {"hr_second_pass_steps": 2},
        hr_checkpoint_name="tiny15_b",
        refiner_checkpoint="tiny15_c",
        refiner_switch_at=0.5,
        **POOLING.asked(start=0.5, passes="hires"),
    )
    hires = Pass(256, 256, 2, POOLING, pooled_in={1})
    check(host, "tiny15", first=Pass(128, 128, 1, None), hires=hires)
    assert "Refiner: tiny15_c" in infotext(answer)


def test_a_checkpoint_that_the_host_keeps_in_memory(host: Host) -> None:
    """Such a switch loads nothing and leaves the attention's forward as it was."""
    with host.options_set(sd_checkpoints_limit=2):
        for _ in range(2):
            host.probe_reset()
            host.txt2img(**HIRES, hr_checkpoint_name="tiny15_b", **POOLING.asked())
            check(host, "tiny15", **passes())
