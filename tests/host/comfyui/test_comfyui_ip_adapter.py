"""IP-Adapter's own nodes on the same model, before ours in the chain and after it."""

from __future__ import annotations

import pytest
import torch
from comfyui_host import ComfyHost, Graph, other_extensions
from graphs import Step, text2image
from lattice import counts, latent

pytestmark = pytest.mark.skipif(
    not any(path.name == "ComfyUI_IPAdapter_plus" for path in other_extensions()),
    reason="COMFYUI_EXTENSIONS names no folder with ComfyUI_IPAdapter_plus",
)
TODO: Step = ("ToDo", {"threshold": 16, "factor": 2, "deep_factor": 1, "phase": "fixed"})
BY_HAND: Step = ("ByHand", {})
IMAGE: Step = (
    "IPAdapterEmbeds",
    {
        "ipadapter": ["adapter", 0],
        "pos_embed": ["adapter", 1],
        "neg_embed": ["adapter", 2],
        "weight": 1.0,
        "weight_type": "linear",
        "start_at": 0.0,
        "end_at": 1.0,
        "embeds_scaling": "V only",
    },
)


def with_image(*chain: Step) -> Graph:
    return {
        **text2image(*chain),
        "adapter": {"class_type": "TinyIPAdapter", "inputs": {}},
    }


@pytest.mark.parametrize("ours_first", [True, False], ids=["before it", "after it"])
def test_as_by_hand(comfyui: ComfyHost, ours_first: bool) -> None:
    chain = (TODO, IMAGE) if ours_first else (IMAGE, TODO)
    found = latent(comfyui, with_image(*chain))
    assert (1024, 256) in counts(comfyui.record())
    assert torch.equal(found, latent(comfyui, with_image(IMAGE, BY_HAND)))
    assert not torch.equal(found, latent(comfyui, text2image(TODO))), "the image has its say"
    assert not torch.equal(found, latent(comfyui, with_image(IMAGE))), "and so has ToDo"
