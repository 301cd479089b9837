"""A test-only WebUI extension: counts attention tokens, lists leftovers, injects faults.

It knows nothing of the extension under test. It watches the loaded U-Net with PyTorch hooks and
answers over HTTP under /todo-probe/.
"""

import builtins
import sys
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from modules import devices, script_callbacks, sd_models, shared
from todo_leftovers import class_leftovers, hook_leftovers, instance_leftovers
from todo_positions import Positions
from todo_sdnext import Timesteps, pass_in_sdnext


def denoiser_of(params: Any) -> Any:
    """The host's denoiser. Before 1.8 nothing names it; there it is the caller of the callback."""
    frame = sys._getframe()
    while not hasattr(params, "denoiser"):
        frame = frame.f_back
        caller = frame.f_locals.get("self")
        if hasattr(caller, "inner_model") and hasattr(caller, "step"):
            return caller
    return params.denoiser


def unet_of(sd_model: Any) -> torch.nn.Module | None:
    """The U-Net of a loaded model; Forge and reForge have it inside a patcher, SD.Next plainly."""
    if hasattr(sd_model, "unet"):
        return sd_model.unet
    patcher = getattr(getattr(sd_model, "forge_objects", None), "unet", None)
    inner = getattr(sd_model if patcher is None else patcher, "model", None)
    return getattr(inner, "diffusion_model", None)


# of a kind of self-attention call: where in the sampling, on which grid, how many tokens
FIELDS = "generation in_pass step height width batch queries keys layer".split()


