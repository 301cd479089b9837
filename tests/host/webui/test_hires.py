"""Hires fix: both passes and each alone, with other checkpoints in mid-generation."""

from __future__ import annotations

from typing import Any

import pytest
from expect import HIRES, Pass, Pooling, check, infotext, parameters
from host import Host
from todo_report import pooled, reasons, report_of, steps

# Automatic: 2 for the first pass' 16×16, 4 for the hires pass' 32×32 and 2 for its 16×16.
POOLING = Pooling(threshold=8)


def passes(pooled: str = "both", pooling: Pooling = POOLING, **both: Any) -> dict[str, Pass]:
    """What HIRES is to show when `pooled` is asked for."""
    return {
        name: Pass(side, side, 1, pooling if pooled in ("both", name) else None, **both)
        for name, side in (("first", 128), ("hires", 256))
    }


@pytest.mark.parametrize("wanted", ["both", "first", "hires"])
def test_the_passes_that_were_asked_for(host: Host, wanted: str) -> None:
    host.use("tiny15_a")
    answer = host.txt2img(**HIRES, n_iter=2, **POOLING.asked(passes=wanted))
    check(host, "tiny15", **passes(wanted, calls=2))
    assert parameters(infotext(answer)).get("ToDo pass", "both") == wanted
    for name, counts in report_of(answer)["passes"].items():
        is_wanted = wanted in ("both", name)
        assert steps(counts) == ((2, 2) if is_wanted else (0, 2))
        assert ("other_pass" in reasons(counts)) is not is_wanted


def test_sdxl(host: Host) -> None:
    host.use("tinyxl_a")
    pooling = Pooling(threshold=4)
    host.txt2img(**HIRES, **pooling.asked())
    check(host, "tinyxl", **passes(pooling=pooling))


def test_only_the_hires_pass_is_above_the_threshold(host: Host) -> None:
    host.use("tiny15_a")
    pooling = Pooling(threshold=16)
    answer = host.txt2img(**HIRES, **pooling.asked())
    check(host, "tiny15", **passes("hires", pooling))
    found = report_of(answer)["passes"]
    assert (pooled(found["first"]), steps(found["first"])) == ({}, (0, 1))
    assert reasons(found["first"]) == {"below_threshold": 16}
    assert (pooled(found["hires"]), steps(found["hires"])) == ({(1024, 256): 5}, (1, 1))


def test_the_window_is_that_of_each_pass(host: Host) -> None:
    host.use("tiny15_a")
    steps = {"steps": 4, "hr_second_pass_steps": 2, "hr_scale": 1.5}
    host.txt2img(**HIRES | steps, **POOLING.asked(start=0.5))
    check(
        host,
        "tiny15",
        first=Pass(128, 128, 4, POOLING, pooled_in={2, 3}),
        hires=Pass(192, 192, 2, POOLING, pooled_in={1}),
    )


def test_an_upscaler_of_images_and_a_cropped_size(host: Host) -> None:
    """264×200 from a square: the host makes 264×264 and cuts off what is too much."""
    host.use("tiny15_a")
    resize = {"hr_resize_x": 264, "hr_resize_y": 200, "hr_upscaler": "Lanczos"}
    host.txt2img(**HIRES | resize, **POOLING.asked())
    check(
        host,
        "tiny15",
        first=Pass(128, 128, 1, POOLING),
        hires=Pass(264, 200, 1, POOLING),
    )


# a and b have configurations of their own: the host builds a new model object for the other one.
# c and d share the stock configuration: the host reuses the object and loads other weights.
SWAPS = [("tiny15", "ab"), ("tiny15", "cd"), ("tinyxl", "ab"), ("tinyxl", "cd")]


@pytest.mark.parametrize(("family", "letters"), SWAPS)
def test_a_hires_checkpoint(host: Host, family: str, letters: str) -> None:
    host.use(f"{family}_{letters[0]}")
    pooling = Pooling(threshold=4)
    answer = host.txt2img(
        **HIRES, n_iter=2, hr_checkpoint_name=f"{family}_{letters[1]}", **pooling.asked()
    )
    check(host, family, **passes(pooling=pooling, calls=2))
    assert f"Hires checkpoint: {family}_{letters[1]}" in infotext(answer)


@pytest.mark.parametrize(("family", "letters"), SWAPS)
def test_a_refiner(host: Host, family: str, letters: str) -> None:
    host.use(f"{family}_{letters[0]}")
    pooling = Pooling(threshold=4)
    size = {"width": 128, "height": 128, "steps": 2, "n_iter": 2}
    refiner = {"refiner_checkpoint": f"{family}_{letters[1]}", "refiner_switch_at": 0.5}
    answer = host.txt2img(**size, **refiner, **pooling.asked())
    check(host, family, first=Pass(128, 128, 2, pooling, calls=2))
    assert f"Refiner: {family}_{letters[1]}" in infotext(answer)


def test_a_hires_checkpoint_and_a_refiner_after_it(host: Host) -> None:
    host.use("tiny15_a")
    answer = host.txt2img(
        **HIRES | {"hr_second_pass_steps": 2},
        hr_checkpoint_name="tiny15_b",
        refiner_checkpoint="tiny15_c",
        refiner_switch_at=0.5,
        **POOLING.asked(start=0.5, passes="hires"),
    )
    check(
        host,
        "tiny15",
        first=Pass(128, 128, 1, None),
        hires=Pass(256, 256, 2, POOLING, pooled_in={1}),
    )
    assert "Refiner: tiny15_c" in infotext(answer)


def test_a_checkpoint_that_the_host_keeps_in_memory(host: Host) -> None:
    """Such a switch loads nothing and leaves the attention's forward as it was."""
    host.use("tiny15_a")
    with host.options_set(sd_checkpoints_limit=2):
        for _ in range(2):
            host.probe_reset()
            host.txt2img(**HIRES, hr_checkpoint_name="tiny15_b", **POOLING.asked())
            check(host, "tiny15", **passes())
