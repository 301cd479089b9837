"""What is known of the host that runs: its releases, its state, how it refuses, and our option."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, NoReturn

import torch
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from safetensors import SafetensorError, safe_open
from torch import nn

from ...cost.architectures import UNetShape, shape_of_unet, shape_of_weights
from ...cost.rates import Machine, fused_attention
from ...settings import SettingsError
from .request import in_words

# width and height in pixels
Size = tuple[int, int]

SHOW_LINE = "todo_show_line"
# where hosts keep the class whose `forward` their attention optimisation replaces
ATTENTIONS = ("backend.nn.unet", "ldm_patched.ldm.modules.attention", "ldm.modules.attention")
# how a U-Net's weights are named in a checkpoint
UNET = "model.diffusion_model."


def _shared() -> Any:
    """The host's module of that name, which there is none of outside of a host."""
    return sys.modules.get("modules.shared")


def options() -> dict[str, Any]:
    """The host's options that were set, by name."""
    return getattr(getattr(_shared(), "opts", None), "data", {})


def own_file(name: str) -> Path:
    """A file of ours beside the host's settings."""
    return Path(_shared().config_filename).absolute().with_name(name)


def register_option() -> None:
    """Add our section to the settings page, and to what `/sdapi/v1/options` knows.

    Called when the script is loaded, since with --nowebui `on_ui_settings` never comes.
    """
    option = _shared().OptionInfo(
        True,
        "Show what was pooled, or why nothing was, in a line under the image",
        section=("todo", "ToDo"),
    )
    _shared().opts.add_option(SHOW_LINE, option)


def show_line() -> bool:
    return bool(options().get(SHOW_LINE, True))


def checkpoint_info(p: Any) -> Any:
    """The host's object for the checkpoint that `p` samples with; None where there is none."""
    return getattr(getattr(p, "sd_model", None), "sd_checkpoint_info", None)


def pass_of(p: Any) -> str:
    """The pass that `p` is in: "first" or "hires"."""
    return "hires" if getattr(p, "is_hr_pass", False) else "first"


def steps_of(p: Any, from_noise: bool) -> tuple[int, int]:
    """How many steps the schedule of the pass of `p` has, and how many of them are run."""
    if from_noise:
        return p.steps, p.steps
    # img2img and the hires pass begin in the middle of a longer schedule
    from modules.sd_samplers_common import setup_img2img_steps

    asked = (p.hr_second_pass_steps or p.steps) if pass_of(p) == "hires" else None
    whole, last = setup_img2img_steps(p, asked)
    return whole, last + 1


def levels_of(p: Any, whole: int, steps: int) -> tuple[float, ...]:
    """The noise levels of the last `steps` of the `whole` schedule of `p`; empty where it has none.

    The host computes them by the same method, but keeps them nowhere.
    """
    levels = getattr(getattr(p, "sampler", None), "get_sigmas", None)
    return tuple(levels(p, whole)[-(steps + 1) :].tolist()) if levels else ()


def chosen(p: Any, pass_name: str, what: str) -> str | None:
    """The `sampler_name` or `scheduler` of that pass."""
    hires = getattr(p, f"hr_{what}", None) if pass_name == "hires" else None
    return hires or getattr(p, what, None)


def shape_of(model: Any) -> UNetShape:
    """The shape of the model's U-Net."""
    if hasattr(model, "unet"):
        # SD.Next: a diffusers pipeline
        return shape_of_unet(model.unet)
    patcher = getattr(getattr(model, "forge_objects", None), "unet", None)
    inner = getattr(patcher if patcher is not None else model, "model", None)
    return shape_of_unet(getattr(inner, "diffusion_model", None))


def loaded() -> Any:
    """The host's model, or None while there is none; asking never loads one."""
    sd_models = sys.modules.get("modules.sd_models")
    return getattr(getattr(sd_models, "model_data", None), "sd_model", None)


def path_named(name: str) -> str | None:
    """The file of the checkpoint that a control names; "" is the one chosen for all generations."""
    name = name or options().get("sd_model_checkpoint") or ""
    find = getattr(sys.modules.get("modules.sd_models"), "get_closet_checkpoint_match", None)
    return getattr(find(name), "filename", None) if name and find else None


