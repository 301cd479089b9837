"""A model with Stable Video Diffusion's structure and random weights."""

from __future__ import annotations

from comfy import supported_models
from comfy_api.latest import io

from . import checkpoint, sdxl, watch

UNET = {
    **sdxl.UNET,
    "in_channels": 8,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "transformer_depth": [1, 1],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1],
    # what a video model's adm has: frames per second, motion and augmentation, in 256 waves each
    "adm_in_channels": 3 * 256,
    "use_temporal_attention": True,
    "use_temporal_resblock": True,
    "extra_ff_mix_layer": True,
    "use_spatial_context": True,
    "merge_strategy": "learned_with_images",
    "merge_factor": 0.0,
    "video_kernel_size": [3, 1, 1],
}


class TinyVideo(supported_models.SVD_img2vid):
    """SVD's description of a smaller U-Net."""

    unet_extra_config = {}  # noqa: RUF012


class VideoCheckpoint(io.ComfyNode):
    """That model; each run of a graph that needs it begins a new record."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoCheckpoint",
            category="tests",
            inputs=[],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        model = sdxl.patcher(TinyVideo, UNET)
        watch.watch(model.model.diffusion_model)
        return io.NodeOutput(model, sdxl.Prompt(), checkpoint.load()[2])


NODES = [VideoCheckpoint]