class Probe:
    """The hooks on one U-Net at a time, and what they have seen since the last reset."""

    def __init__(self) -> None:
        self.unet: Callable[[], torch.nn.Module | None] = lambda: None
        self.handles: list[Any] = []
        self.hook_ids: set[int] = set()
        self.processing: Callable[[], Any] = lambda: None
        self.positions = Positions()
        self.clear()

    def clear(self) -> None:
        self.rows: Counter[tuple[Any, ...]] = Counter()
        self.unet_calls = 0
        self.generation = 0
        self.in_pass = "first"
        self.step = 0
        self.grid = (0, 0)
        self.query: tuple[int, int] = (0, 0)
        self.timesteps = Timesteps()
        self.fault = ("", 0)
        self.lattice: tuple[int, int] | None = None
        self.positions.clear()

    def watch(self, sd_model: Any) -> None:
        """Put the hooks on this model's U-Net, if they are not there already."""
        unet = unet_of(sd_model)
        if unet is None or unet is self.unet():
            return
        self.unwatch()
        self.unet = weakref.ref(unet)
        self.hook(unet, self.on_unet)
        self.watch_layers(unet)

    def watch_layers(self, root: torch.nn.Module, prefix: str = "") -> None:
        """Count in all self-attention layers of this module; `prefix` tells them from others."""
        for name, module in root.named_modules():
            if hasattr(module, "transformer_blocks"):
                self.hook(module, self.on_transformer)
            elif name.endswith(".attn1") and hasattr(module, "to_k"):
                self.hook(module, self.on_attention, with_kwargs=True)
                self.hook(module.to_q, self.on_queries)
                self.hook(module.to_k, self.on_keys(prefix + name))

    def hook(self, module: torch.nn.Module, function: Callable[..., Any], **options: bool) -> None:
        handle = module.register_forward_pre_hook(function, **options)
        self.handles.append(handle)
        self.hook_ids.add(handle.id)

    def unwatch(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        self.hook_ids.clear()
        self.unet = lambda: None

    def on_step(self, params: Any) -> None:
        """Before each denoiser call; here a refiner or a hires checkpoint is already in place."""
        self.watch(sd_models.model_data.sd_model)
        denoiser = denoiser_of(params)
        if denoiser.p is not self.processing():
            self.processing = weakref.ref(denoiser.p)
            self.generation += 1
        self.in_pass = "hires" if getattr(denoiser.p, "is_hr_pass", False) else "first"
        self.step = denoiser.step

    def on_unet(self, module: torch.nn.Module, args: Any) -> None:
        self.unet_calls += 1
        if type(module).__module__.startswith("diffusers."):
            # SD.Next has no callback for a step
            self.in_pass = pass_in_sdnext()
            self.step = self.timesteps.step(float(args[1].max()))
        action, call = self.fault
        if action in ("interrupt", "skip") and self.unet_calls == call:
            getattr(shared.state, action)()
        elif action and self.unet_calls == call:
            raise getattr(builtins, action)("todo-probe: on purpose")

    def on_transformer(self, _module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        self.grid = (args[0].shape[2], args[0].shape[3])

    def on_attention(self, _module: torch.nn.Module, args: Any, kwargs: Any) -> Any:
        """Where it was told to, give the layer every n-th token of every n-th row as its keys.

        So in each of the grids that a context may have side by side.
        """
        height, width = self.grid
        tokens = height * width
        if self.lattice is None or tokens <= self.lattice[1] ** 2:
            return None
        name = "encoder_hidden_states" if "encoder_hidden_states" in kwargs else "context"
        given = kwargs.get(name)
        context = args[0] if given is None else given
        factor = self.lattice[0]
        chosen = [
            first + row * width + column
            for first in range(0, context.shape[1], tokens)
            for row in range(0, height, factor)
            for column in range(0, width, factor)
        ]
        return args, {**kwargs, name: context[:, chosen]}

    def on_queries(self, _module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        self.query = (args[0].shape[0], args[0].shape[1])
        self.positions.saw_queries(args[0])

    def on_keys(self, layer: str) -> Callable[..., None]:
        def count(_module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            at = (self.generation, self.in_pass, self.step)
            self.rows[(*at, *self.grid, *self.query, args[0].shape[1], layer)] += 1
            self.positions.saw_keys(args[0], {"grid": self.grid, **dict(zip(FIELDS, at))})

        return count


probe = Probe()
# for the helper of the tests of other extensions
shared.todo_probe = probe


def ready() -> bool:
    """Whether the start is over: what this asks for is the last thing the loading thread does.

    Forge loads a model with the first request, reForge with the start; neither does it twice.
    """
    if "modules_forge.main_thread" in sys.modules:
        return (
            "backend.nn.unet" in sys.modules or unet_of(sd_models.model_data.sd_model) is not None
        )
    if not hasattr(devices, "first_time_calculation"):
        # SD.Next
        return unet_of(sd_models.model_data.sd_model) is not None
    return devices.first_time_calculation.cache_info().currsize > 0


def reset() -> dict[str, Any]:
    """Forget what was seen and any fault that is armed; watch the model now loaded."""
    probe.clear()
    probe.watch(sd_models.model_data.sd_model)
    return {}


def counts() -> dict[str, Any]:
    """What was seen since the last reset."""
    rows = [{**dict(zip(FIELDS, seen)), "calls": n} for seen, n in probe.rows.items()]
    return {"unet_calls": probe.unet_calls, "rows": rows}


def leftovers() -> dict[str, Any]:
    """State on classes, instances and hooks that the bare host does not have."""
    instances, hooks = [], []
    data = sd_models.model_data
    # Forge keeps no list
    for sd_model in getattr(data, "loaded_sd_models", None) or [data.sd_model]:
        unet = unet_of(sd_model)
        if unet is None:
            continue
        instances += instance_leftovers(unet)
        hooks += hook_leftovers(unet, probe.hook_ids)
    return {"classes": class_leftovers(), "instances": instances, "hooks": hooks}


def fault(action: str, call: int) -> dict[str, Any]:
    """`interrupt`, `skip` or an exception's name, for the n-th U-Net call since the last reset."""
    probe.fault = action, call
    return {}


def lattice(factor: int, threshold: int) -> dict[str, Any]:
    """Until the next reset pool by hand, to compare with, in layers above the threshold."""
    probe.lattice = (factor, threshold)
    return {}


def watch_positions() -> dict[str, Any]:
    """Until the next reset note which tokens each pooled layer is given."""
    probe.positions.is_on = True
    return {}


def positions() -> dict[str, Any]:
    """Those calls, in their order."""
    return {"calls": probe.positions.calls}


def reload() -> dict[str, Any]:
    """Reload the UI, as the button on the settings page does."""
    shared.state.request_restart()
    return {}


def add_routes(_demo: Any, app: Any) -> None:
    for answer in (ready, counts, leftovers, positions):
        app.add_api_route(f"/todo-probe/{answer.__name__}", answer, methods=["GET"])
    for order in (reset, fault, lattice, watch_positions, reload):
        app.add_api_route(f"/todo-probe/{order.__name__}", order, methods=["POST"])


script_callbacks.on_app_started(add_routes)
script_callbacks.on_model_loaded(probe.watch)
script_callbacks.on_cfg_denoiser(probe.on_step)
script_callbacks.on_script_unloaded(probe.unwatch)
