"""Forge and its relatives: txt2img, hires fix, img2img; tokens counted from outside."""

from __future__ import annotations

import pytest
from expect import (
    HIRES,
    METHODS,
    PAPER_TEXT,
    Pass,
    Pooling,
    check,
    first_pixels,
    infotext,
    parameters,
    picture,
)
from forge_hosts import ForgeHost, fresh
from requests_shared import THRESHOLDS, check_factor, paint_lower_half
from todo_report import pooled, report_of, steps

POOLING = Pooling(factor=2, threshold=8)
SQUARE = {"width": 128, "height": 128, "steps": 2}
PASSES = (("first", 128), ("hires", 256))


@pytest.fixture
def host(forge_host: ForgeHost) -> ForgeHost:
    return fresh(forge_host)


@pytest.mark.parametrize("factor", [2, 1.5, 0])
@pytest.mark.parametrize("family", sorted(THRESHOLDS))
def test_each_factor(host: ForgeHost, family: str, factor: float) -> None:
    answer = check_factor(host, family, factor)
    assert pooled(report_of(answer))
    assert steps(report_of(answer)) == (2, 2)


def test_sizes_that_no_factor_divides(host: ForgeHost) -> None:
    pooling = Pooling(factor=3, deep_factor=1.5, threshold=6)
    host.txt2img(width=264, height=200, steps=1, **pooling.asked())
    check(host, "tiny15", first=Pass(*host.kind.made(264, 200), 1, pooling))


def test_every_method_pools_as_much_and_makes_its_own_image(host: ForgeHost) -> None:
    made = {"none": first_pixels(host.txt2img(**SQUARE))}
    for method in METHODS:
        host.probe_reset()
        made[method] = first_pixels(host.txt2img(**SQUARE, **POOLING.asked(method=method)))
        check(host, "tiny15", first=Pass(128, 128, 2, POOLING))
    assert len(set(made.values())) == len(made)


def test_a_batch_of_two_and_two_batches(host: ForgeHost) -> None:
    answer = host.txt2img(**SQUARE, batch_size=2, n_iter=2, **POOLING.asked(end=0.5))
    check(host, "tiny15", first=Pass(128, 128, 2, POOLING, pooled_in={0}, calls=2))
    assert len(answer["images"]) == 4
    assert steps(report_of(answer)) == (2, 4)


def test_the_tokens_are_those_of_the_lattice(host: ForgeHost) -> None:
    """The probe, told to pool by its own plain indexing, makes the very same image."""
    size = {"width": 200, "height": 264, "steps": 2}
    host.probe_lattice(factor=3, threshold=8)
    by_hand = first_pixels(host.txt2img(**size))
    host.probe_reset()
    pooling = Pooling(factor=3, deep_factor=3, threshold=8)
    assert first_pixels(host.txt2img(**size, **pooling.asked())) == by_hand
    assert first_pixels(host.txt2img(**size)) != by_hand


@pytest.mark.parametrize("family", sorted(THRESHOLDS))
@pytest.mark.parametrize("wanted", ["both", "first", "hires"])
def test_the_passes_of_hires_fix(host: ForgeHost, family: str, wanted: str) -> None:
    host.use(f"{family}_a")
    pooling = Pooling(threshold=4)
    answer = host.txt2img(**HIRES, **pooling.asked(passes=wanted))
    passes = {
        name: Pass(side, side, 1, pooling if wanted in ("both", name) else None)
        for name, side in PASSES
    }
    check(host, family, **passes)
    assert parameters(infotext(answer)).get("ToDo pass", "both") == wanted


@pytest.mark.parametrize("family", sorted(THRESHOLDS))
def test_a_refiner(host: ForgeHost, family: str) -> None:
    host.use(f"{family}_a")
    pooling = Pooling(threshold=4)
    refiner = {"refiner_checkpoint": f"{family}_b", "refiner_switch_at": 0.5}
    answer = host.txt2img(**SQUARE, **refiner, **pooling.asked())
    check(host, family, first=Pass(128, 128, 2, pooling))
    assert f"Refiner: {family}_b" in infotext(answer)


def test_a_hires_checkpoint(host: ForgeHost) -> None:
    answer = host.txt2img(**HIRES, hr_checkpoint_name="tiny15_b", **POOLING.asked())
    passes = {name: Pass(side, side, 1, POOLING) for name, side in PASSES}
    check(host, "tiny15", **passes)
    assert "Hires checkpoint: tiny15_b" in infotext(answer)


def test_heun_counts_steps_and_not_calls(host: ForgeHost) -> None:
    asked = POOLING.asked(start=0.25, end=0.5)
    answer = host.txt2img(**SQUARE | {"steps": 4}, sampler_name="Heun", **asked)
    check(host, "tiny15", first=Pass(128, 128, 7, POOLING, pooled_in={2, 3}))
    assert steps(report_of(answer)) == (1, 4)


@pytest.mark.parametrize(("scheduler", "rests"), [("Uniform", True), ("Karras", False)])
def test_a_multistep_samplers_phase_rests_where_the_noise_level_leaps(
    host: ForgeHost, scheduler: str, rests: bool
) -> None:
    asked = {"steps": 10, "sampler_name": "DPM++ 2M", "scheduler": scheduler}
    answer = host.txt2img(**SQUARE | asked, **POOLING.asked(phase="moving"))
    assert report_of(answer)["passes"]["first"]["phase_rests"] == (["DPM++ 2M"] if rests else [])


def test_img2img(host: ForgeHost) -> None:
    asked = POOLING.asked(start=0.5)
    answer = host.img2img(
        picture(128, 128), **SQUARE | {"steps": 5}, denoising_strength=0.75, **asked
    )
    check(host, "tiny15", first=Pass(128, 128, 4, POOLING, pooled_in={2, 3}))
    assert parameters(infotext(answer)) == PAPER_TEXT | {
        "ToDo factor": "2",
        "ToDo threshold": "8",
        "ToDo steps": "0.5-1",
    }


@pytest.mark.parametrize("only_masked", [False, True])
def test_inpainting(host: ForgeHost, only_masked: bool) -> None:
    paint_lower_half(host, only_masked, **POOLING.asked())
    check(host, "tiny15", first=Pass(128, 128, 2, POOLING))
