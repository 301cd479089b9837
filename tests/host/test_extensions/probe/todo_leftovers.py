"""What is left on the host's classes, modules and hooks that is not its own."""

import importlib
import importlib.util
import sys
from typing import Any

import torch
from modules import shared

DIFFUSERS = (
    "diffusers.models.attention_processor",
    "diffusers.models.transformers.transformer_2d",
    "diffusers.models.unets.unet_2d_condition",
)
CLASS_MODULES = (
    *("ldm.modules.attention", "sgm.modules.attention", "backend.nn.unet"),
    *("ldm_patched.ldm.modules.attention", *DIFFUSERS),
)
CLASS_NAMES = (
    *("Attention", "Transformer2DModel", "UNet2DConditionModel", "SpatialTransformer"),
    *("CrossAttention", "MemoryEfficientCrossAttention", "BasicTransformerBlock"),
)
CALL_ATTRIBUTES = ("__call__", "_call_impl", "forward", "_forward")
HOOK_TABLES = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
HOST_MODULES = (
    *("ldm", "sgm", "modules", "torch", "networks", "open_clip", "transformers"),
    *("backend", "ldm_patched", "modules_forge", "diffusers"),
)


def watched_classes() -> dict[str, type]:
    """The classes whose attributes an attention extension might change, by dotted name."""
    found: dict[str, type] = {"torch.nn.Module": torch.nn.Module}
    for module_name in CLASS_MODULES:
        module = sys.modules.get(module_name)
        for name in CLASS_NAMES:
            cls = getattr(module, name, None)
            if cls is not None:
                found[f"{module_name}.{name}"] = cls
    return found


# The probe's folder sorts first among the extensions, so this is the bare host. A UI reload runs
# this file again; what an extension has left on the classes by then is not the bare host's. Forge
# Neo would import diffusers at the first model load only, when others have been here.
if not hasattr(shared, "todo_probe_bare"):
    if importlib.util.find_spec("diffusers") is not None:
        for module_name in DIFFUSERS:
            importlib.import_module(module_name)
    shared.todo_probe_bare = {name: dict(vars(cls)) for name, cls in watched_classes().items()}
BARE_ATTRIBUTES: dict[str, dict[str, Any]] = shared.todo_probe_bare


def describe(value: Any) -> str:
    """Where a function or a class was written: module and qualified name."""
    value = getattr(value, "__func__", value)
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None)
    return f"{module}.{name}" if module and name else repr(value)


def is_hosts_own(value: Any) -> bool:
    """Whether the WebUI itself, rather than an extension, wrote this function or class."""
    return describe(value).split(".")[0] in HOST_MODULES


def class_leftovers() -> list[str]:
    """Attributes added to, taken from or replaced on the watched classes by others."""
    found = []
    for name, cls in watched_classes().items():
        bare, now = BARE_ATTRIBUTES.get(name, {}), vars(cls)
        found += [f"{name}.{attribute} is deleted" for attribute in bare.keys() - now.keys()]
        for attribute, value in now.items():
            # transformers adds one to torch's class when it loads a model
            added = attribute not in bare and not describe(value).startswith("transformers.")
            replaced = attribute in CALL_ATTRIBUTES and value is not bare.get(attribute)
            # the host itself assigns `forward` at every checkpoint load
            if added or (replaced and not is_hosts_own(value)):
                found.append(f"{name}.{attribute} = {describe(value)}")
    return sorted(found)


def instance_leftovers(unet: torch.nn.Module) -> list[str]:
    """Methods put on single modules of the U-Net, and modules whose class was swapped."""
    found = []
    for name, module in unet.named_modules():
        put = {attribute: vars(module).get(attribute) for attribute in CALL_ATTRIBUTES}
        if not is_hosts_own(type(module)):
            put["__class__"] = type(module)
        found += [f"{name}.{key} = {describe(value)}" for key, value in put.items() if value]
    return found


def hook_leftovers(unet: torch.nn.Module, known: set[int]) -> list[str]:
    """Hooks whose ids are not `known`, on the U-Net's modules and on all modules."""
    tables = {
        f"{name}.{table}": getattr(module, table, {})
        for name, module in unet.named_modules()
        for table in HOOK_TABLES
    }
    tables |= {t: getattr(torch.nn.modules.module, f"_global{t}", {}) for t in HOOK_TABLES}
    return [
        f"{place} = {describe(function)}"
        for place, table in tables.items()
        for key, function in table.items()
        if key not in known
    ]
