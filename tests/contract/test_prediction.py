"""What is predicted before a generation, on the real ldm U-Net and on stand-ins."""

from __future__ import annotations

import types
from typing import Any

import ldm_models
import pytest
import torch
from torch import nn

from lib_todo import Settings, wording
from lib_todo.cost.architectures import NOTHING_TO_POOL, UNetShape, shape_of_weights
from lib_todo.hosts.webui import host, result


def unet(shape: dict[str, Any]) -> Any:
    """A narrow ldm U-Net of the wanted levels."""
    with torch.device("meta"):
        return ldm_models.unet(num_res_blocks=2, **shape)


def shape_of(model: Any) -> UNetShape:
    wrapped = types.SimpleNamespace(diffusion_model=model)
    return host.shape_of(types.SimpleNamespace(model=wrapped))


SD15 = {"attention_resolutions": [4, 2, 1], "channel_mult": [1, 2, 4, 4]}
SDXL = {"attention_resolutions": [4, 2], "channel_mult": [1, 2, 4]}


@pytest.mark.parametrize("model", [None, object(), types.SimpleNamespace(joint_blocks=[])])
def test_finds_none_in_other_models(model: Any) -> None:
    assert shape_of(model) == NOTHING_TO_POOL


def test_finds_the_unet_of_forge() -> None:
    patcher = types.SimpleNamespace(model=types.SimpleNamespace(diffusion_model=unet(SD15)))
    model = types.SimpleNamespace(forge_objects=types.SimpleNamespace(unet=patcher), model=None)
    assert host.shape_of(model).levels


def test_says_why_no_layer_was_called() -> None:
    assert result.Summary(Settings(), "").line() == wording.nothing_pooled(wording.NO_LAYER)


@pytest.mark.parametrize(("shape", "depths"), [(SD15, (1, 1, 1, 0)), (SDXL, (0, 1, 1))])
def test_reads_the_shape_of_the_loaded_checkpoint(
    shape: dict[str, Any], depths: tuple[int, ...]
) -> None:
    model = unet(shape)
    found = shape_of(model)
    channels = tuple(32 * times for times in shape["channel_mult"])
    assert (found.channels, found.depths, found.middle_depth) == (channels, depths, 1)
    assert (found.context_width, found.vector_width) == (ldm_models.TEXT_WIDTH, 0)
    # the weights of a file tell the same
    sizes = {name: list(weight.shape) for name, weight in model.named_parameters()}
    assert shape_of_weights(sizes) == found
    assert found.known_levels == found.levels
    # what SDXL adds to the time
    model = unet(shape)
    model.label_emb = nn.Sequential(nn.Sequential(nn.Linear(12, 8), nn.SiLU(), nn.Linear(8, 8)))
    assert shape_of(model).vector_width == 12


def test_the_levels_of_a_unet_that_lacks_a_transformer_are_not_known() -> None:
    model = unet(SD15)
    model.output_blocks[-1][1] = nn.Identity()
    found = shape_of(model)
    assert (found.levels, found.known_levels) == ({1: 5, 2: 5, 4: 5, 8: 1}, {})
