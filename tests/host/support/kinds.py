"""The WebUIs that are tested, and all that the tests have to know of their differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from program import Installed

CHECKPOINT = "tiny15_a.safetensors"
GUIDANCE = frozenset({"selfattentionguidance", "perturbedattentionguidance"})
OTHERS = frozenset({"freeu", "kohya hrfix", "hypertile", "stylealign"})
CACHES = frozenset({"spectrum"})
ARGUMENTS = (
    "--skip-prepare-environment --skip-torch-cuda-test --skip-version-check "
    "--skip-python-version-check --api --server-name 127.0.0.1 --disable-console-progressbars"
)
A1111_ALONE = (
    "--use-cpu all --opt-sdp-attention --no-half --precision full --disable-nan-check "
    "--do-not-download-clip --no-download-sd-model"
)
FORGE_ALONE = "--always-cpu --all-in-fp32 --attention-pytorch --no-download-sd-model"


@dataclass(frozen=True)
class Kind(Installed):
    """A WebUI, and what it does in its own way.

    Attributes:
        arguments: what makes it compute on the CPU, in full precision, without a download.
        checkpoints: the arguments that name the tiny checkpoints: their `{folder}`, the first
            one's `{file}`.
        family: of Forge's relatives, the row of the library's table with its classes.
        lacks: built-in scripts that others of the family have, by the beginning of their titles.
        needs: what its API wants in every request, or it answers with status 500.
        upscaler: what hires fix enlarges with where a request names A1111's "Latent".
        size_step: it rounds width and height to the nearest multiple of this.
        shows_errors: whether its page shows the text of an exception.
    """

    files: tuple[str, ...] = ("modules_forge", f"models/Stable-diffusion/{CHECKPOINT}")
    arguments: str = FORGE_ALONE
    checkpoints: str = "--ckpt-dir {folder} --ckpt {file}"
    family: str = ""
    lacks: frozenset[str] = frozenset()
    needs: Mapping[str, Any] = field(default_factory=dict)
    upscaler: str = "Latent"
    size_step: int = 8
    shows_errors: bool = True


A1111 = Kind(
    "WebUI",
    "SD_WEBUI",
    files=("webui.py", "launch.py", f"models/Stable-diffusion/{CHECKPOINT}"),
    arguments=A1111_ALONE,
)
FORGE = Kind(
    "Forge",
    "SD_FORGE",
    family="forge",
    lacks=frozenset({"hypertile"}) | CACHES,
    needs={"hr_additional_modules": []},
)
REFORGE = Kind(
    "reForge",
    "SD_REFORGE",
    family="ldm_patched",
    lacks=frozenset({"perturbedattentionguidance", "stylealign"}) | CACHES,
    shows_errors=False,
)
CLASSIC = Kind(
    "Forge Classic",
    "SD_CLASSIC",
    family="ldm_patched",
    lacks=GUIDANCE | OTHERS | CACHES,
    needs={"hr_cfg_scale": 7.0},
    shows_errors=False,
)
NEO = Kind(
    "Forge Neo",
    "SD_NEO",
    arguments="--cpu --force-fp32 --use-pytorch-cross-attention",
    checkpoints="--ckpt-dirs {folder}",
    family="forge",
    lacks=GUIDANCE | OTHERS,
    needs={"hr_additional_modules": []},
    upscaler="None",
    size_step=64,
)
# what sdnext/tiny_models.py makes
SDNEXT_MODELS = ("tiny15", "wide15", "tinyxl")
SDNEXT = Kind(
    "SD.Next",
    "SD_NEXT",
    files=(
        "modules/processing_diffusers.py",
        *(f"models/Diffusers/{name}/model_index.json" for name in SDNEXT_MODELS),
    ),
    # four steps in the hires pass, over the enlarged latent
    needs={"hr_force": True, "hr_resize_mode": 1, "hr_second_pass_steps": 4},
    upscaler="Latent Nearest",
)
FORGES = {"forge": FORGE, "reforge": REFORGE, "classic": CLASSIC, "neo": NEO}
KINDS = {"a1111": A1111, **FORGES, "sdnext": SDNEXT}
# the marks of tests that run on all of them, and on all but SD.Next, which has ways of its own
everywhere = pytest.mark.kinds(*KINDS)
every_kind = pytest.mark.kinds("a1111", *FORGES)
