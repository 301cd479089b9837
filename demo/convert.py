"""Convert demo/model to an A1111 (ldm) checkpoint, its .yaml and its text folder.

python -m demo.convert OUTPUT_FOLDER
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

MODEL = Path(__file__).parent / "model"
SETTINGS = Path(__file__).parent / "a1111.yaml"
NAME = "sd-webui-todo-demo"
# the model's residual blocks a level, and the autoencoder's levels
LAYERS, VAE_LEVELS = 1, 4
PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.transformer.",
}
UNET_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)")
VAE_BLOCK = re.compile(r"(encoder|decoder)\.(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)")
# beginnings of names outside of the numbered blocks, and of names within a residual block
UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
VAE_PARTS = {
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
    "mid_block.attentions.0.to_q": "mid.attn_1.q",
    "mid_block.attentions.0.to_k": "mid.attn_1.k",
    "mid_block.attentions.0.to_v": "mid.attn_1.v",
    "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
}


def unet_name(name: str) -> str:
    """The ldm name of a diffusers U-Net weight."""
    if match := UNET_BLOCK.fullmatch(name):
        side, level, part, index, rest = match.groups()
        # ldm numbers the blocks of a side through all levels; a level's downsampler is one more
        block, place = int(level) * (LAYERS + 1) + int(index), int(part == "attentions")
        if part == "downsamplers":
            block, rest = block + LAYERS, rest.replace("conv", "op", 1)
        if part == "upsamplers":
            block, place = block + LAYERS, 2
        start = f"input_blocks.{block + 1}" if side == "down" else f"output_blocks.{block}"
        name = f"{start}.{place}.{rest}"
    for theirs, ours in UNET_ENDS.items():
        name = re.sub(rf"^{theirs}\.", f"{ours}.", name)
    for theirs, ours in RESNET.items():
        # a transformer has norms of the same names
        if "transformer_blocks" not in name:
            name = name.replace(f".{theirs}.", f".{ours}.")
    return name


def vae_name(name: str) -> str:
    """The ldm name of a diffusers autoencoder weight."""
    for theirs, ours in VAE_PARTS.items():
        name = name.replace(theirs, ours)
    if match := VAE_BLOCK.fullmatch(name):
        half, side, level, part, index, rest = match.groups()
        # ldm counts the decoder's levels from the picture's end
        number = int(level) if side == "down" else VAE_LEVELS - 1 - int(level)
        inner = f"block.{index}.{rest}" if part == "resnets" else f"{side}sample.{rest}"
        name = f"{half}.{side}.{number}.{inner}"
    return name


NAMERS = {"unet": unet_name, "vae": vae_name, "text_encoder": str}


def to_ldm(model: Path) -> dict[str, torch.Tensor]:
    """All weights of the diffusers folder under their ldm names."""
    state = {}
    for part, prefix in PREFIXES.items():
        for name, weight in load_file(next((model / part).glob("*.safetensors"))).items():
            new = NAMERS[part](name)
            # ldm's autoencoder has 1x1 convolutions where diffusers has linear layers
            if ".mid.attn_1." in new and weight.ndim == 2:
                weight = weight[:, :, None, None]
            state[prefix + new] = weight.contiguous()
    return state


def convert(model: Path, output: Path) -> Path:
    """Write checkpoint, yaml and text folder into output; returns the checkpoint."""
    clip = output / f"{NAME}-clip"
    clip.mkdir(parents=True, exist_ok=True)
    for source in [*(model / "tokenizer").iterdir(), model / "text_encoder" / "config.json"]:
        shutil.copy(source, clip)
    checkpoint = output / f"{NAME}.safetensors"
    save_file(to_ldm(model), checkpoint, metadata={"format": "pt"})
    settings = SETTINGS.read_text("utf-8").replace("CLIP_FOLDER", json.dumps(str(clip.resolve())))
    checkpoint.with_suffix(".yaml").write_text(settings, "utf-8")
    return checkpoint


def main() -> None:
    """Read the folders from the command line and convert."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="such as the WebUI's models/Stable-diffusion")
    args = parser.parse_args()
    print(convert(MODEL, args.output))


if __name__ == "__main__":
    main()
