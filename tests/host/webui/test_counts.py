"""Every self-attention layer keeps its queries and gets exactly the keys it should."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from expect import (
    LAYERS,
    METHODS,
    Pass,
    Pooling,
    check,
    first_pixels,
    infotext,
    lower_half,
    parameters,
    picture,
)
from host import Host
from kinds import every_kind, everywhere
from told import reasons, report_of, steps

BY_TWO = Pooling(factor=2, threshold=8)
SQUARE: dict[str, Any] = {"width": 128, "height": 128}
# 256×256 pixels give SD 1.5 grids of 32, 16, 8, 4 a side and SDXL 16, 8
CASES = [
    *[("tiny15", (256, 256), Pooling(factor, threshold=12)) for factor in (2, 1.5, 0)],
    *[("tinyxl", (256, 256), Pooling(factor, threshold=6)) for factor in (2, 1.5, 0)],
    ("tiny15", (256, 256), Pooling(3, 2, threshold=12)),
    ("tinyxl", (256, 256), Pooling(3, 2, threshold=8)),
    ("tiny15", (256, 256), Pooling(2, 1, threshold=8)),
    ("tiny15", (256, 384), Pooling(1.5, threshold=30)),
    # sizes that no factor divides
    ("tiny15", (520, 328), Pooling(3, 1.5, threshold=20)),
    ("tiny15", (1000, 200), Pooling(threshold=20)),
]


@everywhere
@pytest.mark.parametrize(("family", "size", "pooling"), CASES, ids=str)
def test_every_layer_gets_its_keys(
    host: Host, family: str, size: tuple[int, int], pooling: Pooling
) -> None:
    host.use(f"{family}_a")
    answer = host.txt2img(width=size[0], height=size[1], steps=2, **pooling.asked())
    check(host, family, first=Pass(*host.kind.made(*size), 2, pooling))
    report = report_of(answer)
    assert (steps(report), report["layers"]) == ((2, 2), sum(LAYERS[family].values()))
    factor = f"{pooling.factor:g}" if pooling.factor else "automatic"
    assert parameters(infotext(answer))["ToDo factor"] == factor


@everywhere
def test_every_method_pools_as_much_and_makes_its_own_image(host: Host) -> None:
    pooling = Pooling(factor=3, deep_factor=3, threshold=12)
    made = {"none": first_pixels(host.txt2img(steps=1))}
    for method in METHODS:
        host.probe_reset()
        answer = host.txt2img(steps=1, **pooling.asked(method=method))
        check(host, "tiny15", first=Pass(256, 256, 1, pooling))
        assert parameters(infotext(answer)).get("ToDo method", "nearest") == method
        made[method] = first_pixels(answer)
    assert len(set(made.values())) == len(made)


@every_kind
@pytest.mark.parametrize("family", ["tiny15", "tinyxl"])
def test_the_tokens_are_those_of_the_lattice(host: Host, family: str) -> None:
    """The probe, told to pool by its own plain indexing, makes the very same image."""
    host.use(f"{family}_a")
    size = {"width": 200, "height": 328, "steps": 2}
    host.probe_lattice(factor=3, threshold=8)
    by_hand = first_pixels(host.txt2img(**size))
    host.probe_reset()
    pooling = Pooling(factor=3, deep_factor=3, threshold=8)
    assert first_pixels(host.txt2img(**size, **pooling.asked())) == by_hand
    assert first_pixels(host.txt2img(**size)) != by_hand


# the titles that the option wants, with the name that the host logs
OPTIMISATIONS = {
    "sdp - scaled dot product": "sdp",
    "sdp-no-mem - scaled dot product without memory efficient attention": "sdp-no-mem",
    "sub-quadratic": "sub-quadratic",
    "Doggettx": "Doggettx",
    "InvokeAI": "InvokeAI",
    "V1 - original v1": "V1",
    "None": None,
}


@pytest.mark.parametrize("family", ["tiny15", "tinyxl"])
@pytest.mark.parametrize("title", OPTIMISATIONS)
def test_with_each_optimisation_the_image_is_the_one_pooled_by_hand(
    host: Host, family: str, title: str
) -> None:
    host.use(f"{family}_a")
    pooling = Pooling(factor=2, deep_factor=2, threshold=6)
    size = {"width": 192, "height": 136, "steps": 1}
    # from another one, so that there is a change to be seen in the log
    other = "Doggettx" if title.startswith("sdp") else "sdp - scaled dot product"
    with host.options_set(cross_attention_optimization=other):
        with host.log_since() as log:
            host.set_options(cross_attention_optimization=title)
        name = OPTIMISATIONS[title]
        said = f"Applying attention optimization: {name}..." if name else "Disabling attention"
        assert said in "\n".join(log)
        host.probe_lattice(factor=2, threshold=6)
        by_hand = first_pixels(host.txt2img(**size))
        host.probe_reset()
        assert first_pixels(host.txt2img(**size, **pooling.asked())) == by_hand
        check(host, family, first=Pass(192, 136, 1, pooling))


@every_kind
@pytest.mark.parametrize(
    ("sampler", "evaluations", "pooled_in", "counted"),
    [
        # Two model calls a step, but one in the last: 2·4 - 1. Of the eight that are planned, a
        # window from a quarter to a half holds the third and the fourth, the second step.
        ("Heun", 7, {2, 3}, (1, 4)),
        ("DPM++ SDE", 7, {2, 3}, (1, 4)),
        ("Euler", 4, {1}, (1, 4)),
    ],
)
def test_a_window_of_each_kind_of_sampler(
    host: Host, sampler: str, evaluations: int, pooled_in: set[int], counted: tuple[int, int]
) -> None:
    answer = host.txt2img(sampler_name=sampler, **SQUARE, **BY_TWO.asked(start=0.25, end=0.5))
    check(host, "tiny15", first=Pass(128, 128, evaluations, BY_TWO, pooled_in))
    assert steps(report_of(answer)) == counted
    assert parameters(infotext(answer))["ToDo steps"] == "0.25-0.5"


@every_kind
def test_a_batch_of_two_and_two_batches(host: Host) -> None:
    several = {"batch_size": 2, "n_iter": 2, "steps": 2}
    answer = host.txt2img(**SQUARE, **several, **BY_TWO.asked(end=0.5))
    check(host, "tiny15", first=Pass(128, 128, 2, BY_TWO, pooled_in={0}, calls=2))
    assert len(answer["images"]) == 4
    assert {row["batch"] for row in host.probe_counts()["rows"]} == {4}


@every_kind
@pytest.mark.parametrize(
    ("start", "end", "pooled_in"),
    [(0.0, 1.0, {0, 1, 2, 3, 4}), (0.4, 0.8, {2, 3}), (0.9, 1.0, set())],
)
def test_in_img2img_the_window_is_that_of_the_steps_really_run(
    host: Host, start: float, end: float, pooled_in: set[int]
) -> None:
    """Of 8 steps at denoising 0.5 the host runs 5, and these five are what start and end divide."""
    pooling = Pooling(factor=2, deep_factor=1, threshold=8)
    strength = {"denoising_strength": 0.5, "steps": 8}
    asked = pooling.asked(start=start, end=end)
    answer = host.img2img(picture(128, 128), **SQUARE, **strength, **asked)
    check(host, "tiny15", first=Pass(128, 128, 5, pooling, pooled_in))
    assert steps(report_of(answer)) == (len(pooled_in), 5)
    assert reasons(report_of(answer)).get("outside_window", 0) == (0 if len(pooled_in) == 5 else 5)


@pytest.mark.parametrize(
    ("family", "size", "pooling"),
    [("tinyxl", (264, 136), Pooling(threshold=4)), ("tiny15", (1000, 200), Pooling(3, 0, 20))],
    ids=str,
)
def test_img2img_from_a_picture_of_another_size(
    host: Host, family: str, size: tuple[int, int], pooling: Pooling
) -> None:
    """Resized in the latent."""
    host.use(f"{family}_a")
    asked = {"width": size[0], "height": size[1], "resize_mode": 3, "denoising_strength": 0.1}
    host.img2img(picture(256, 256), **asked, **pooling.asked())
    check(host, family, first=Pass(*size, 1, pooling))


@every_kind
@pytest.mark.parametrize("only_masked", [False, True])
def test_inpainting_keeps_the_half_that_is_not_masked(host: Host, only_masked: bool) -> None:
    original = picture(128, 128)
    answer = host.img2img(
        original,
        mask=base64.b64encode(lower_half(128, 128)).decode(),
        mask_blur=0,
        inpaint_full_res=only_masked,
        inpaint_full_res_padding=0,
        denoising_strength=0.5,
        steps=3,
        **SQUARE,
        **BY_TWO.asked(end=0.5),
    )
    check(host, "tiny15", first=Pass(128, 128, 2, BY_TWO, pooled_in={0}))
    made, before = first_pixels(answer), first_pixels({"images": [base64.b64encode(original)]})
    half = len(before) // 2
    assert made[:half] == before[:half]
    assert made[half:] != before[half:]
