"""The demo's model, a small relative of SD 1.x, from its folder into ComfyUI's objects."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import yaml
from comfy import model_base, model_patcher, sd, supported_models
from comfy.model_detection import detect_unet_config
from comfy.sd1_clip import SDTokenizer
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
    """demo/convert.py by its path: the repository must not be on sys.path here."""
    spec = importlib.util.spec_from_file_location("demo_convert", DEMO / "convert.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def weights() -> tuple[ModuleType, dict[str, torch.Tensor]]:
    """The converter, and all weights under their ldm names."""
    convert = converter()
    return convert, {name: weight.float() for name, weight in convert.to_ldm(MODEL).items()}


def config_of(state: dict[str, torch.Tensor]) -> Demo:
    """ComfyUI's description of the model."""
    config = Demo(detect_unet_config(state, UNET))
    config.set_inference_dtype(torch.float32, None)
    config.latent_format.scale_factor = _json("vae")["scaling_factor"]
    return config


def load() -> tuple[model_patcher.ModelPatcher, sd.CLIP, sd.VAE]:
    """MODEL, CLIP and VAE."""
    convert, state = weights()
    config = config_of(state)
    model = config.get_model(state, UNET, device="cpu")
    model.load_model_weights(dict(state), UNET)
    settings = yaml.safe_load(convert.SETTINGS.read_text("utf-8"))["model"]["params"]
    of_vae = {name.removeprefix(VAE): state[name] for name in state if name.startswith(VAE)}
    vae = sd.VAE(sd=of_vae, config=settings["first_stage_config"])
    return patcher(model), _clip(config, state), vae


def _json(part: str) -> dict[str, Any]:
    return json.loads((MODEL / part / "config.json").read_text("utf-8"))


def patcher(model: model_base.BaseModel) -> model_patcher.ModelPatcher:
    """What nodes hand on as MODEL."""
    cpu = torch.device("cpu")
    return model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu)


def _clip(config: Demo, state: dict) -> sd.CLIP:
    text = {
        name: _at_clips_numbers(weight) if name.endswith(".token_embedding.weight") else weight
        for name, weight in state.items()
        if name.startswith(TEXT)
    }
    target: ClipTarget = config.clip_target(text)
    return sd.CLIP(
        target,
        state_dict=config.process_clip_state_dict(text),
        model_options={"clip_l_model_config": _json("text_encoder")},
    )


def _at_clips_numbers(vectors: torch.Tensor) -> torch.Tensor:
    """The vectors of the demo's few tokens at CLIP's numbers, as ComfyUI's tokenizer has them."""
    ours = json.loads((MODEL / "tokenizer" / "vocab.json").read_text("utf-8"))
    theirs = SDTokenizer().tokenizer.get_vocab()
    table = torch.zeros(len(theirs), vectors.shape[1])
    for token, number in ours.items():
        table[theirs[token]] = vectors[number]
    return table
