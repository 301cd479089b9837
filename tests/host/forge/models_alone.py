"""Run small models of Forge or a relative by themselves, inside the hijack; tell what it saw.

For the host's own Python, in the host's folder: models_alone.py REPOSITORY CPU MODEL..., where CPU
is the host's argument for the CPU. No checkpoint of Flux or SD3 is small enough for a test, so here
are their classes, with small numbers and random weights.
Prints one JSON object: for each model how many kinds of calls were seen, the keys before and after
where some were pooled, and at which parts of the latent there are layers.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import torch

REPOSITORY, CPU, *MODELS = sys.argv[1:]
# the host reads its own arguments from here, as soon as it is imported
sys.argv[1:] = [CPU]
PACKAGES = ("packages_3rdparty", "repositories/huggingface_guess", "modules_forge/packages")
sys.path[:0] = [os.getcwd(), *PACKAGES, REPOSITORY]

from lib_todo import Settings, token_downsampling  # noqa: E402
from lib_todo.hosts.webui.result import attention_downscales  # noqa: E402

LATENT = torch.randn(1, 16, 16, 16)
TEXT, POOLED_TEXT, TIME = torch.randn(1, 7, 48), torch.randn(1, 32), torch.tensor([0.5])
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
FLUX: dict[str, Any] = {
    "in_channels": 16,
    "vec_in_dim": 32,
    "context_in_dim": 48,
    "hidden_size": 64,
    "mlp_ratio": 2.0,
    "num_heads": 2,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [8, 12, 12],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": False,
}
SD3: dict[str, Any] = {
    "input_size": None,
    "in_channels": 16,
    "depth": 2,
    "num_patches": 64 * 64,
    "pos_embed_max_size": 64,
    "adm_in_channels": 32,
    "context_embedder_config": {
        "target": "torch.nn.Linear",
        "params": {"in_features": 48, "out_features": 128},
    },
}


def forge_model(name: str) -> torch.nn.Module:
    import backend.args  # noqa: F401

    if name == "flux":
        from backend.nn.flux import IntegratedFluxTransformer2DModel

        return IntegratedFluxTransformer2DModel(**FLUX)
    if name == "sd3":
        from backend.nn.mmditx import MMDiTX

        return MMDiTX(**SD3)
    from backend.nn.unet import IntegratedUNet2DConditionModel

    return IntegratedUNet2DConditionModel(**UNETS[name])


def reforge_model(name: str) -> torch.nn.Module:
    from ldm_patched.modules import args_parser

    args_parser.args.always_cpu = True
    from ldm_patched.modules import ops

    where = {"dtype": torch.float32, "device": "cpu", "operations": ops.manual_cast}
    if name == "flux":
        from ldm_patched.ldm.flux.model import Flux

        return Flux(**FLUX, out_channels=16, patch_size=2, **where)
    if name == "sd3":
        from ldm_patched.ldm.modules.diffusionmodules.mmdit import MMDiT

        return MMDiT(**SD3, **where)
    from ldm_patched.ldm.modules.diffusionmodules.openaimodel import UNetModel

    return UNetModel(image_size=32, **UNETS[name], **where)


def seen(name: str, model: torch.nn.Module) -> dict[str, Any]:
    """What a forward pass of this model shows to the hijack."""
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    pooled_text = {} if name.startswith("unet") else {"y": POOLED_TEXT}
    with torch.no_grad(), token_downsampling(Settings(factor=2, threshold=8)) as report:
        made = model(LATENT, TIME, context=TEXT, **pooled_text)
    return {
        "shape": list(made.shape),
        "calls": len(report.tallies),
        "pooled": [[before, after] for _, before, after, why in report.tallies if why is None],
        "downscales": attention_downscales(model),
    }


def main() -> None:
    make = forge_model if os.path.isdir("backend/nn") else reforge_model
    print(json.dumps({name: seen(name, make(name)) for name in MODELS}))


main()
