"""ComfyUI's model patcher, and a model's whole way through ToDo's patch."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import torch
from stand_in import UNET

from lib_todo import Settings
from lib_todo.hosts.comfyui import patch
from lib_todo.hosts.comfyui.sampling import Sampling

SIGMAS = (14.6, 6.0, 2.0, 0.5, 0.0)
SETTINGS = Settings(threshold=4, factor=2, deep_factor=1)


class Patcher:
    """ComfyUI's ModelPatcher, as far as it is used."""

    def __init__(self) -> None:
        self.model_options = {"transformer_options": {}}
        # what a guider has
        self.model_patcher = SimpleNamespace(model=SimpleNamespace(diffusion_model=UNET))
        self.wrappers: dict[tuple[str, str], list] = {}

    def clone(self) -> Patcher:
        return copy.deepcopy(self)

    def add_wrapper_with_key(self, kind: str, key: str, wrapper: object) -> None:
        self.wrappers.setdefault((kind, key), []).append(wrapper)

    def remove_wrappers_with_key(self, kind: str, key: str) -> None:
        self.wrappers.pop((kind, key), None)


def call(
    sampling: Sampling, sigma: float = 14.6, replaced: tuple = (), side: int = 8
) -> torch.Tensor:
    """The context that the patch makes of a grid of numbered tokens; the model's whole way."""
    seen = []

    def model(x, t, c_concat, c_crossattn, control, options, **kwargs):
        assert options["patches"]["attn1_patch"] == [print, patch.keys_patch]
        options |= {"activations_shape": [1, 3, side, side], "block": ("input", 1)}
        tokens = torch.arange(side * side).float().reshape(1, -1, 1).expand(1, -1, 3)
        n, context, value = patch.keys_patch(tokens, tokens, tokens, options)
        assert n is tokens and value is context
        seen.append(context)

    options = {
        patch.SAMPLING: sampling,
        "sigmas": torch.tensor([sigma]),
        "patches_replace": {"attn1": dict.fromkeys(replaced, print)},
        "patches": {"attn1_patch": [print]},
    }
    patch.call_with_patch(model, torch.zeros(1, 4, side, side), None, None, None, None, options)
    assert patch.EVALUATION not in options, "the caller's own options stay as they are"
    return seen[0]
