"""Hosts with other people's extensions beside ours, and how these are used.

SD_WEBUI_EXTENSIONS names a folder of checkouts, each named as its repository. One that is missing
is left out of the hosts, and its tests are skipped.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from expect import Pooling
from host import CHECKPOINT, REPOSITORY, TEST_EXTENSIONS, Host

HELP = TEST_EXTENSIONS / "help_others"

ADETAILER = "adetailer"
CONTROLNET = "sd-webui-controlnet"
DEEPCACHE = "sd-webui-deepcache-standalone"
TILED_DIFFUSION = "multidiffusion-upscaler-for-automatic1111"
REGIONAL_PROMPTER = "sd-webui-regional-prompter"
FREEU = "sd-webui-freeu"
GUIDANCE = "sd_webui_SAG"
THRESHOLDING = "sd-dynamic-thresholding"
OLDER = "sd-webui-token-downsampling"
DYNAMIC_PROMPTS = "sd-dynamic-prompts"
INCANTATIONS = "sd-webui-incantations"
AGENT_ATTENTION = "sd-webui-agentattention"
NEGPIP = "sd-webui-negpip"
ANIMATEDIFF = "sd-webui-animatediff"
SMEA = "Euler-Smea-Dyn-Sampler"
# not among NAMES: these are a script of img2img and a part of the page
ULTIMATE_UPSCALE = "ultimate-upscale-for-automatic1111"
CONFIG_PRESETS = "Config-Presets"
NAMES = (
    *(ADETAILER, CONTROLNET, DEEPCACHE, TILED_DIFFUSION, REGIONAL_PROMPTER, FREEU, GUIDANCE),
    *(THRESHOLDING, OLDER, DYNAMIC_PROMPTS, INCANTATIONS, AGENT_ATTENTION, NEGPIP, ANIMATEDIFF),
    SMEA,
)

# The host loads extensions by their folders' names; these come before and after all of the others.
ORDERS = {"ours first": "01-sd-webui-todo", "ours last": "zz-sd-webui-todo"}


def checkout(name: str) -> Path | None:
    folder = os.environ.get("SD_WEBUI_EXTENSIONS")
    path = Path(folder, name).resolve() if folder else None
    return path if path is not None and (path / "scripts").is_dir() else None


def needs(name: str) -> pytest.MarkDecorator:
    """Skip without this extension, with the reason."""
    reason = f"SD_WEBUI_EXTENSIONS does not name a folder with a checkout of {name}"
    return pytest.mark.skipif(checkout(name) is None, reason=reason)


def extensions(data: Path, order: str | None) -> list[Path]:
    """What a host is to have: all neighbours at hand, and ours in this order (None: without)."""
    found = [path for name in NAMES if (path := checkout(name))]
    if order is None:
        return found
    ours = data.with_name(data.name + "-ours") / ORDERS[order]
    ours.parent.mkdir()
    ours.symlink_to(REPOSITORY)
    return [*found, ours]


# Dynamic Prompts registers its options after the host has asked for them, and does not run without
LATE_OPTIONS = {
    **dict.fromkeys(
        [
            *("dp_ignore_whitespace", "dp_write_raw_template", "dp_write_prompts_to_file"),
            *("dp_limit_jinja_prompts", "dp_auto_purge_cache", "dp_wildcard_manager_no_dedupe"),
            *("dp_wildcard_manager_no_sort", "dp_wildcard_manager_shuffle"),
        ],
        False,
    ),
    "dp_parser_variant_start": "{",
    "dp_parser_variant_end": "}",
    "dp_parser_wildcard_wrap": "__",
    "dp_magicprompt_batch_size": 1,
}


class HostWithOthers(Host):
    """A host with the neighbours and small files for them."""

    test_extensions = (*Host.test_extensions, HELP)
    # some generate inside a generation, others call layers of their own
    tells_all = False

    def _lay_out_data(self) -> None:
        # these hosts alone need safetensors on this side
        import tiny_files

        super()._lay_out_data()
        # NegPiP does not load without this file
        (self.data / "ui-config.json").write_text("{}")
        (self.data / "config.json").write_text(json.dumps(LATE_OPTIONS))
        checkpoint = self.webui / "models" / "Stable-diffusion" / CHECKPOINT
        tiny_files.make(self.data / "models", checkpoint)

    def style_align(self, on: bool) -> None:
        self.post("/help-others/style_align", on=on)

    def watch_controlnet(self) -> None:
        """From now on, until a model is loaded, count in ControlNet's own layers too."""
        self.post("/help-others/watch_controlnet")


def script(title: str, *args: Any) -> dict[str, Any]:
    """The part of a request that gives a script these arguments."""
    return {"alwayson_scripts": {title: {"args": list(args)}}}


def together(*bodies: Mapping[str, Any]) -> dict[str, Any]:
    """Parts of a request put together, their scripts too."""
    merged: dict[str, Any] = {}
    scripts: dict[str, Any] = {}
    for body in bodies:
        merged |= body
        scripts |= body.get("alwayson_scripts", {})
    return merged | ({"alwayson_scripts": scripts} if scripts else {})


Row = tuple[int, str, int, str, tuple[int, int], int, int]


def rows(host: Host) -> Counter[Row]:
    """What the probe saw, by (generation, pass, step, layer, grid, queries, keys)."""
    counted: Counter[Row] = Counter()
    for row in host.probe_counts()["rows"]:
        where = row["generation"], row["in_pass"], row["step"], row["layer"]
        grid = row["height"], row["width"]
        counted[(*where, grid, row["queries"], row["keys"])] += row["calls"]
    return counted


def pooled(plain: Counter[Row], pooling: Pooling) -> Counter[Row]:
    """The same calls with the keys that `pooling` leaves of each grid in the context."""
    counted: Counter[Row] = Counter()
    for (*where, grid, queries, keys), calls in plain.items():
        grids, rest = divmod(keys, math.prod(grid))
        assert not rest
        left = grids * pooling.keys(grid, largest=grid)
        counted[(*where, grid, queries, left)] += calls
    return counted
