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
from told import report_of, steps

BY_TWO = Pooling(factor=2, threshold=8)
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
    step = host.kind.size_step
    made = ((side + step // 2) // step * step for side in size)
    check(host, family, first=Pass(*made, 2, pooling))
    report = report_of(answer)
    assert (steps(report), report["layers"]) == ((2, 2), sum(LAYERS[family].values()))
    factor = f"{pooling.factor:g}" if pooling.factor else "automatic"
    assert parameters(infotext(answer)).get("ToDo factor", "automatic") == factor


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


def is_as_by_hand(host: Host, factor: int, threshold: int, **body: Any) -> None:
    """The probe, told to pool by its own plain indexing, makes the very same image."""
    host.probe_lattice(factor, threshold)
    by_hand = first_pixels(host.txt2img(**body))
    host.probe_reset()
    pooling = Pooling(factor, factor, threshold)
    assert first_pixels(host.txt2img(**body, **pooling.asked())) == by_hand
    assert first_pixels(host.txt2img(**body)) != by_hand


@every_kind
@pytest.mark.parametrize("family", ["tiny15", "tinyxl"])
def test_the_tokens_are_those_of_the_lattice(host: Host, family: str) -> None:
    host.use(f"{family}_a")
    is_as_by_hand(host, 3, 8, width=200, height=328, steps=2)


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
@pytest.mark.parametrize(("title", "name"), OPTIMISATIONS.items())
def test_with_each_optimisation(host: Host, family: str, title: str, name: str | None) -> None:
    host.use(f"{family}_a")
    # from another one, so that there is a change to be seen in the log
    other = "Doggettx" if title.startswith("sdp") else "sdp - scaled dot product"
    with host.options_set(cross_attention_optimization=other):
        with host.log_since() as log:
            host.set_options(cross_attention_optimization=title)
        said = f"Applying attention optimization: {name}..." if name else "Disabling attention"
        assert said in "\n".join(log)
        is_as_by_hand(host, 2, 6, width=192, height=136, steps=1)


IMG2IMG = {"denoising_strength": 0.5, "steps": 8}
MASK = {"mask": base64.b64encode(lower_half(128, 128)).decode(), "mask_blur": 0}
INPAINTED = IMG2IMG | MASK | {"inpaint_full_res": False}
ONLY_MASKED = IMG2IMG | MASK | {"inpaint_full_res": True, "inpaint_full_res_padding": 0}
# the request, Start and End, how often the denoiser runs, in which of these it is pooled, and the
# steps that are told
WORKFLOWS: dict[str, tuple[dict[str, Any], tuple[float, float], int, set[int], tuple[int, int]]] = {
    # Two model calls a step, but one in the last: 2·4 - 1. Of the eight that are planned, a window
    # from a quarter to a half holds the third and the fourth, the second step.
    "Heun": ({"sampler_name": "Heun"}, (0.25, 0.5), 7, {2, 3}, (1, 4)),
    "DPM++ SDE": ({"sampler_name": "DPM++ SDE"}, (0.25, 0.5), 7, {2, 3}, (1, 4)),
    "Euler": ({}, (0.25, 0.5), 4, {1}, (1, 4)),
    "batches": ({"batch_size": 2, "n_iter": 2, "steps": 2}, (0, 0.5), 2, {0}, (2, 4)),
    # of 8 steps at denoising 0.5 the host runs 5, and these five are what start and end divide
    "img2img": (IMG2IMG, (0.4, 0.8), 5, {2, 3}, (2, 5)),
    "img2img, no step": (IMG2IMG, (0.9, 1), 5, set(), (0, 5)),
    "inpainting": (INPAINTED, (0, 0.4), 5, {0, 1}, (2, 5)),
    "inpainting, only masked": (ONLY_MASKED, (0, 0.4), 5, {0, 1}, (2, 5)),
}


@every_kind
@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_and_its_window(host: Host, name: str) -> None:
    body, (start, end), evaluations, pooled_in, counted = WORKFLOWS[name]
    asked = {"width": 128, "height": 128, **body, **BY_TWO.asked(start=start, end=end)}
    if "denoising_strength" in body:
        answer = host.img2img(picture(128, 128), **asked)
    else:
        answer = host.txt2img(**asked)
    expected = Pass(128, 128, evaluations, BY_TWO, pooled_in, calls=body.get("n_iter", 1))
    check(host, "tiny15", first=expected)
    assert steps(report_of(answer)) == counted
    text = parameters(infotext(answer))
    assert (text.get("ToDo start", "0"), text.get("ToDo end", "1")) == (f"{start:g}", f"{end:g}")
    assert {row["batch"] for row in host.probe_counts()["rows"]} == {2 * body.get("batch_size", 1)}
