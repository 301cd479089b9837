"""Forge and its relatives: beside the built-in extensions that change the same layers."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from expect import CLEAN, Pass, Pooling, check, first_pixels, keys_seen, picture
from host import Host
from kinds import FORGES
from phases_seen import phases
from told import pooled, reasons, report_of, steps

pytestmark = pytest.mark.kinds(*FORGES)
POOLING = Pooling(factor=2, threshold=8)
# every layer, those of the middle block too
EVERYWHERE = Pooling(factor=2, deep_factor=2, threshold=1)


def asked(host: Host, pooling: Pooling, name: str, *args: Any, **more: Any) -> dict[str, Any]:
    """ToDo beside a built-in script whose title begins so; skips where the host has none."""
    found = [
        script
        for script in host.get("/sdapi/v1/script-info")
        if script["name"].startswith(name) and not script["is_img2img"]
    ]
    assert bool(found) != (name in host.kind.lacks)
    if not found:
        pytest.skip(f"{host.kind.name} has no {name}")
    values = [*args, *(arg["value"] for arg in found[0]["args"][len(args) :])]
    ours = pooling.asked(**more)["alwayson_scripts"]
    return {"alwayson_scripts": {**ours, found[0]["name"]: {"args": values}}}


def test_token_merging_keeps_its_layers(host: Host) -> None:
    """Theirs merges the queries alone; the keys are those of the whole grid, and stay so."""
    with host.options_set(token_merging_ratio=0.5):
        alone = host.txt2img(steps=1)
        host.probe_reset()
        answer = host.txt2img(steps=1, **Pooling(factor=2, threshold=16).asked())
        assert first_pixels(answer) == first_pixels(alone)
        assert keys_seen(host)[32] == {(512, 1024)}
        host.probe_reset()
        answer = host.txt2img(steps=1, **POOLING.asked())
        assert keys_seen(host)[16] == {(256, 64)}
        assert reasons(report_of(answer))["other_grid"] == 5


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("selfattentionguidance", (True, 0.5, 2.0)),
        ("perturbedattentionguidance", (True, 3.0)),
        ("freeu", (True, 1.01, 1.02, 0.99, 0.95)),
        ("kohya hrfix", (True, 3, 1.7, 0, 1)),
    ],
)
def test_beside_what_else_changes_the_unet(host: Host, name: str, args: tuple[Any, ...]) -> None:
    """At every level, the middle block's too, where some of these replace the attention."""
    answer = host.txt2img(steps=2, **asked(host, EVERYWHERE, name, *args))
    assert (1024, 256) in pooled(report_of(answer)) or name == "kohya hrfix"
    assert steps(report_of(answer)) == (2, 2)
    if name == "kohya hrfix":
        # by 1.7: a grid that is no power of two below the latent's
        assert (81, 25) in keys_seen(host)[9]
    assert all(row["queries"] >= row["keys"] for row in host.probe_counts()["rows"])
    assert host.probe_leftovers() == CLEAN


def test_hypertile_keeps_its_layers(host: Host) -> None:
    answer = host.txt2img(steps=1, **asked(host, POOLING, "hypertile", True, 128, 2, 1, False))
    assert "other_grid" in reasons(report_of(answer))
    assert all(keys == 1024 for _, keys in keys_seen(host)[32])


def assert_replaced(answer: dict[str, Any]) -> None:
    """Every layer that would be pooled was never called: other code computes the attention."""
    report = report_of(answer)
    assert (pooled(report), reasons(report)) == ({}, {"replaced": 10, "below_threshold": 6})


@pytest.mark.parametrize("module", ["reference_only", "reference_adain+attn"])
def test_a_reference_picture_replaces_the_attention(host: Host, module: str) -> None:
    """The image is the one without ToDo, the line says why, and the next one is pooled again."""
    # takes the style of a picture; at this weight in every layer
    unit = {"enabled": True, "module": module, "model": "None", "weight": 2.0, "threshold_a": 0.5}
    image = base64.b64encode(picture(256, 256)).decode()
    reference = {"ControlNet": {"args": [unit | {"image": image}]}}
    ours = POOLING.asked()["alwayson_scripts"]
    alone = host.txt2img(steps=2, alwayson_scripts=reference)
    host.probe_reset()
    answer = host.txt2img(steps=2, alwayson_scripts=ours | reference)
    assert host.probe_counts()["unet_calls"] == 4
    assert all(row["queries"] == row["keys"] for row in host.probe_counts()["rows"])
    assert first_pixels(answer) == first_pixels(alone) != first_pixels(host.txt2img(steps=2))
    assert_replaced(answer)
    host.probe_reset()
    host.txt2img(steps=1, **POOLING.asked())
    check(host, "tiny15", first=Pass(256, 256, 1, POOLING))


def test_style_align_replaces_the_attention(host: Host) -> None:
    aligned = asked(host, POOLING, "stylealign", True)
    assert_replaced(host.txt2img(steps=1, batch_size=2, **aligned))


def test_spectrum_leaves_steps_out_and_the_phase_moves_with_those_that_run(host: Host) -> None:
    """After two whole steps it predicts every second one; the last one is whole again."""
    # weight, degree, regularisation, window and its growth, whole steps at first, end of the others
    spectrum = (True, 0.25, 6, 0.5, 2, 0, 2, 0.9)
    host.watch_positions()
    answer = host.txt2img(steps=8, **asked(host, POOLING, "spectrum", *spectrum, phase="moving"))
    taken = phases(host.probe_positions())
    assert [phase for _, phase in taken] == [(0, 0), (1, 1), (0, 1), (1, 0), (0, 0)]
    assert host.probe_counts()["unet_calls"] == 5
    assert steps(report_of(answer)) == (5, 8)
    assert host.probe_leftovers() == CLEAN
