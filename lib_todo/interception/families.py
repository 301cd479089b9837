"""The table of families: each program's classes with self-attention, and how they are called."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import sys
from collections.abc import Iterator
from typing import Any

LDM_PARAMETERS = ("x", "context", "mask")
SGM_PARAMETERS = (*LDM_PARAMETERS, "additional_tokens", "n_times_crossframe_attn_in_self")
COMFY_PARAMETERS = ("x", "context", "value", "mask", "transformer_options")
DIFFUSERS_PARAMETERS = ("hidden_states", "encoder_hidden_states", "attention_mask")

# a class: its module and its name
Place = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Family:
    """The classes of one program.

    Attributes:
        models: whole models: the U-Net, and ControlNet's where that is another class.
        transformers: the spatial transformers in them, which get `[b, c, h, w]`.
        attentions: the attention in those.
        timestep: the name of the argument with the timestep; a model without one is not looked at.
        parameters: the names of the attention's arguments in order: the tokens, then the context
            from which keys and values are computed.
        must_be_unset: arguments with which keys depend on more than the context; a call with one
            of them is left alone.
        time_embedding: what a model calls with its timesteps before its first transformer.
    """

    name: str
    models: tuple[Place, ...]
    transformers: tuple[Place, ...]
    attentions: tuple[Place, ...]
    timestep: str = "timesteps"
    parameters: tuple[str, ...] = COMFY_PARAMETERS
    must_be_unset: tuple[str, ...] = ("mask",)
    time_embedding: tuple[Place, ...] = ()


def classes(places: tuple[Place, ...]) -> Iterator[type]:
    """The classes at those places, each once; only of modules that are imported."""
    found = {getattr(sys.modules.get(module), name, None): None for module, name in places}
    return (cls for cls in found if isinstance(cls, type))


# by class and argument, where it stands
_places: dict[tuple[type, str], int] = {}


def timestep_place(model: Any, name: str) -> int | None:
    """Where the timestep stands among the arguments of a model class's call; None without one.

    It is looked for once: later, other code may have put a function of unknown arguments in place
    of the class's `forward`.
    """
    if (model, name) not in _places:
        names = list(inspect.signature(model.forward).parameters)[1:]
        if name not in names:
            return None
        _places[model, name] = names.index(name)
    return _places[model, name]


def _ldm_like(name: str, package: str, **rest: Any) -> Family:
    """A program with ldm's names."""
    attention = f"{package}.attention"
    return Family(
        name,
        models=((f"{package}.diffusionmodules.openaimodel", "UNetModel"),),
        transformers=((attention, "SpatialTransformer"),),
        # the second is for xformers; AUTOMATIC1111 makes it an alias of the first
        attentions=((attention, "CrossAttention"), (attention, "MemoryEfficientCrossAttention")),
        **rest,
    )


_FORGE, _OF_DIFFUSERS = "backend.nn.unet", "diffusers.models.transformers.transformer_"
FAMILIES = (
    _ldm_like("ldm", "ldm.modules", parameters=LDM_PARAMETERS),
    _ldm_like("sgm", "sgm.modules", parameters=SGM_PARAMETERS, must_be_unset=SGM_PARAMETERS[2:]),
    Family(
        "forge",
        models=((_FORGE, "IntegratedUNet2DConditionModel"),),
        transformers=((_FORGE, "SpatialTransformer"),),
        attentions=((_FORGE, "CrossAttention"),),
    ),
    _ldm_like("ldm_patched", "ldm_patched.ldm.modules"),
    _ldm_like("comfy", "comfy.ldm.modules"),
    Family(
        "diffusers",
        # of every model; those without a timestep or without spatial transformers are passed over
        models=(("diffusers.models.modeling_utils", "ModelMixin"),),
        transformers=(
            (f"{_OF_DIFFUSERS}2d", "Transformer2DModel"),
            (f"{_OF_DIFFUSERS}temporal", "TransformerSpatioTemporalModel"),
        ),
        attentions=(("diffusers.models.attention_processor", "Attention"),),
        timestep="timestep",
        parameters=DIFFUSERS_PARAMETERS,
        must_be_unset=("attention_mask",),
        time_embedding=(("diffusers.models.embeddings", "Timesteps"),),
    ),
)


def family_of(model: Any) -> Family | None:
    """The family whose whole models the model's class belongs to, if any."""
    return next((f for f in FAMILIES if isinstance(model, tuple(classes(f.models)))), None)


def transformers_of(model: Any) -> dict[int, Any]:
    """The spatial transformers in a model, by id."""
    kinds = tuple(cls for family in FAMILIES for cls in classes(family.transformers))
    return {id(part): part for part in model.modules() if isinstance(part, kinds)}


def is_model(module: Any) -> bool:
    """Whether the module is a whole model with spatial transformers, of any imported program."""
    family = family_of(module)
    if family is None or timestep_place(type(module), family.timestep) is None:
        return False
    return bool(transformers_of(module))


def import_what_loads_later() -> None:
    """Import classes that a program itself imports only when it loads a model.

    `import diffusers` imports no models, so one loaded inside the `with` would be missed.
    """
    if "diffusers" in sys.modules:
        family = FAMILIES[-1]
        for module, _ in (*family.models, *family.transformers, *family.attentions):
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
