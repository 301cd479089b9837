"""A test-only WebUI extension: raises errors on request, and reports what a generation left behind.

Another extension's callbacks stand before and after those of the extension under test; both, the
attention's calls, the U-Net's, the checkpoint's loading and the tested extension's own functions
are places. One fault is armed at a time, for the n-th time that its place is reached.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import gc
import importlib
import re
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from modules import script_callbacks, scripts, sd_models, shared
from modules.api.models import StableDiffusionTxt2ImgProcessingAPI
from todo_nested import Nested, generate_inside
from todo_watching import classes, in_sampling, loading, own_state, resources, watcher

# named by type, since a refiner or a hires checkpoint brings another object
HOOKED = {"SpatialTransformer", "CrossAttention", "UNetModel"}
# place -> the function that it stands for, by module and attribute
FUNCTIONS = {
    "pool_tokens": ("sd_webui_todo.runs.run", "pool_tokens"),
    "layer_factor": ("sd_webui_todo.plan", "layer_factor"),
    "count": ("sd_webui_todo.report", "Report.count"),
    "progress": ("sd_webui_todo.report", "Report.progress"),
    "line": ("sd_webui_todo.hosts.webui.result", "line"),
    "data": ("sd_webui_todo.hosts.webui.result", "data"),
    "begin": ("sd_webui_todo.hosts.webui.generation", "begin"),
    "before_sampling": ("sd_webui_todo.hosts.webui.generation", "before_sampling"),
    "finish": ("sd_webui_todo.hosts.webui.generation", "finish"),
    "planned": ("sd_webui_todo.hosts.webui.prediction", "planned"),
    "load_model_weights": ("modules.sd_models", "load_model_weights"),
    "load_model": ("modules.sd_models", "load_model"),
}


@dataclasses.dataclass
class Fault:
    """What happens at the n-th time that `place` is reached in that pass."""

    place: str
    action: str
    nth: int = 1
    in_pass: str = ""
    nested: bool = False

    def strike(self) -> None:
        if self.action == "interrupt":
            shared.state.interrupt()
        elif self.action == "skip":
            shared.state.skip()
        elif self.action == "reload":
            shared.state.request_restart()
        else:
            kind = getattr(builtins, self.action, None) or getattr(torch.cuda, self.action)
            raise kind(f"todo-faults: on purpose at {self.place}")


class Injector:
    """The one fault that is armed, and whatever had to be wrapped for it."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.nested: Nested | None = None
        self.struck = False
        self.depth = 0
        self.undo: list[Callable[[], Any]] = []

    def arm(self, fault: Fault | None, nested: Nested | None) -> None:
        self.disarm()
        self.fault, self.nested, self.struck = fault, nested, False
        if fault is not None:
            self._wrap(fault.place)

    def disarm(self) -> None:
        self.fault = self.nested = None
        while self.undo:
            self.undo.pop()()

    def _wrap(self, place: str) -> None:
        side, _, name = place.partition(" ")
        if side == "over":
            return  # in mid-sampling, see `over`
        if side == "under":
            self.undo += [wrap_class(cls) for cls in classes(name)]
        elif name in FUNCTIONS:
            module, attribute = FUNCTIONS[name]
            self.undo.append(wrap_function(module, attribute, name))
        elif name in HOOKED:
            self.undo += [
                torch.nn.modules.module.register_module_forward_pre_hook(self._enter).remove,
                torch.nn.modules.module.register_module_forward_hook(self._leave).remove,
            ]

    def _enter(self, module: torch.nn.Module, _args: Any) -> None:
        if type(module).__name__ in HOOKED:
            self.reach(f"enter {type(module).__name__}")

    def _leave(self, module: torch.nn.Module, _args: Any, _out: Any) -> None:
        if type(module).__name__ in HOOKED:
            self.reach(f"leave {type(module).__name__}")

    def reach(self, place: str) -> None:
        """Here is `place`: strike if that is where, and when, a fault is armed."""
        fault = self.fault
        if fault is None or fault.place != place or fault.nested is not bool(self.depth):
            return
        if fault.in_pass and fault.in_pass != watcher.in_pass():
            return
        fault.nth -= 1
        if fault.nth <= 0:
            self.fault, self.struck = None, True
            fault.strike()

    def over(self) -> None:
        """In mid-sampling, put another wrapper over that of the extension under test."""
        fault = self.fault
        if fault is not None and fault.place.startswith("over ") and not self.undo:
            self.undo += [wrap_class(cls) for cls in classes(fault.place.partition(" ")[2])]

    def nest(self, place: str, p: Any) -> None:
        nested = self.nested
        if nested is None or nested.place != place or self.depth:
            return
        self.nested = None
        self.depth += 1
        try:
            generate_inside(p, nested.args)
        finally:
            self.depth -= 1


