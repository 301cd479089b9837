"""Beside what SD.Next has itself: ToDo, HyperTile and HiDiffusion, and ToMe, which does nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from expect import CLEAN, all_pixels, todo
from host import Host
from told import pooled, reasons, report_of

pytestmark = pytest.mark.kinds("sdnext")
ON = todo(threshold=12, factor=2, deep_factor=1)
POOLED = {(1024, 256): 5}
# by name: the options that switch it on, and the reason for its layers
OWN: dict[str, tuple[dict[str, Any], str]] = {
    "ToDo": ({"token_merging_method": "ToDo", "todo_ratio": 0.5}, "other_reduction"),
    "HyperTile": (
        {"hypertile_unet_enabled": True, "hypertile_unet_tile": 64, "hypertile_unet_min_tile": 64},
        "hypertile",
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_its_layers_are_left_to_it(host: Host, name: str) -> None:
    options, reason = OWN[name]
    host.use("wide15")
    plain = all_pixels(host.txt2img())
    with host.options_set(**options):
        alone = all_pixels(host.txt2img())
        host.probe_reset()
        both = host.txt2img(**ON)
    assert alone != plain, f"{name} changes nothing here"
    assert all_pixels(both) == alone
    told = report_of(both)
    assert pooled(told) == {}
    assert reason in reasons(told)
    assert all_pixels(host.txt2img()) == plain
    assert pooled(report_of(host.txt2img(**ON))) == POOLED
    assert host.probe_leftovers()["classes"] == CLEAN["classes"]


def test_its_tome_does_nothing(host: Host) -> None:
    """Before it samples, the host takes HiDiffusion off, and with it tomesd's blocks."""
    host.use("wide15")
    plain, pooled_alone = all_pixels(host.txt2img()), all_pixels(host.txt2img(**ON))
    with host.options_set(token_merging_method="ToMe", tome_ratio=0.5):
        assert all_pixels(host.txt2img()) == plain
        both = host.txt2img(**ON)
    assert all_pixels(both) == pooled_alone
    assert pooled(report_of(both)) == POOLED


@pytest.mark.parametrize("checkpoint", ["tiny15", "tinyxl"])
def test_hidiffusion_keeps_its_windows(
    host: Host, monkeypatch: pytest.MonkeyPatch, checkpoint: str
) -> None:
    """The layers that see windows are left to it; the others are pooled, by the grids it makes."""
    # it changes a layer's grid in mid-sampling, so what is told is held against the probe here
    monkeypatch.setattr(host, "tells_all", False)
    host.use(checkpoint)
    plain, alone = (all_pixels(host.txt2img(width=512, hidiffusion=on)) for on in (False, True))
    assert alone != plain, "HiDiffusion changes nothing here"
    # only the windows' level would be pooled
    both = host.txt2img(width=512, hidiffusion=True, **ON)
    assert all_pixels(both) == alone
    assert pooled(report_of(both)) == {}
    assert "other_grid" in reasons(report_of(both))
    host.probe_reset()
    asked = todo(threshold=12, factor=2, deep_factor=2)
    told = report_of(host.txt2img(width=512, hidiffusion=True, **asked))
    seen = {(row["queries"], row["keys"], row["layer"]) for row in host.probe_counts()["rows"]}
    assert pooled(told) == Counter((many, few) for many, few, _ in seen if many != few) != {}
    assert "other_grid" in reasons(told)
    assert all_pixels(host.txt2img(width=512)) == plain
    assert host.probe_leftovers()["classes"] == CLEAN["classes"]
