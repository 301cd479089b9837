"""img2img and inpainting: the steps that are really run, any size, a mask."""

from __future__ import annotations

import pytest
from expect import Pass, Pooling, check, picture
from host import Host
from requests_shared import paint_lower_half
from todo_report import reasons, report_of, steps

POOLING = Pooling(factor=2, deep_factor=1, threshold=8)
SQUARE = {"width": 128, "height": 128}


@pytest.mark.parametrize(
    ("start", "end", "pooled_in"),
    [(0.0, 1.0, {0, 1, 2, 3, 4}), (0.4, 0.8, {2, 3}), (0.0, 0.5, {0, 1, 2}), (0.9, 1.0, set())],
)
def test_the_window_is_that_of_the_steps_really_run(
    host: Host, start: float, end: float, pooled_in: set[int]
) -> None:
    """Of 8 steps at denoising 0.5 the host runs 5, and these five are what start and end divide."""
    host.use("tiny15_a")
    answer = host.img2img(
        picture(128, 128),
        denoising_strength=0.5,
        steps=8,
        **SQUARE,
        **POOLING.asked(start=start, end=end),
    )
    check(host, "tiny15", first=Pass(128, 128, 5, POOLING, pooled_in))
    assert steps(report_of(answer)) == (len(pooled_in), 5)
    assert reasons(report_of(answer)).get("outside_window", 0) == (0 if len(pooled_in) == 5 else 5)


@pytest.mark.parametrize("sampler", ["Heun", "DPM++ SDE"])
def test_samplers_of_two_calls_a_step(host: Host, sampler: str) -> None:
    """Five steps of two model calls, the last of one: the second half begins with the sixth."""
    host.use("tiny15_a")
    host.img2img(
        picture(128, 128),
        denoising_strength=0.5,
        steps=8,
        sampler_name=sampler,
        **SQUARE,
        **POOLING.asked(start=0.5),
    )
    check(host, "tiny15", first=Pass(128, 128, 9, POOLING, pooled_in={5, 6, 7, 8}))


def test_sdxl(host: Host) -> None:
    host.use("tinyxl_a")
    pooling = Pooling(threshold=4)
    host.img2img(
        picture(264, 136), denoising_strength=1, steps=1, width=264, height=136, **pooling.asked()
    )
    check(host, "tinyxl", first=Pass(264, 136, 1, pooling))


@pytest.mark.parametrize("size", [(520, 328), (1000, 200)], ids=str)
def test_sizes_that_no_factor_divides(host: Host, size: tuple[int, int]) -> None:
    host.use("tiny15_a")
    width, height = size
    pooling = Pooling(factor=3, threshold=20)
    # Resized in the latent (mode 3) from another size.
    host.img2img(
        picture(256, 256),
        resize_mode=3,
        denoising_strength=0.1,
        steps=4,
        width=width,
        height=height,
        **pooling.asked(),
    )
    check(host, "tiny15", first=Pass(width, height, 1, pooling))


@pytest.mark.parametrize("only_masked", [False, True])
def test_inpainting(host: Host, only_masked: bool) -> None:
    host.use("tiny15_a")
    paint_lower_half(host, only_masked, **POOLING.asked(end=0.5))
    check(host, "tiny15", first=Pass(128, 128, 2, POOLING, pooled_in={0}))