def loaded_as(name: str) -> Any:
    """The host's model if it is that checkpoint: after a hires pass another one is still loaded."""
    path, model = path_named(name), loaded()
    loaded_path = getattr(getattr(model, "sd_checkpoint_info", None), "filename", None)
    return model if loaded_path and path in (None, loaded_path) else None


def shape_named(name: str) -> UNetShape | None:
    """The shape of that checkpoint, loaded or by its file; None where neither tells."""
    if (model := loaded_as(name)) is not None:
        return shape_of(model)
    path = path_named(name)
    return shape_of_file(path) if path else None


def shape_of_file(path: str) -> UNetShape | None:
    """The shape by a file's header; None where it is no whole checkpoint in safetensors."""
    try:
        with safe_open(path, "pt") as file:
            # no dict: it is not gone through by itself
            names = [name for name in file.keys() if name.startswith(UNET)]  # noqa: SIM118
            sizes = {name[len(UNET) :]: file.get_slice(name).get_shape() for name in names}
    except (OSError, SafetensorError):
        return None
    return shape_of_weights(sizes) if sizes else None


def machine() -> Machine:
    """The device, precision and attention in use."""
    from modules import devices

    dtype = torch.float32 if devices.device.type == "cpu" else devices.dtype
    kept = own_file("todo-machine.json")
    return Machine(devices.device, dtype, kept, _attend, attention())


def attention() -> str:
    """The name of the attention optimisation in use."""
    by_forge = getattr(sys.modules.get("backend.attention"), "attention_function", None)
    forward = by_forge or getattr(_attention_class(), "forward", fused_attention)
    return str(getattr(forward, "__qualname__", forward))


def _attention_class() -> Any:
    classes = (getattr(sys.modules.get(name), "CrossAttention", None) for name in ATTENTIONS)
    return next(filter(None, classes), None)


def _attend(tokens: torch.Tensor, heads: int) -> Any:
    width, same = tokens.shape[2] // heads, nn.Identity()
    # what the host's attention needs of a layer, without projections
    layer = types.SimpleNamespace(heads=heads, dim_head=width, scale=width**-0.5)
    layer.to_q = layer.to_k = layer.to_v = same
    layer.to_out, layer.attn_precision = nn.Sequential(same, same), None
    try:
        return _attention_class().forward(layer, tokens)
    except (AttributeError, TypeError):
        # no such class, or an attention that wants more of its layer
        return fused_attention(tokens, heads)


class SettingsRefused(HTTPException):
    """A bad value: the API answers with this status and detail, the page shows the text."""

    def __init__(self, error: SettingsError) -> None:
        super().__init__(status_code=422, detail=in_words(error))

    def __str__(self) -> str:
        return self.detail


def refuse(p: Any, error: SettingsError) -> None:
    """Make the generation of `p` end before its first image.

    The host only logs what a callback raises. But right after it calls `p.init` without catching
    anything, so the error is raised there.
    """
    # reForge runs the page's requests in its main thread, which (unlike Forge's) does not pass
    # exceptions on: its page would show a TypeError of its own. There the text is put where the
    # line would be, and the generation ends as by Interrupt
    main_thread = sys.modules.get("modules_forge.main_thread")
    loses_errors = main_thread is not None and not hasattr(main_thread, "last_exception")
    if loses_errors and not getattr(p, "is_api", False):
        p.comment(in_words(error))
        _shared().state.interrupt()
        return

    def init(*args: Any, **kwargs: Any) -> NoReturn:
        raise SettingsRefused(error)

    p.init = init


def explain_object_as_args(app: FastAPI) -> None:
    """Have the API say what is wrong where `args` is an object instead of a list.

    The host looks for the first value by its number, and would answer with status 500.
    """

    async def answer(request: Request, error: KeyError) -> JSONResponse:
        if error.args != (0,) or not request.url.path.startswith("/sdapi/"):
            raise error
        text = 'a script\'s args must be a list; ToDo takes [{"preset": "fast"}]'
        return JSONResponse({"detail": text, "errors": text}, status_code=422)

    app.add_exception_handler(KeyError, answer)
    # a request may have come before, and with it a stack without this; the next one builds it anew
    app.middleware_stack = None
