"""Nodes that stand for other people's: pooling by hand, and patches of other kinds."""

from __future__ import annotations

from typing import Any

import torch
from comfy.cldm.cldm import ControlNet
from comfy.controlnet import ControlNet as LoadedControlNet
from comfy.ldm.modules.attention import optimized_attention
from comfy.ops import disable_weight_init
from comfy.supported_models import ZImage

from . import checkpoint
from .node import node

EVERY_SECOND_ABOVE = 16 * 16


@node("MODEL", model="MODEL")
def by_hand(model: Any) -> tuple:
    """Takes every second token of every second row where a grid is above 16×16, as the paper."""

    def patch(n: Any, context: Any, value: Any, options: dict) -> tuple:
        b, _, h, w = options["activations_shape"]
        if h * w <= EVERY_SECOND_ABOVE:
            return n, context, value
        rows = context.reshape(b, h, w, -1)[:, ::2, ::2]
        return n, *(2 * [rows.reshape(b, -1, rows.shape[-1])])

    patched = model.clone()
    patched.set_model_attn1_patch(patch)
    return (patched,)


@node("MODEL", model="MODEL")
def prompt_replaced(model: Any) -> tuple:
    """Attention over the prompt replaced in every block of the way down, as image prompts do."""

    def replaced(q: Any, k: Any, v: Any, options: dict) -> Any:
        text = optimized_attention(q, k, v, options["n_heads"])
        return text + 0.1 * optimized_attention(q, k, v.flip(1), options["n_heads"])

    patched = model.clone()
    for block in (1, 3, 5):
        patched.set_model_attn2_replace(replaced, "input", block)
    return (patched,)


@node("CONTROL_NET")
def demo_controlnet() -> tuple:
    """A ControlNet of the demo's shape with random weights."""
    config = checkpoint.config_of(checkpoint.weights()[1]).unet_config | {"hint_channels": 3}
    for name in ("out_channels", "transformer_depth_output"):
        config.pop(name, None)
    torch.manual_seed(0)
    net = ControlNet(**config, operations=disable_weight_init, device="cpu")
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.02)
    cpu = torch.device("cpu")
    return (LoadedControlNet(net.eval(), load_device=cpu),)


@node("MODEL")
def z_image_model() -> tuple:
    """A model of a kind that has no U-Net, as far as nodes before the sampler see it."""
    model = checkpoint.load()[0]
    model.model.diffusion_model = torch.nn.Identity()
    model.model.model_config = ZImage({})
    return (model,)


NODES = {
    "ByHand": by_hand,
    "PromptReplaced": prompt_replaced,
    "DemoControlNet": demo_controlnet,
    "ZImageModel": z_image_model,
}
