"""Hires fix: both passes and each alone, with other checkpoints in mid-generation."""

from __future__ import annotations

from typing import Any

import pytest
from expect import HIRES, Pass, Pooling, check, infotext, parameters
from host import Host
from kinds import every_kind
from told import reasons, report_of, sizes, steps

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


# the request beside HIRES, the settings, and what each pass is to show
WORKFLOWS: dict[str, tuple[dict[str, Any], dict[str, Any], Pass, Pass]] = {
    "only the second is above the threshold": (
        *({}, {"threshold": 16}),
        *(Pass(128, 128, 1, None), Pass(256, 256, 1, Pooling(threshold=16))),
    ),
    "the window is that of each pass": (
        {"steps": 4, "hr_second_pass_steps": 2, "hr_scale": 1.5},
        {"start": 0.5},
        Pass(128, 128, 4, POOLING, pooled_in={2, 3}),
        Pass(192, 192, 2, POOLING, pooled_in={1}),
    ),
    # from a square: the host makes 264×264 and cuts off what is too much
    "cropped": (
        *({"hr_resize_x": 264, "hr_resize_y": 200, "hr_upscaler": "Lanczos"}, {}),
        *(Pass(128, 128, 1, POOLING), Pass(264, 200, 1, POOLING)),
    ),
    "rounded down to whole latents": (
        *({"width": 200, "height": 136, "hr_scale": 1.56}, {}),
        *(Pass(200, 136, 1, POOLING), Pass(312, 208, 1, POOLING)),
    ),
    "another checkpoint, and then a refiner": (
        {
            "hr_second_pass_steps": 2,
            "hr_checkpoint_name": "tiny15_b",
            "refiner_checkpoint": "tiny15_c",
            "refiner_switch_at": 0.5,
        },
        {"start": 0.5, "passes": "hires"},
        Pass(128, 128, 1, None),
        Pass(256, 256, 2, POOLING, pooled_in={1}),
    ),
}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow(host: Host, name: str) -> None:
    body, settings, first, second = WORKFLOWS[name]
    answer = host.txt2img(**HIRES | body, **POOLING.asked(**settings))
    check(host, "tiny15", first=first, hires=second)
    made = {"first": first, "hires": second}
    assert sizes(report_of(answer)) == {key: [(p.width, p.height)] for key, p in made.items()}


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


def test_a_checkpoint_that_the_host_keeps_in_memory(host: Host) -> None:
    """Such a switch loads nothing and leaves the attention's forward as it was."""
    with host.options_set(sd_checkpoints_limit=2):
        for _ in range(2):
            host.probe_reset()
            host.txt2img(**HIRES, hr_checkpoint_name="tiny15_b", **POOLING.asked())
            check(host, "tiny15", **passes())
