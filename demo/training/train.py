"""Train the demo's model, stage by stage: python -m demo.training.train --stage STAGE

Each stage continues from its checkpoint under demo/training/.cache/runs. A training stage stops
after --minutes; run it again until it has done its last step.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from .export import export
from .loop import Run
from .scenes import CACHE
from .unet import Denoiser, train_large, train_unet
from .vae import (
    Decoder,
    build_vae,
    train_decoder,
    train_large_decoder,
    train_vae,
    write_large_latents,
    write_latents,
)

SEED = 2024
VAE_STEPS, VAE_LR = 3500, 1.5e-3
UNET_STEPS, UNET_LR = 2400, 1e-3
LARGE_STEPS, LARGE_LR = 3000, 5e-4
DECODER_STEPS, DECODER_LR = 900, 8e-4
LARGE_DECODER_STEPS, LARGE_DECODER_LR = 210, 4e-4
RUNS = CACHE / "runs"
LATENTS, LARGE_LATENTS = RUNS / "latents.pt", RUNS / "large-latents.pt"
MODEL = Path(__file__).parents[1] / "model"


def vae_run() -> Run:
    """The autoencoder's training, new or resumed."""
    torch.manual_seed(SEED)
    return Run("vae", RUNS, build_vae(), VAE_LR, VAE_STEPS)


def unet_run() -> Run:
    """The training of U-Net and text encoder, new or resumed."""
    torch.manual_seed(SEED + 1)
    return Run("unet", RUNS, Denoiser(), UNET_LR, UNET_STEPS, decay=0.998)


def large_run() -> Run:
    """The U-Net's further training on larger pictures, new from the averaged weights or resumed."""
    denoiser = Denoiser()
    denoiser.load_state_dict(unet_run().ema.shadow.state_dict())
    return Run("large", RUNS, denoiser, LARGE_LR, LARGE_STEPS, decay=0.998)


def decoder_run() -> Run:
    """The decoder's further training, new or resumed."""
    state = torch.load(LATENTS, weights_only=True)
    return Run("decoder", RUNS, Decoder(state["vae"]), DECODER_LR, DECODER_STEPS)


def large_decoder_run() -> Run:
    """The decoder's training on larger pictures, new from the averaged weights or resumed."""
    decoder = Decoder(torch.load(LATENTS, weights_only=True)["vae"])
    decoder.load_state_dict(decoder_run().ema.shadow.state_dict())
    return Run("large-decoder", RUNS, decoder, LARGE_DECODER_LR, LARGE_DECODER_STEPS, decay=0.98)


def final_vae() -> AutoencoderKL:
    """The autoencoder with which the stored latents were made."""
    state = torch.load(LATENTS, weights_only=True)
    vae = build_vae()
    vae.load_state_dict(state["vae"])
    vae.register_to_config(scaling_factor=state["scaling_factor"])
    return vae


def export_model(folder: Path) -> None:
    """Write the averaged weights so far as a diffusers pipeline."""
    vae, decoder, large = final_vae(), large_decoder_run(), large_run()
    vae.load_state_dict(decoder.ema.shadow.state_dict(), strict=False)
    curves = {
        "autoencoder": vae_run().losses,
        "U-Net and text encoder": unet_run().losses,
        "the same, larger pictures too": large.losses,
        "decoder alone": decoder_run().losses,
        "decoder, larger pictures too": decoder.losses,
    }
    export(vae, large.ema.shadow, {name: c for name, c in curves.items() if c}, folder)


def large_latents() -> None:
    """Write the latents of the larger scenes, with the same autoencoder as the stored ones."""
    vae = final_vae()
    write_large_latents(vae, vae.config.scaling_factor, LARGE_LATENTS)


# in the order in which they are run
STAGES: dict[str, Callable[[argparse.Namespace], None]] = {
    "vae": lambda args: train_vae(vae_run(), args.minutes),
    "latents": lambda args: write_latents(vae_run().ema.shadow, LATENTS),
    "unet": lambda args: train_unet(unet_run(), LATENTS, args.minutes),
    "decoder": lambda args: train_decoder(decoder_run(), LATENTS, args.minutes),
    "large-latents": lambda args: large_latents(),
    "large": lambda args: train_large(large_run(), LATENTS, LARGE_LATENTS, args.minutes),
    "large-decoder": lambda args: train_large_decoder(
        large_decoder_run(), LATENTS, LARGE_LATENTS, args.minutes
    ),
    "export": lambda args: export_model(args.output),
}


def main() -> None:
    """Run the stage named on the command line, for at most the given minutes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stage", required=True, choices=STAGES, help="run them in this order")
    parser.add_argument("--minutes", type=float, default=10.0, help="stop and save after this long")
    parser.add_argument("--output", type=Path, default=MODEL, help="where export writes")
    args = parser.parse_args()
    STAGES[args.stage](args)


if __name__ == "__main__":
    main()