def wrap_class(cls: type) -> Callable[[], Any]:
    """Wrap the class's call, as a third extension might; returns how to undo it."""
    original = cls.__call__
    places = [f"{side} {cls.__name__}" for side in ("under", "over")]

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        for place in places:
            injector.reach(place)
        return original(self, *args, **kwargs)

    patch = mock.patch.object(cls, "__call__", __call__)
    patch.start()
    return patch.stop


def wrap_function(module: str, attribute: str, name: str) -> Callable[[], Any]:
    owner: Any = importlib.import_module(module)
    *parents, last = attribute.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original = getattr(owner, last)

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        injector.reach(f"enter {name}")
        result = original(*args, **kwargs)
        injector.reach(f"leave {name}")
        return result

    patch = mock.patch.object(owner, last, wrapper)
    patch.start()
    return patch.stop


injector = Injector()


class FaultsScript(scripts.Script):
    """A script whose every callback is a place; `order` says on which side of the tested one."""

    order = ""

    def title(self) -> str:
        return f"todo-faults {self.order}"

    def show(self, is_img2img: bool) -> Any:
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> None:
        return None


def callback(name: str) -> Callable[..., None]:
    def called(self: FaultsScript, p: Any, *args: Any, **kwargs: Any) -> None:
        watcher.saw(p)
        if self.order == "before":
            injector.nest(name, p)
        injector.reach(f"{self.order} {name}")

    return called


SCRIPT_CALLBACKS = (
    "setup",
    "before_process",
    "process",
    "before_process_batch",
    "after_extra_networks_activate",
    "process_batch",
    "process_before_every_sampling",
    "before_hr",
    "post_sample",
    "postprocess_batch",
    "postprocess_batch_list",
    "postprocess_image",
    "postprocess_maskoverlay",
    "postprocess_image_after_composite",
    "postprocess",
)
for callback_name in SCRIPT_CALLBACKS:
    setattr(FaultsScript, callback_name, callback(callback_name))


def listen(order: str) -> None:
    """Register the callbacks that are no script's own."""

    def denoiser(params: Any) -> None:
        watcher.saw(params.denoiser.p)
        watcher.look()
        if order == "after":
            injector.over()
        injector.reach(f"{order} on_cfg_denoiser")

    def reached(name: str) -> Callable[[Any], None]:
        return lambda params: injector.reach(f"{order} {name}")

    script_callbacks.on_cfg_denoiser(denoiser)
    script_callbacks.on_cfg_denoised(reached("on_cfg_denoised"))
    script_callbacks.on_cfg_after_cfg(reached("on_cfg_after_cfg"))
    script_callbacks.on_model_loaded(reached("on_model_loaded"))


def arm(body: dict[str, Any]) -> dict[str, Any]:
    """Arm `fault` (a Fault's fields) and have `nested` (a Nested's) run; either may be missing."""
    fault, nested = body.get("fault"), body.get("nested")
    injector.arm(Fault(**fault) if fault else None, Nested(**nested) if nested else None)
    return {}


def mark() -> dict[str, Any]:
    """What exists now is not looked at again, which makes every later collection fast."""
    gc.collect()
    gc.freeze()
    return {}


def state() -> dict[str, Any]:
    """What the last generation left behind; takes back the fault first."""
    injector.disarm()
    gc.collect()
    loaded = sd_models.model_data.loaded_sd_models
    return {
        "struck": injector.struck,
        "processing": len(watcher.alive(watcher.processing)),
        "models": len([m for m in watcher.alive(watcher.models) if m not in loaded]),
        "kept": own_state(),
        "threads": sorted(
            re.sub(r"\d+", "", thread.name)
            for thread in threading.enumerate()
            # the server's own pool, whose size follows the requests
            if "AnyIO" not in thread.name
        ),
    }


def order() -> list[str]:
    """The scripts with a `process` callback, in the host's order."""
    return [script.title() for script in scripts.scripts_txt2img.ordered_scripts("process")]


def add_routes(app: Any) -> None:
    def generate(body: dict[str, Any]) -> dict[str, Any]:
        """txt2img by the API's own function, for what would end the server if it left a route.

        A KeyboardInterrupt in a route's thread reaches the event loop, which it stops.
        """
        api = next(r.endpoint for r in app.routes if r.path == "/sdapi/v1/txt2img").__self__
        try:
            answer = api.text2imgapi(StableDiffusionTxt2ImgProcessingAPI(**body))
        except BaseException as error:
            return {"raised": f"{type(error).__name__}: {error}"}
        return {"images": answer.images, "info": answer.info}

    for answer in (state, resources, in_sampling, loading, order):
        app.add_api_route(f"/todo-faults/{answer.__name__}", answer, methods=["GET"])
    for command in (arm, mark, generate):
        app.add_api_route(f"/todo-faults/{command.__name__}", command, methods=["POST"])
