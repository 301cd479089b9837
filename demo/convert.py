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
PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.transformer.",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
VAE_MIDDLE = {
    "resnets.0": "block_1",
    "attentions.0": "attn_1",
    "resnets.1": "block_2",
}
VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
VAE_PATTERN = re.compile(r"(encoder|decoder)\.(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)")
UNET_PATTERN = re.compile(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)")


def unet_name(name: str, config: dict) -> str:
    """The ldm name of a diffusers U-Net weight."""
    stem, kind = name.rsplit(".", 1)
    if stem in UNET_ENDS:
        return f"{UNET_ENDS[stem]}.{kind}"
    if name.startswith("mid_block."):
        _, part, index, rest = name.split(".", 3)
        place = 1 if part == "attentions" else 2 * int(index)
        return f"middle_block.{place}.{_inner(part, rest)}"
    side, level, part, index, rest = UNET_PATTERN.fullmatch(name).groups()
    return _unet_block(side, int(level), part, int(index), rest, config["layers_per_block"])


def _unet_block(side: str, level: int, part: str, index: int, rest: str, layers: int) -> str:
    """ldm numbers the blocks of a side through all levels; a level's downsampler is one more."""
    if side == "down":
        block = level * (layers + 1) + 1 + (layers if part == "downsamplers" else index)
        if part == "downsamplers":
            return f"input_blocks.{block}.0.{rest.replace('conv', 'op', 1)}"
        return f"input_blocks.{block}.{int(part == 'attentions')}.{_inner(part, rest)}"
    if part == "upsamplers":
        return f"output_blocks.{level * (layers + 1) + layers}.2.{rest}"
    block = level * (layers + 1) + index
    return f"output_blocks.{block}.{int(part == 'attentions')}.{_inner(part, rest)}"


def _inner(part: str, rest: str) -> str:
    if part == "attentions":
        return rest
    stem, kind = rest.rsplit(".", 1)
    return f"{RESNET[stem]}.{kind}"


def vae_name(name: str, config: dict) -> str:
    """The ldm name of a diffusers autoencoder weight."""
    levels = len(config["block_out_channels"])
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    for theirs, ours in VAE_MIDDLE.items():
        name = name.replace(f"mid_block.{theirs}", f"mid.{ours}")
    if ".attn_1." in name:
        for theirs, ours in VAE_ATTENTION.items():
            name = name.replace(f".{theirs}.", f".{ours}.")
    match = VAE_PATTERN.fullmatch(name)
    if match is None:
        return name
    half, side, level, part, index, rest = match.groups()
    # ldm counts the decoder's levels from the picture's end
    number = int(level) if side == "down" else levels - 1 - int(level)
    inner = f"block.{index}.{rest}" if part == "resnets" else f"{side}sample.{rest}"
    return f"{half}.{side}.{number}.{inner}"


def text_name(name: str, config: dict) -> str:
    """The ldm name of a text encoder weight; newer transformers leave out the first part."""
    return name if name.startswith("text_model.") else f"text_model.{name}"


NAMERS = {"unet": unet_name, "vae": vae_name, "text_encoder": text_name}


def to_ldm(model: Path) -> dict[str, torch.Tensor]:
    """All weights of the diffusers folder under their ldm names."""
    state = {}
    for part, prefix in PREFIXES.items():
        config = json.loads((model / part / "config.json").read_text("utf-8"))
        for name, weight in load_file(next((model / part).glob("*.safetensors"))).items():
            new = NAMERS[part](name, config)
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
