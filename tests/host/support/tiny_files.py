"""Small random files for the tests of other extensions: a ControlNet, a LoRA, a hypernetwork.

All have the widths of the tiny SD 1.5 checkpoints; the first two are made from one of them.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

State = dict[str, torch.Tensor]

UNET = "model.diffusion_model."
WIDTHS = (32, 64, 128)
# of the convolutions that make an image in pixels one of the latent's size
HINT_WIDTHS = (3, 16, 16, 32, 32, 96, 96, 256, 32)


def make(models: Path, checkpoint: Path) -> None:
    """Put them where the WebUI looks for them, in its folder of models."""
    unet = {
        name[len(UNET) :]: tensor
        for name, tensor in load_file(checkpoint).items()
        if name.startswith(UNET)
    }
    random = torch.Generator().manual_seed(7)
    for folder in ("ControlNet", "Lora", "hypernetworks"):
        (models / folder).mkdir()
    save_file(_controlnet(unet, random), models / "ControlNet" / "tiny_controlnet.safetensors")
    save_file(_lora(unet, random), models / "Lora" / "tiny_lora.safetensors")
    # in the old format: the host refuses what newer versions of torch add to the new one
    path = models / "hypernetworks" / "tiny_hypernetwork.pt"
    torch.save(_hypernetwork(random), path, _use_new_zipfile_serialization=False)


def _controlnet(unet: State, random: torch.Generator) -> State:
    """The U-Net's first half, with projections that are not zero as a new one's are."""
    kept = ("time_embed.", "input_blocks.", "middle_block.")
    state = {name: tensor.clone() for name, tensor in unet.items() if name.startswith(kept)}

    def convolution(name: str, into: int, out: int, side: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, into, side, side, generator=random) * 0.05
        state[f"{name}.bias"] = torch.randn(out, generator=random) * 0.05

    for number in range(12):
        width = _width_after(unet, f"input_blocks.{number}")
        convolution(f"zero_convs.{number}.0", width, width, 1)
    convolution("middle_block_out.0", WIDTHS[-1], WIDTHS[-1], 1)
    for number, (into, out) in enumerate(pairwise(HINT_WIDTHS)):
        convolution(f"input_hint_block.{2 * number}", into, out, 3)
    return {f"control_model.{name}": tensor.half().contiguous() for name, tensor in state.items()}


def _width_after(unet: State, block: str) -> int:
    """How many channels a block has: those of its ResNet, its downsampling, or the first layer."""
    names = (f"{block}.0.{layer}weight" for layer in ("out_layers.3.", "op.", ""))
    return next(unet[name].shape[0] for name in names if name in unet)


def _lora(unet: State, random: torch.Generator) -> State:
    """Rank 2, in all self-attention projections of the U-Net."""
    state = {}
    for name, tensor in unet.items():
        module = name.removesuffix(".weight").replace(".", "_")
        if "attn1" in name and module.endswith(("to_q", "to_k", "to_v")):
            key = f"diffusion_model_{module}"
            state[f"{key}.lora_down.weight"] = torch.randn(2, tensor.shape[1], generator=random)
            state[f"{key}.lora_up.weight"] = torch.randn(tensor.shape[0], 2, generator=random)
            state[f"{key}.alpha"] = torch.tensor(0.5)
    return state


def _hypernetwork(random: torch.Generator) -> dict[object, object]:
    """For the contexts of self-attention, whose widths are the U-Net's; the prompt's are left."""
    layers: dict[object, object] = {}
    for width in WIDTHS:
        shapes = {"0.weight": (2 * width, width), "0.bias": (2 * width,)}
        shapes |= {"1.weight": (width, 2 * width), "1.bias": (width,)}
        layers[width] = tuple(
            {
                f"linear.{name}": torch.randn(*shapes[name], generator=random) * 0.1
                for name in shapes
            }
            for _ in ("keys", "values")
        )
    return {**layers, "step": 0, "name": "tiny_hypernetwork", "layer_structure": [1, 2, 1]}
