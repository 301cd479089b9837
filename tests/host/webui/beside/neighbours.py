"""Other people's extensions: their checkouts, how each is switched on, a host that has them.

SD_WEBUI_EXTENSIONS names a folder of checkouts, each named as its repository. One that is missing
is left out of the hosts, and its tests are skipped.
"""

from __future__ import annotations

import base64
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from expect import Pooling, first_pixels, picture
from host import PROBE, REPOSITORY, TEST_EXTENSIONS, Host
from kinds import A1111, CHECKPOINT

POOLING = Pooling(factor=2, deep_factor=2, threshold=8)
ADETAILER = "adetailer"
CONTROLNET = "sd-webui-controlnet"
OLDER = "sd-webui-token-downsampling"
KOISHI_SMEA = "Euler-Smea-Dyn-Sampler"
# not in CASES: a script of img2img
ULTIMATE_UPSCALE = "ultimate-upscale-for-automatic1111"
# The host loads extensions by their folders' names; these come before and after all of the others.
ORDERS = {"ours first": "01-sd-webui-todo", "ours last": "zz-sd-webui-todo"}


def checkout(name: str) -> Path | None:
    folder = os.environ.get("SD_WEBUI_EXTENSIONS")
    path = Path(folder, name).resolve() if folder else None
    return path if path is not None and (path / "scripts").is_dir() else None


def needs(name: str | None) -> pytest.MarkDecorator:
    """Skip without this extension, with the reason; None is what every host has."""
    reason = f"SD_WEBUI_EXTENSIONS does not name a folder with a checkout of {name}"
    return pytest.mark.skipif(name is not None and checkout(name) is None, reason=reason)


class HostWithOthers(Host):
    """A host with all neighbours at hand, or the `only` one, and ours in this order."""

    # some generate inside a generation, others call layers of their own
    tells_all = False

    def __init__(self, data: Path, order: str | None, only: str | None = None) -> None:
        everyone = {case.extension for case in CASES.values() if case.extension}
        names = {only} if only else everyone
        found = [path for name in sorted(names) if (path := checkout(name))]
        if order is not None:
            ours = data.with_name(data.name + "-ours") / ORDERS[order]
            ours.parent.mkdir()
            ours.symlink_to(REPOSITORY)
            found.append(ours)
        tests = (PROBE, TEST_EXTENSIONS / "help_others")
        super().__init__(A1111, data, extensions=found, test_extensions=tests, with_ui=False)

    def _lay_out_data(self) -> None:
        # these hosts alone need safetensors on this side
        import tiny_files

        super()._lay_out_data()
        # NegPiP does not load without this file
        (self.data / "ui-config.json").write_text("{}")
        checkpoint = self._folder / "models" / "Stable-diffusion" / CHECKPOINT
        tiny_files.make(self.data / "models", checkpoint)


Row = tuple[int, str, int, str, tuple[int, int], int, int]


def rows(host: Host) -> Counter[Row]:
    """What the probe saw, by (generation, pass, step, layer, grid, queries, keys)."""
    counted: Counter[Row] = Counter()
    for row in host.probe_counts()["rows"]:
        where = row["generation"], row["in_pass"], row["step"], row["layer"]
        grid = row["height"], row["width"]
        counted[(*where, grid, row["queries"], row["keys"])] += row["calls"]
    return counted


def by_hand(plain: Counter[Row], pooling: Pooling) -> Counter[Row]:
    """The same calls with the keys that `pooling` leaves of each grid in the context.

    Calls before the first step of the first generation keep all of theirs.
    """
    counted: Counter[Row] = Counter()
    for (*where, grid, queries, keys), calls in plain.items():
        grids, rest = divmod(keys, math.prod(grid))
        assert not rest
        left = grids * pooling.keys(grid, largest=grid) if where[0] else keys
        counted[(*where, grid, queries, left)] += calls
    return counted


