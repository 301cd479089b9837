"""Stand-ins for the hosts' classes: names, modules and signatures, without any computation."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

GRID = (4, 6)
TOKENS, WIDTH = 24, 8


class Attention(nn.Module):
    """Gives x back, and remembers how each call reached it, positions and names apart."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[tuple, dict]] = []
        self.register_forward_pre_hook(
            lambda _, args, kwargs: self.calls.append((args, kwargs)), with_kwargs=True
        )


def taking(base: type, forward: Callable) -> Any:
    """A class of that base with a host's own signature."""
    return type(base.__name__, (base,), {"forward": forward})


LdmAttention = taking(Attention, lambda self, x, context=None, mask=None: x)
# and additional_tokens and n_times_crossframe_attn_in_self
SgmAttention = taking(Attention, lambda self, x, context=None, mask=None, *_, **__: x)
# Forge's, reForge's and ComfyUI's
ComfyAttention = taking(
    Attention, lambda self, x, context=None, value=None, mask=None, transformer_options=None: x
)


class DiffusersAttention(Attention):
    def __init__(self) -> None:
        super().__init__()
        # diffusers' own processors are known by their names
        own = {"__module__": "diffusers.models.attention_processor"}
        self.processor = type("AttnProcessor2_0", (), own)()

    def forward(
        self, hidden_states: Any, encoder_hidden_states: Any = None, *_: Any, **__: Any
    ) -> Any:
        return hidden_states


class Transformer(nn.Module):
    """Makes whatever call of its attention it is told to."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.transformer_blocks = nn.ModuleList([nn.Module()])
        self.transformer_blocks[0].attn1 = attention
        self.args: tuple = ()
        self.kwargs: dict[str, Any] = {}

    def call(self) -> Any:
        return self.transformer_blocks[0].attn1(*self.args, **self.kwargs)


LdmTransformer = taking(Transformer, lambda self, x, context=None: self.call())
ComfyTransformer = taking(
    Transformer, lambda self, x, context=None, transformer_options=None: self.call()
)
DiffusersTransformer = taking(
    Transformer, lambda self, hidden_states, encoder_hidden_states=None, **_: self.call()
)


# for every family: its classes, by the module that the host has them in and the name there
Classes = dict[str, dict[str, type]]
HOSTS: dict[str, tuple[type[Transformer], type[Attention], Classes]] = {
    name: (
        transformer,
        attention,
        {module: {"SpatialTransformer": transformer, "CrossAttention": attention}},
    )
    for name, module, transformer, attention in (
        ("ldm", "ldm.modules.attention", LdmTransformer, LdmAttention),
        ("sgm", "sgm.modules.attention", LdmTransformer, SgmAttention),
        ("forge", "backend.nn.unet", ComfyTransformer, ComfyAttention),
        ("ldm_patched", "ldm_patched.ldm.modules.attention", ComfyTransformer, ComfyAttention),
        ("comfy", "comfy.ldm.modules.attention", ComfyTransformer, ComfyAttention),
    )
}
HOSTS["diffusers"] = (
    DiffusersTransformer,
    DiffusersAttention,
    {
        "diffusers.models.transformers.transformer_2d": {
            "Transformer2DModel": DiffusersTransformer
        },
        "diffusers.models.attention_processor": {"Attention": DiffusersAttention},
    },
)


def only(monkeypatch: pytest.MonkeyPatch, classes: Classes) -> None:
    """Have these modules imported, and none else of those where the hosts keep their classes."""
    for _, _, others in HOSTS.values():
        for module in others:
            monkeypatch.delitem(sys.modules, module, raising=False)
    for module, members in classes.items():
        put(monkeypatch, module, **members)


def put(monkeypatch: pytest.MonkeyPatch, module: str, **members: Any) -> None:
    """Have a module of that name imported that holds these members."""
    stand_in = types.ModuleType(module)
    vars(stand_in).update(members)
    monkeypatch.setitem(sys.modules, module, stand_in)


def image() -> torch.Tensor:
    return torch.randn(2, WIDTH, *GRID)


def tokens(count: int = TOKENS) -> torch.Tensor:
    return torch.randn(2, count, WIDTH)


def by_two(grid: torch.Tensor) -> torch.Tensor:
    """Every other token of every other row of GRID."""
    return grid[:, [0, 2, 4, 12, 14, 16]]
