"""Run small models of Forge or a relative by themselves, inside the hijack; tell what it saw.

For the host's own Python, in the host's folder: models_alone.py REPOSITORY CPU, where CPU is the
host's argument for the CPU. SD 1.x's U-Net and SD 2.x's, with small numbers and random weights.
Prints a JSON object: for each the keys before and after where some were pooled, and at which parts
of the latent there are layers.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import torch

REPOSITORY, CPU = sys.argv[1:]
# the host reads its own arguments from here, as soon as it is imported
sys.argv[1:] = [CPU]
PACKAGES = ("packages_3rdparty", "repositories/huggingface_guess", "modules_forge/packages")
sys.path[:0] = [os.getcwd(), *PACKAGES, REPOSITORY]

from lib_todo import Settings, token_downsampling  # noqa: E402
from lib_todo.cost.architectures import shape_of_unet  # noqa: E402

LATENT = torch.randn(1, 16, 16, 16)
TEXT, TIME = torch.randn(1, 7, 48), torch.tensor([0.5])
SETTINGS = Settings(factor=2, deep_factor=2, threshold=4)
UNET: dict[str, Any] = {
    "in_channels": 16,
    "model_channels": 32,
    "out_channels": 16,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "num_heads": 8,
    "use_spatial_transformer": True,
    "transformer_depth": [1, 1],
    "transformer_depth_output": [1, 1, 1, 1],
    "transformer_depth_middle": 1,
    "context_dim": 48,
}
# SD 2.x: heads by their width, and linear projections around the attention
UNET_2 = {**UNET, "num_heads": -1, "num_head_channels": 8, "use_linear_in_transformer": True}
UNETS = {"unet": UNET, "unet 2.x": UNET_2}


def forge_model(name: str) -> torch.nn.Module:
    import backend.args  # noqa: F401
    from backend.nn.unet import IntegratedUNet2DConditionModel

    return IntegratedUNet2DConditionModel(**UNETS[name])


def reforge_model(name: str) -> torch.nn.Module:
    from ldm_patched.modules import args_parser

    args_parser.args.always_cpu = True
    from ldm_patched.modules import ops

    where = {"dtype": torch.float32, "device": "cpu", "operations": ops.manual_cast}
    from ldm_patched.ldm.modules.diffusionmodules.openaimodel import UNetModel

    return UNetModel(image_size=32, **UNETS[name], **where)


def seen(model: torch.nn.Module) -> dict[str, Any]:
    """What a forward pass of this model shows to the hijack."""
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    with torch.no_grad(), token_downsampling(SETTINGS) as report:
        model(LATENT, TIME, context=TEXT)
    return {
        "pooled": [[before, after] for _, before, after, why in report.tallies if why is None],
        "downscales": [level.downscale for level in shape_of_unet(model).levels],
    }


make = forge_model if os.path.isdir("backend/nn") else reforge_model
print(json.dumps({name: seen(make(name)) for name in UNETS}))