def check_as_by_hand(host: Host, make: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Off, with POOLING, and by plain indexing: `make` takes parts of a request.

    The layers' calls are the same but for the keys, so are the pictures, and nothing is left.
    Returns the answer with ToDo.
    """
    host.probe_reset()
    make()
    plain, leftovers = rows(host), host.probe_leftovers()
    host.probe_reset()
    answer = make(POOLING.asked())
    assert rows(host) == by_hand(plain, POOLING)
    assert host.probe_leftovers() == leftovers
    host.probe_lattice(POOLING.factor, POOLING.threshold)
    assert first_pixels(answer) == first_pixels(make())
    host.probe_reset()
    return answer


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


@dataclass(frozen=True)
class Case:
    """A neighbour switched on, by a request and by the settings page.

    `off` has the values of those settings that it starts with. `extension` is None for what is
    built in.
    """

    extension: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    off: Mapping[str, Any] = field(default_factory=dict)

    def txt2img(self, host: Host, *more: Mapping[str, Any]) -> dict[str, Any]:
        """Generate with the neighbour and what else is asked for."""
        with host.options_set(self.off, **self.options):
            return host.txt2img(**together({"steps": 2}, self.body, *more))


def regional(mode: str) -> Case:
    """Two columns with a prompt each, by attention masks or by a latent each."""
    columns = (True, False, "Matrix", "Columns", "Mask", "Prompt", "1,1", "0.2")
    rest = (False, False, False, mode, [], "0", "0", "0.4", None, "0", "0", False)
    body = {"prompt": "a cat BREAK a dog"} | script("Regional Prompter", *columns, *rest)
    return Case("sd-webui-regional-prompter", body)


def tiled(method: str) -> Case:
    """Tiles of 16×16 latents, every 8."""
    size = (False, False, 256, 256)
    return Case(
        "multidiffusion-upscaler-for-automatic1111",
        script("Tiled Diffusion", True, method, *size, 16, 16, 8, 4),
    )


def control(**settings: Any) -> dict[str, Any]:
    """A ControlNet unit."""
    image = base64.b64encode(picture(256, 256)).decode()
    return script("ControlNet", {"enabled": True, "image": image, "weight": 1.0, **settings})


def adetailer() -> dict[str, Any]:
    """An image of 128 pixels, its middle painted anew at 256."""
    size = {"ad_use_inpaint_width_height": True, "ad_inpaint_width": 256, "ad_inpaint_height": 256}
    tab = {"ad_model": "mediapipe_face_full", **size}
    return {"width": 128, "height": 128, **script("ADetailer", True, False, tab)}


def sampler(extension: str, name: str) -> Case:
    """A sampler that an extension adds, with steps enough for all that it does."""
    return Case(extension, {"sampler_name": name, "steps": 5})


def deepcache() -> Case:
    """The inner levels are reused in all steps but each third."""
    names = ("enable_pass", "cache_resnet_level", "cache_enable_step_percentage")
    options = [f"deepcache_{name}" for name in (*names, "full_run_step_rate")]
    on, off = ("both passes", 3, 0.0, 3), ("disable", 0, 0.4, 5)
    return Case(
        "sd-webui-deepcache-standalone",
        {"steps": 4},
        dict(zip(options, on)),
        dict(zip(options, off)),
    )


def incantations(energy: bool) -> Case:
    """Smoothed-energy guidance, or else perturbed-attention guidance, in all steps."""
    semantic = (False, 1.0, 0.8, 3.0, 0.0, 0, 150, 4)
    perturbed = (not energy, 3.0, 0, 150, False, "Constant", 0, 100, False)
    args = (energy, 11.0, 0, 150, *semantic, *perturbed)
    return Case("sd-webui-incantations", script("Incantations", *args))


OLDER_OFF = {f"token_downsampling_{name}": 1.0 for name in ("factor", "factor2", "disable_after")}
FREEU_STAGES = [{"backbone_factor": b, "skip_factor": s} for b, s in ((1.4, 0.9), (1.2, 0.5))]
SCALES = (True, 7.0, 99.0, "Constant", 0.0, "Constant", 0.0, 4.0, True, "MEAN", "AD", 1.0)
# merges 40 % of the tokens of the largest layers
AGENTS = (True, False, 20, 4, 4, 0.4, 0.95, 2, 2, 0.4, 0.5, False, 1, False)

# Those in whose images every self-attention call of the U-Net is an ordinary one.
ORDINARY = {
    "DeepCache": deepcache(),
    "Tiled Diffusion, MultiDiffusion": tiled("MultiDiffusion"),
    "Tiled Diffusion, Mixture of Diffusers": tiled("Mixture of Diffusers"),
    "Regional Prompter, attention": regional("Attention"),
    "Regional Prompter, latent": regional("Latent"),
    "FreeU": Case("sd-webui-freeu", script("FreeU", {"enable": True, "stage_infos": FREEU_STAGES})),
    "self-attention guidance": Case(
        "sd_webui_SAG", script("Self Attention Guidance", True, 0.75, 1.0)
    ),
    "dynamic thresholding": Case(
        "sd-dynamic-thresholding", script("Dynamic Thresholding (CFG Scale Fix)", *SCALES)
    ),
    **{
        name: sampler(KOISHI_SMEA, name)
        for name in ("Euler SMEA Dy", "Euler Negative Dy", "Kohaku_LoNyu_Yog")
    },
    **{
        name: sampler("sd-webui-smea", name)
        for name in ("Euler Max", "Euler Smea Dy", "Euler Smea mds2")
    },
    "perturbed-attention guidance": incantations(energy=False),
    "smoothed-energy guidance": incantations(energy=True),
    "NegPiP": Case("sd-webui-negpip", {"prompt": "a cat, (dog:-1.2)", **script("NegPiP", True)}),
    "LoRA": Case(body={"prompt": "a cat <lora:tiny_lora:1>"}),
    "hypernetwork": Case(body={"prompt": "a cat <hypernet:tiny_hypernetwork:1>"}),
}
LARGER = {
    "ADetailer": Case(ADETAILER, adetailer()),
    "ControlNet, a model": Case(CONTROLNET, control(module="none", model="tiny_controlnet")),
    "ControlNet, reference-only": Case(CONTROLNET, control(module="reference_only")),
    "agent attention": Case("sd-webui-agentattention", script("Agent Attention", *AGENTS)),
    "the older ToDo": Case(OLDER, {}, {"token_downsampling_factor": 2.0}, OLDER_OFF),
}
CASES = ORDINARY | LARGER


def parameters(cases: Mapping[str, Any]) -> list[Any]:
    """The names of cases, to parametrize with; those without their extension are skipped."""
    return [pytest.param(name, marks=needs(case.extension)) for name, case in cases.items()]
