"""txt2img: every self-attention layer keeps its queries and gets exactly the keys it should."""

from __future__ import annotations

from typing import Any

import pytest
from expect import (
    HIRES,
    LAYERS,
    METHODS,
    Pass,
    Pooling,
    check,
    first_pixels,
    infotext,
    parameters,
    todo,
)
from host import Host
from requests_shared import THRESHOLDS, check_factor
from todo_report import Pooled, pooled, report_of, steps, used


@pytest.mark.parametrize("factor", [2, 1.5, 0])
@pytest.mark.parametrize("family", sorted(THRESHOLDS))
def test_each_factor(host: Host, family: str, factor: float) -> None:
    check_factor(host, family, factor)


@pytest.mark.parametrize(
    ("family", "counted"),
    [("tiny15", {(1024, 121): 5, (256, 64): 5}), ("tinyxl", {(256, 36): 10})],
)
def test_the_factor_of_the_largest_grid_and_of_deeper_ones(
    host: Host, family: str, counted: Pooled
) -> None:
    host.use(f"{family}_a")
    threshold = {"tiny15": 12, "tinyxl": 8}[family]
    pooling = Pooling(factor=3, deep_factor=2, threshold=threshold)
    answer = host.txt2img(steps=1, **pooling.asked())
    check(host, family, first=Pass(256, 256, 1, pooling))
    assert (pooled(report_of(answer)), steps(report_of(answer))) == (counted, (1, 1))
    assert report_of(answer)["layers"] == sum(LAYERS[family].values())


def test_a_factor_of_one_leaves_that_depth_alone(host: Host) -> None:
    host.use("tiny15_a")
    pooling = Pooling(factor=2, deep_factor=1, threshold=8)
    host.txt2img(steps=1, **pooling.asked())
    check(host, "tiny15", first=Pass(256, 256, 1, pooling))


@pytest.mark.parametrize(
    ("family", "pooling"),
    [
        ("tiny15", Pooling(threshold=32)),
        ("tiny15", Pooling(factor=1.5, threshold=40)),
        ("tinyxl", Pooling(factor=2, threshold=16)),
    ],
    ids=repr,
)
def test_512_by_768(host: Host, family: str, pooling: Pooling) -> None:
    host.use(f"{family}_a")
    host.txt2img(width=512, height=768, steps=1, **pooling.asked())
    check(host, family, first=Pass(512, 768, 1, pooling))


@pytest.mark.parametrize("family", sorted(THRESHOLDS))
def test_every_method_pools_as_much_and_makes_its_own_image(host: Host, family: str) -> None:
    host.use(f"{family}_a")
    pooling = Pooling(factor=3, deep_factor=3, threshold=THRESHOLDS[family])
    made = {"none": first_pixels(host.txt2img(steps=1))}
    for method in METHODS:
        host.probe_reset()
        answer = host.txt2img(steps=1, **pooling.asked(method=method))
        check(host, family, first=Pass(256, 256, 1, pooling))
        told = parameters(infotext(answer)).get("ToDo method", "nearest")
        assert told == method
        made[method] = first_pixels(answer)
    assert len(set(made.values())) == len(made)


@pytest.mark.parametrize("family", sorted(THRESHOLDS))
def test_the_tokens_are_those_of_the_lattice(host: Host, family: str) -> None:
    """The probe, told to pool by its own plain indexing, makes the very same image."""
    host.use(f"{family}_a")
    size = {"width": 200, "height": 328, "steps": 2}
    host.probe_lattice(factor=3, threshold=8)
    by_hand = first_pixels(host.txt2img(**size))
    host.probe_reset()
    pooling = Pooling(factor=3, deep_factor=3, threshold=8)
    assert first_pixels(host.txt2img(**size, **pooling.asked())) == by_hand
    check(host, family, first=Pass(200, 328, 2, pooling))
    host.probe_reset()
    assert first_pixels(host.txt2img(**size)) != by_hand


def test_positions_mean_the_same_as_names(host: Host) -> None:
    host.use("tiny15_a")
    pooling = Pooling(factor=2, deep_factor=1.5, threshold=12)
    by_name = host.txt2img(steps=2, **pooling.asked(method="max", start=0.5, end=1, passes="first"))
    check(host, "tiny15", first=Pass(256, 256, 2, pooling, pooled_in={1}))
    host.probe_reset()
    by_position = host.txt2img(
        steps=2, **todo(True, 2, 1.5, 12, 1, 0, "max", "fixed", 0.5, 1, "first")
    )
    check(host, "tiny15", first=Pass(256, 256, 2, pooling, pooled_in={1}))
    assert by_name["images"] == by_position["images"]


