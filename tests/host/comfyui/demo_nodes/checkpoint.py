"""The demo's model, a small relative of SD 1.x, from its folder into ComfyUI's objects."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from comfy import model_base, model_patcher, sd, supported_models
from comfy.model_detection import detect_unet_config
from comfy.supported_models_base import ClipTarget

DEMO = Path(__file__).resolve().parents[4] / "demo"
MODEL = DEMO / "model"
UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."


class Demo(supported_models.SD15):
    """The demo's U-Net: SD 1.x's anatomy with four heads and v-prediction."""

    unet_extra_config = {"num_heads": 4, "num_head_channels": -1}  # noqa: RUF012

    def model_type(self, state_dict: dict, prefix: str = "") -> model_base.ModelType:
        return model_base.ModelType.V_PREDICTION


def converter() -> ModuleType:
    """demo/training/convert.py by its path: the repository must not be on sys.path here."""
    spec = importlib.util.spec_from_file_location("demo_convert", DEMO / "training" / "convert.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load() -> tuple[model_patcher.ModelPatcher, sd.CLIP, sd.VAE]:
    """MODEL, CLIP and VAE."""
    convert = converter()
    weights = {name: weight.float() for name, weight in convert.to_ldm(MODEL).items()}
    config = Demo(detect_unet_config(weights, UNET))
    config.set_inference_dtype(torch.float32, None)
    config.latent_format.scale_factor = _json("vae")["scaling_factor"]
    return _unet(config, weights), _clip(config, weights), _vae(convert, weights)


def _json(part: str) -> dict[str, Any]:
    return json.loads((MODEL / part / "config.json").read_text("utf-8"))


def _unet(config: Demo, weights: dict) -> model_patcher.ModelPatcher:
    model = config.get_model(weights, UNET, device="cpu")
    model.load_model_weights(dict(weights), UNET)
    cpu = torch.device("cpu")
    return model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu)


def _clip(config: Demo, weights: dict) -> sd.CLIP:
    state = {name: weight for name, weight in weights.items() if name.startswith(TEXT)}
    target: ClipTarget = config.clip_target(state)
    return sd.CLIP(
        target,
        state_dict=config.process_clip_state_dict(state),
        model_options={"clip_l_model_config": _json("text_encoder")},
    )


def _vae(convert: ModuleType, weights: dict) -> sd.VAE:
    state = {
        name.removeprefix(VAE): weight for name, weight in weights.items() if name.startswith(VAE)
    }
    return sd.VAE(sd=state, config=convert._vae_yaml(_json("vae")))
