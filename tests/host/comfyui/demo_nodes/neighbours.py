"""Nodes that stand for other people's: pooling by hand, and patches of other kinds."""

from __future__ import annotations

from typing import Any

import torch
from comfy.cldm.cldm import ControlNet
from comfy.controlnet import ControlNet as LoadedControlNet
from comfy.ops import disable_weight_init
from comfy.supported_models import ZImage
from comfy_api.latest import io

from . import checkpoint

EVERY_SECOND_ABOVE = 16 * 16


class ByHand(io.ComfyNode):
    """Takes every second token of every second row where a grid is above 16×16, as the paper."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _patch_schema("ByHand")

    @classmethod
    def execute(cls, model: Any) -> io.NodeOutput:
        def patch(n: Any, context: Any, value: Any, options: dict) -> tuple:
            b, _, h, w = options["activations_shape"]
            if h * w <= EVERY_SECOND_ABOVE:
                return n, context, value
            rows = context.reshape(b, h, w, -1)[:, ::2, ::2]
            return n, *(2 * [rows.reshape(b, -1, rows.shape[-1])])

        patched = model.clone()
        patched.set_model_attn1_patch(patch)
        return io.NodeOutput(patched)


class PromptReplaced(io.ComfyNode):
    """Attention over the prompt replaced in every block of the way down, as image prompts do."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _patch_schema("PromptReplaced")

    @classmethod
    def execute(cls, model: Any) -> io.NodeOutput:
        from comfy.ldm.modules.attention import optimized_attention

        def replaced(q: Any, k: Any, v: Any, options: dict) -> Any:
            text = optimized_attention(q, k, v, options["n_heads"])
            return text + 0.1 * optimized_attention(q, k, v.flip(1), options["n_heads"])

        patched = model.clone()
        for block in (1, 3, 5):
            patched.set_model_attn2_replace(replaced, "input", block)
        return io.NodeOutput(patched)


class DemoControlNet(io.ComfyNode):
    """A ControlNet of the demo's shape with random weights."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DemoControlNet",
            category="tests",
            inputs=[],
            outputs=[io.ControlNet.Output()],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        config = checkpoint.unet_config() | {"hint_channels": 3}
        for name in ("out_channels", "transformer_depth_output"):
            config.pop(name, None)
        torch.manual_seed(0)
        net = ControlNet(**config, operations=disable_weight_init, device="cpu")
        for weight in net.parameters():
            torch.nn.init.normal_(weight, std=0.02)
        cpu = torch.device("cpu")
        return io.NodeOutput(LoadedControlNet(net.eval(), load_device=cpu))


class ZImageModel(io.ComfyNode):
    """A model of a kind that has no U-Net, as far as nodes before the sampler see it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ZImageModel", category="tests", inputs=[], outputs=[io.Model.Output()]
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        model = checkpoint.load()[0]
        model.model.diffusion_model = torch.nn.Identity()
        model.model.model_config = ZImage({})
        return io.NodeOutput(model)


def _patch_schema(name: str) -> io.Schema:
    return io.Schema(
        node_id=name,
        category="tests",
        inputs=[io.Model.Input("model")],
        outputs=[io.Model.Output()],
    )


NODES = [ByHand, PromptReplaced, DemoControlNet, ZImageModel]
