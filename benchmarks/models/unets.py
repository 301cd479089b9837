"""U-Nets of real shape with random weights, diffusers' and ldm's, and inputs for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F

from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.unet import LATENT_CHANNELS, PROMPT_TOKENS
from lib_todo.plan import latent_grid

_SD_BLOCKS: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
# as published with the checkpoints; "narrow" is for checks only: SD 1.x with a fifth of the width
CONFIGS: dict[str, dict[str, Any]] = {
    "SD 1.x": {**_SD_BLOCKS, "attention_head_dim": 8, "cross_attention_dim": 768},
    "SD 2.x": {
        **_SD_BLOCKS,
        "attention_head_dim": (5, 10, 20, 20),
        "cross_attention_dim": 1024,
        "use_linear_projection": True,
    },
    "SDXL": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "transformer_layers_per_block": (1, 2, 10),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "narrow": {
        **_SD_BLOCKS,
        "block_out_channels": (64, 128, 256, 256),
        "attention_head_dim": 8,
        "cross_attention_dim": 64,
    },
}


def heads_of_largest_grid(name: str) -> int:
    """Heads of the self-attention whose grid is the largest, in CONFIGS[name]."""
    # diffusers calls the number of heads by this name
    heads = CONFIGS[name]["attention_head_dim"]
    if isinstance(heads, int):
        return heads
    return next(each for each, depth in zip(heads, SHAPES[name].depths) if depth)


def build_diffusers(name: str, device: torch.device, dtype: torch.dtype = torch.float32) -> Any:
    """diffusers' UNet2DConditionModel of CONFIGS[name], random weights, for inference."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    with torch.device(device):
        model = UNet2DConditionModel(**CONFIGS[name])
    return model.to(dtype).eval().requires_grad_(False)


def build_ldm(name: str, device: torch.device, dtype: torch.dtype = torch.float32) -> Any:
    """ldm's UNetModel of the same shape (SD 1.x and 2.x), as AUTOMATIC1111 and older hosts run it.

    Call it inside `ldm_sdp_attention`, which is what the host runs with `--opt-sdp-attention`;
    ldm's own writes out the whole attention matrix.

    Raises:
        ImportError: no ldm here (`pip install --no-deps stable-diffusion-sdkit omegaconf`).
    """
    from ldm.modules.diffusionmodules.openaimodel import UNetModel

    config = CONFIGS[name]
    first = config["block_out_channels"][0]
    heads = {"num_heads": 8} if config["attention_head_dim"] == 8 else {"num_head_channels": 64}
    torch.manual_seed(0)
    with torch.device(device):
        model = UNetModel(
            image_size=64,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            model_channels=first,
            attention_resolutions=[4, 2, 1],
            num_res_blocks=2,
            channel_mult=[width // first for width in config["block_out_channels"]],
            use_spatial_transformer=True,
            use_linear_in_transformer=config.get("use_linear_projection", False),
            transformer_depth=1,
            context_dim=config["cross_attention_dim"],
            use_checkpoint=False,
            legacy=False,
            **heads,
        )
    return model.to(dtype).eval().requires_grad_(False)


@contextlib.contextmanager
def ldm_sdp_attention() -> Iterator[None]:
    """ldm's CrossAttention by scaled_dot_product_attention inside the `with`."""
    from ldm.modules.attention import CrossAttention

    original = CrossAttention.forward
    CrossAttention.forward = _sdp_forward
    try:
        yield
    finally:
        CrossAttention.forward = original


def _sdp_forward(self: Any, x: torch.Tensor, context: Any = None, mask: Any = None) -> Any:
    source = x if context is None else context
    query, key, value = (
        part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        for part in (self.to_q(x), self.to_k(source), self.to_v(source))
    )
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return self.to_out(mixed.transpose(1, 2).flatten(2))


def inputs_for(
    name: str,
    width: int,
    height: int,
    batch: int,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Any]:
    """Keyword arguments for one call of diffusers' U-Net at that size in pixels."""
    config = CONFIGS[name]
    latent = (batch, LATENT_CHANNELS, *latent_grid(width, height))
    prompt = (batch, PROMPT_TOKENS, config["cross_attention_dim"])
    torch.manual_seed(1)
    inputs = {
        "sample": torch.randn(latent, device=device, dtype=dtype),
        "timestep": torch.tensor(500, device=device),
        "encoder_hidden_states": torch.randn(prompt, device=device, dtype=dtype),
    }
    if "addition_embed_type" in config:
        vector = config["projection_class_embeddings_input_dim"]
        ids = 6
        pooled = vector - ids * config["addition_time_embed_dim"]
        inputs["added_cond_kwargs"] = {
            "text_embeds": torch.randn(batch, pooled, device=device, dtype=dtype),
            "time_ids": torch.tensor(
                [[height, width, 0, 0, height, width]] * batch, device=device, dtype=dtype
            ),
        }
    return inputs


def call_diffusers(model: Any, inputs: dict[str, Any]) -> Callable[[], torch.Tensor]:
    """One call; sample and timestep are positional, since some peers' hooks look for them there."""
    rest = {key: value for key, value in inputs.items() if key not in ("sample", "timestep")}
    return lambda: model(inputs["sample"], inputs["timestep"], return_dict=False, **rest)[0]


def call_ldm(model: Any, inputs: dict[str, Any]) -> Callable[[], torch.Tensor]:
    """One call with the same tensors."""
    times = inputs["timestep"].expand(inputs["sample"].shape[0])
    return lambda: model(inputs["sample"], times, context=inputs["encoder_hidden_states"])
