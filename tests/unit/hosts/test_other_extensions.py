"""Layers that other extensions use are left to them, as long as they use them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ldm.modules.attention import CrossAttention
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import Report, Settings, token_downsampling
from lib_todo.hosts.webui import other_extensions
from lib_todo.reasons import Reason

BY_TWO = paper(factor=2, threshold=4)
BELOW = paper(factor=2, threshold=64)
GRID = (6, 8)

other_extensions.register()


class Older:
    """What the older extension does to a layer: a hook by which every third token is the context.

    It notes down on the layer which of the U-Net's calls it is, and after which one it rests.
    """

    def __init__(self, layer: CrossAttention, rests_after: int) -> None:
        self.layer = layer
        hook = layer.register_forward_pre_hook(self._pool, with_kwargs=True)
        arguments = {"disable_after": rests_after}
        layer._todo_info = {"hooks": [hook], "current_step": 1, "args": arguments}

    def _pool(self, layer: Any, args: Any, kwargs: Any) -> Any:
        if layer._todo_info["current_step"] <= layer._todo_info["args"]["disable_after"]:
            return args, {**kwargs, "context": args[0][:, ::3]}
        return None

    def switch_off(self) -> None:
        for hook in self.layer._todo_info["hooks"]:
            hook.remove()
        self.layer._todo_info["hooks"].clear()


@pytest.fixture
def model() -> Any:
    return spatial_transformer()


@pytest.fixture
def layer(model: Any) -> CrossAttention:
    attention: CrossAttention = model.transformer_blocks[0].attn1
    return attention


def answers(model: Any, settings: Settings | None) -> tuple[torch.Tensor, Report]:
    """The transformer's answer to fixed noise, with these settings or without ToDo."""
    torch.manual_seed(1)
    x, context = image(*GRID), text()
    with token_downsampling(settings or paper(enabled=False)) as report:
        return run(model, x, context), report


@pytest.mark.parametrize(
    ("settings", "reason"),
    [(BY_TWO, Reason.OLDER_EXTENSION), (BELOW, Reason.BELOW_THRESHOLD)],
)
def test_the_older_extension_keeps_a_layer_it_pools(
    model: Any, layer: CrossAttention, settings: Settings, reason: Reason
) -> None:
    """Its hook comes after ours and would replace our keys: the report must not claim them."""
    Older(layer, rests_after=1)
    alone, _ = answers(model, None)
    both, report = answers(model, settings)
    assert torch.equal(both, alone)
    assert list(report.left_alone) == [reason]
    assert (report.pooled, report.layers) == ({}, 1)


@pytest.mark.parametrize("how", ["it rests", "it is off", "something else has its name"])
def test_a_layer_the_older_extension_had_is_pooled(
    model: Any, layer: CrossAttention, how: str
) -> None:
    expected, _ = answers(model, BY_TWO)
    older = Older(layer, rests_after=0 if how == "it rests" else 9)
    if how != "it rests":
        older.switch_off()
    if how == "something else has its name":
        layer._todo_info = "not theirs"
    got, report = answers(model, BY_TWO)
    assert torch.equal(got, expected)
    assert list(report.pooled) == [(48, 12)]
    assert report.left_alone == {}


def test_a_layer_whose_attention_map_is_read_keeps_all_keys(
    model: Any, layer: CrossAttention
) -> None:
    """Self-attention guidance folds the map to the grid, and fails where keys are missing."""
    keys = []

    def xattn_forward_log(self: Any, x: torch.Tensor, context: Any = None) -> torch.Tensor:
        keys.append((x if context is None else context).shape[1])
        return x

    layer.forward = xattn_forward_log.__get__(layer)
    _, report = answers(model, BY_TWO)
    assert keys == [48]
    assert list(report.left_alone) == [Reason.ATTENTION_MAP_READ]
    del layer.forward
    assert list(answers(model, BY_TWO)[1].pooled) == [(48, 12)]


def test_perturbed_values_are_those_of_all_tokens(model: Any, layer: CrossAttention) -> None:
    """Incantations puts the values in place of the output: with fewer of them it fails."""
    values = []
    layer.to_v.register_forward_hook(lambda _layer, _args, output: values.append(output))
    layer.register_forward_hook(
        lambda layer, _args, output: values.pop() if layer.pag_enable else output
    )
    layer.pag_enable = True
    alone, _ = answers(model, None)
    guided, report = answers(model, BY_TWO)
    assert torch.equal(guided, alone)
    assert list(report.left_alone) == [Reason.PERTURBED]
    layer.pag_enable = False
    assert list(answers(model, BY_TWO)[1].pooled) == [(48, 12)]


def test_agent_attention_is_named_for_the_layers_it_merges(model: Any) -> None:
    """Its blocks have the name of ToMe's; where it merges nothing the layer is pooled."""
    block = model.transformer_blocks[0]
    block.__class__ = type("ToMeBlock", (type(block),), {})
    block.attn1.__class__ = type("AgentAttention", (CrossAttention,), {})
    assert list(answers(model, BY_TWO)[1].pooled) == [(48, 12)]
    block.norm1.register_forward_hook(lambda _norm, _args, output: output[:, :20])
    block.attn1.register_forward_hook(
        lambda _layer, _args, output: torch.nn.functional.pad(output, (0, 0, 0, 28))
    )
    report = answers(model, BY_TWO)[1]
    assert list(report.left_alone) == [Reason.AGENT_ATTENTION]
    assert (report.pooled, report.layers) == ({}, 1)
