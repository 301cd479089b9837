"""Builds tiny random models in diffusers' format, with the host's Python.

Argument: the folder for the models. They have the levels and layers of SD 1.5 and SDXL.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

from diffusers import DiffusionPipeline, PNDMScheduler
from transformers import CLIPTextModelWithProjection

sys.path.append(str(Path(__file__).resolve().parents[2]))
from diffusers_models import TEXT_WIDTH, randomised, sd_pipeline, sdxl_pipeline, unet, unet_sdxl

CROSSED_DOWN, CROSSED_UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
# of SDXL's second text encoder: the host takes one of up to 768 for SD 1.5's
XL_WIDTH = 776


def sd15(folder: Path, width: int) -> DiffusionPipeline:
    model = unet(
        block_out_channels=(width, 32, 32, 32),
        layers_per_block=2,
        down_block_types=(*(CROSSED_DOWN,) * 3, "DownBlock2D"),
        up_block_types=("UpBlock2D", *(CROSSED_UP,) * 3),
    )
    pipe = sd_pipeline(folder, model)
    # the usual one of SD 1.5; the host takes a sampler only where it has the same arguments
    schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    pipe.scheduler = PNDMScheduler(skip_prk_steps=True, steps_offset=1, **schedule)
    return pipe


def sdxl(folder: Path) -> DiffusionPipeline:
    pipe = sdxl_pipeline(folder)
    pipe.unet = unet_sdxl(
        block_out_channels=(32, 32, 32),
        layers_per_block=2,
        down_block_types=("DownBlock2D", CROSSED_DOWN, CROSSED_DOWN),
        up_block_types=(CROSSED_UP, CROSSED_UP, "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 2),
        cross_attention_dim=TEXT_WIDTH + XL_WIDTH,
    )
    # the other encoder has the same object
    config = copy.deepcopy(pipe.text_encoder_2.config)
    config.hidden_size = XL_WIDTH
    pipe.text_encoder_2 = randomised(CLIPTextModelWithProjection(config))
    return pipe


if __name__ == "__main__":
    models = Path(sys.argv[1])
    sd15(models / "tiny15", 32).save_pretrained(models / "tiny15")
    # the host's own ToDo pools layers of this width only
    sd15(models / "wide15", 320).save_pretrained(models / "wide15")
    sdxl(models / "tinyxl").save_pretrained(models / "tinyxl")