@pytest.mark.parametrize(
    ("size", "factor"),
    [((520, 328), 2), ((520, 328), 1.5), ((1000, 200), 1.5), ((1000, 200), 0)],
    ids=str,
)
def test_sizes_that_no_factor_divides(host: Host, size: tuple[int, int], factor: float) -> None:
    host.use("tiny15_a")
    width, height = size
    pooling = Pooling(factor, threshold=20)
    host.txt2img(width=width, height=height, steps=1, **pooling.asked())
    check(host, "tiny15", first=Pass(width, height, 1, pooling))


@pytest.mark.parametrize(
    ("sampler", "evaluations", "pooled_in", "counted"),
    [
        # Two model calls a step, but one in the last: 2·4 - 1. Of the eight that are planned, a
        # window from a quarter to a half holds the third and the fourth, the second step.
        ("Heun", 7, {2, 3}, (1, 4)),
        ("DPM++ SDE", 7, {2, 3}, (1, 4)),
        ("Euler", 4, {1}, (1, 4)),
        # The host's DDIM leaves out the last of its steps.
        ("DDIM", 3, {1}, (1, 3)),
    ],
)
def test_steps_of_each_kind_of_sampler(
    host: Host, sampler: str, evaluations: int, pooled_in: set[int], counted: tuple[int, int]
) -> None:
    host.use("tiny15_a")
    pooling = Pooling(factor=2, threshold=8)
    size = {"width": 128, "height": 128}
    answer = host.txt2img(
        sampler_name=sampler, steps=4, **size, **pooling.asked(start=0.25, end=0.5)
    )
    check(host, "tiny15", first=Pass(128, 128, evaluations, pooling, pooled_in))
    assert steps(report_of(answer)) == counted
    assert parameters(infotext(answer))["ToDo steps"] == "0.25-0.5"


def test_cond_and_uncond_apart(host: Host) -> None:
    """A prompt longer than the negative one takes two U-Net calls a step; steps are not halved."""
    host.use("tiny15_a")
    pooling = Pooling(factor=2, threshold=8)
    answer = host.txt2img(
        prompt="a very long prompt, " * 30,
        width=128,
        height=128,
        steps=4,
        **pooling.asked(start=0.5),
    )
    check(host, "tiny15", first=Pass(128, 128, 4, pooling, pooled_in={2, 3}, calls=2))
    assert steps(report_of(answer)) == (2, 4)


def test_a_batch_of_two_and_two_batches(host: Host) -> None:
    host.use("tiny15_a")
    pooling = Pooling(factor=2, threshold=8)
    size = {"width": 128, "height": 128, "steps": 2}
    answer = host.txt2img(batch_size=2, n_iter=2, **size, **pooling.asked(end=0.5))
    check(host, "tiny15", first=Pass(128, 128, 2, pooling, pooled_in={0}, calls=2))
    assert len(answer["images"]) == 4
    assert {row["batch"] for row in host.probe_counts()["rows"]} == {4}


@pytest.mark.parametrize("family", sorted(THRESHOLDS))
@pytest.mark.parametrize("preset", ["paper", "close", "balanced", "fast"])
def test_each_preset_by_the_papers_factors_in_few_steps(
    host: Host, family: str, preset: str
) -> None:
    """Two steps are too few to average over, so the rule makes every preset the paper's."""
    host.use(f"{family}_a")
    for width, height in ((512, 512), (832, 640)):
        host.probe_reset()
        answer = host.txt2img(width=width, height=height, steps=2, **todo(preset=preset))
        wanted = Pass(width, height, 2, Pooling())
        check(host, family, first=wanted)
        assert parameters(infotext(answer))["ToDo preset"] == preset


@pytest.mark.parametrize(
    ("settings", "by_side"),
    [
        ({"preset": "paper", "threshold": 8}, {16: 2}),
        # ratio 1.33: by the paper's factor of 1 in the only step there is, a first one
        ({"preset": "balanced", "threshold": 12}, {}),
        ({"factor": 3, "deep_factor": 1.5, "threshold": 8}, {16: 3, 8: 1.5, 4: 1.5, 2: 1.5}),
        ({"threshold": 16}, {}),
        ({"threshold": 8, "passes": "hires"}, {}),
        ({"threshold": 8, "end": 0}, {}),
    ],
)
def test_the_text_tells_the_factors_that_were_used(
    host: Host, settings: dict[str, Any], by_side: dict[int, float]
) -> None:
    """For the reader: what `automatic` came to, and where nothing was pooled."""
    host.use("tiny15_a")
    text = infotext(host.txt2img(width=128, height=128, steps=1, **todo(**settings)))
    assert used(text) == {"first": {(side, side): by for side, by in by_side.items()}}


def test_the_text_tells_the_factors_of_each_pass(host: Host) -> None:
    host.use("tiny15_a")
    text = infotext(host.txt2img(**HIRES, **Pooling(threshold=8).asked()))
    assert used(text) == {"first": {(16, 16): 2}, "hires": {(32, 32): 4, (16, 16): 2}}
