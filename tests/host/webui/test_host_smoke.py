"""The host starts, generates with both model families, and the probe sees what happens."""

from __future__ import annotations

from typing import Any

import pytest
from host import SMALL, Host, images

STEPS = SMALL["steps"]
LATENT = SMALL["width"] // 8
LEVELS = {"tiny15_a": (1, 2, 4, 8), "tinyxl_a": (2, 4)}
CLEAN: dict[str, list[Any]] = {"classes": [], "instances": [], "hooks": []}


@pytest.mark.parametrize("checkpoint", sorted(LEVELS))
def test_self_attention_is_dense_when_nothing_is_asked(host: Host, checkpoint: str) -> None:
    host.use(checkpoint)
    answer = host.txt2img()
    assert images(answer)[0].startswith(b"\x89PNG")

    seen = host.probe_counts()
    rows = seen["rows"]
    assert seen["unet_calls"] == STEPS
    assert {row["height"] for row in rows} == {LATENT // level for level in LEVELS[checkpoint]}
    assert {row["step"] for row in rows} == set(range(STEPS))
    for row in rows:
        assert row["in_pass"] == "first"
        assert row["queries"] == row["keys"] == row["height"] * row["width"]
    assert host.probe_leftovers() == CLEAN


def test_the_probe_tells_the_passes_apart(host: Host) -> None:
    host.use("tiny15_a")
    host.txt2img(
        width=128,
        height=192,
        steps=2,
        enable_hr=True,
        hr_scale=2,
        hr_upscaler="Latent",
        denoising_strength=1.0,
    )
    seen = host.probe_counts()
    largest = {
        in_pass: max(
            (row["height"], row["width"]) for row in seen["rows"] if in_pass == row["in_pass"]
        )
        for in_pass in ("first", "hires")
    }
    assert largest == {"first": (24, 16), "hires": (48, 32)}
    assert {row["generation"] for row in seen["rows"]} == {1}
    assert seen["unet_calls"] == 4


@pytest.mark.parametrize("where", ["unet", "attention"])
def test_the_probe_raises_inside_a_unet_call(host: Host, where: str) -> None:
    host.probe_fault(
        "raise", unet_call=2, where=where, exception="ValueError", message="on purpose"
    )
    response = host.request("POST", "/sdapi/v1/txt2img", json=SMALL)
    assert response.status_code == 500
    assert "on purpose" in response.text
    assert host.probe_counts()["unet_calls"] == 2


@pytest.mark.parametrize("action", ["interrupt", "skip"])
def test_the_probe_stops_a_generation(host: Host, action: str) -> None:
    host.probe_fault(action, unet_call=2)
    host.txt2img()
    assert host.probe_counts()["unet_calls"] == 2
