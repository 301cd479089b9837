"""Hires fix through diffusers: a first pass, enlarged, and a second one from image to image."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from comparison.recipe import Recipe


class Sampler:
    """Samples a recipe's passes by a text-to-image pipeline and an image-to-image one of it."""

    def __init__(self, pipe: Any) -> None:
        from diffusers import AutoPipelineForImage2Image

        self.pipe, self.unet = pipe, pipe.unet
        self._again = AutoPipelineForImage2Image.from_pipe(pipe)
        for each in (self.pipe, self._again):
            each.set_progress_bar_config(disable=True)

    def first_pass(self, recipe: Recipe, callback: Any = None) -> Image.Image:
        """The first pass of hires fix, enlarged to the final size."""
        width, height = recipe.first
        small = self.pipe(**_common(recipe, callback), width=width, height=height).images[0]
        return small.resize(recipe.size, Image.Resampling.LANCZOS)

    def last_pass(
        self,
        recipe: Recipe,
        enlarged: Image.Image | None,
        callback: Any = None,
        scheduler: Any = None,
        output_type: str = "pil",
    ) -> Any:
        """The final picture, from the enlarged first pass or, without one, from noise.

        Args:
            callback: diffusers' `callback_on_step_end`.
            scheduler: instead of the pipeline's own.
            output_type: "latent" returns the latents `[1, c, h, w]`.
        """
        # some samplers, and tomesd, draw from PyTorch's own random generator
        torch.manual_seed(recipe.seed)
        pipe = self.pipe if enlarged is None else self._again
        own = pipe.scheduler
        pipe.scheduler = own if scheduler is None else scheduler
        options = {**_common(recipe, callback), "output_type": output_type}
        if enlarged is None:
            options |= {"width": recipe.width, "height": recipe.height}
        else:
            options |= {"image": enlarged, "strength": recipe.strength}
        try:
            images = pipe(**options).images
        finally:
            pipe.scheduler = own
        return images if output_type == "latent" else images[0]

    def decode(self, latents: torch.Tensor) -> Image.Image:
        """The latents through the decoder."""
        pixels = self.pipe.vae.decode(latents / self.pipe.vae.config.scaling_factor).sample
        return self.pipe.image_processor.postprocess(pixels)[0]


def _common(recipe: Recipe, callback: Any) -> dict[str, Any]:
    return {
        "prompt": recipe.prompt,
        "negative_prompt": recipe.negative_prompt or None,
        "num_inference_steps": recipe.steps,
        "guidance_scale": recipe.guidance,
        # on the CPU, so that all devices start from the same noise
        "generator": torch.Generator().manual_seed(recipe.seed),
        "callback_on_step_end": callback,
    }
