"""A test-only WebUI extension: throws where it is told to, and says what a generation left behind.

Another extension's callbacks stand before and after those of the extension under test; both, the
attention's calls, the U-Net's, the checkpoint's loading and the tested extension's own functions
are places. One fault is armed at a time, for the n-th time that its place is reached.
"""

from __future__ import annotations

import builtins
import copy
import dataclasses
import functools
import gc
import importlib
import os
import re
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from modules import processing, script_callbacks, script_loading, scripts, sd_models, shared
from modules.api.models import StableDiffusionTxt2ImgProcessingAPI

TESTED = "lib_todo"
ATTENTION_MODULES = ("ldm.modules.attention", "sgm.modules.attention")
INTERCEPTED = ("SpatialTransformer", "CrossAttention")
# named by type, since a refiner or a hires checkpoint brings another object
HOOKED = {"SpatialTransformer", "CrossAttention", "UNetModel"}
# place -> the function that it stands for, by module and attribute
FUNCTIONS = {
    "pool_tokens": ("lib_todo.hijack", "pool_tokens"),
    "layer_factor": ("lib_todo.hijack", "layer_factor"),
    "count": ("lib_todo.report", "Report.count"),
    "progress": ("lib_todo.report", "Report.progress"),
    "line": ("lib_todo.report", "Report.line"),
    "begin": ("lib_todo.hosts.webui.lifecycle", "begin"),
    "before_sampling": ("lib_todo.hosts.webui.lifecycle", "before_sampling"),
    "finish": ("lib_todo.hosts.webui.lifecycle", "finish"),
    "can_pool": ("lib_todo.hosts.webui.prediction", "can_pool"),
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


@dataclasses.dataclass
class Nested:
    """A generation of its own that is run inside another one's callback, as ADetailer does."""

    place: str
    args: list[Any]


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


def classes(name: str) -> list[type]:
    modules = (sys.modules.get(module) for module in ATTENTION_MODULES)
    return [getattr(module, name) for module in modules if hasattr(module, name)]


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


def generate_inside(p: Any, args: list[Any]) -> None:
    """A small generation with its own settings of the extension under test."""
    runner = copy.copy(p.scripts)
    script_args = list(p.script_args)
    for script in runner.alwayson_scripts:
        if script.title() == "ToDo":
            script_args[script.args_from : script.args_from + len(args)] = args
    inner = processing.StableDiffusionProcessingTxt2Img(
        sd_model=shared.sd_model,
        prompt="inside",
        seed=5,
        steps=1,
        width=64,
        height=64,
        sampler_name="Euler",
        do_not_save_samples=True,
        do_not_save_grid=True,
        override_settings={},
    )
    inner.scripts, inner.script_args, inner.is_api = runner, tuple(script_args), True
    try:
        processing.process_images(inner)
    finally:
        inner.close()


class Watcher:
    """Weak references to what must die, and the state that must not change."""

    def __init__(self) -> None:
        self.processing: list[weakref.ref[Any]] = []
        self.models: list[weakref.ref[Any]] = []
        self.current: Callable[[], Any] = lambda: None
        self.replaced: list[str] = []
        self.kept: list[str] = []
        self.load_seconds: dict[str, dict[str, float]] = {}

    def saw(self, p: Any) -> None:
        self.current = weakref.ref(p)
        if not any(ref() is p for ref in self.processing):
            self.processing.append(weakref.ref(p))

    def saw_model(self, model: Any) -> None:
        if not any(ref() is model for ref in self.models):
            self.models.append(weakref.ref(model))

    def in_pass(self) -> str:
        return "hires" if getattr(self.current(), "is_hr_pass", False) else "first"

    def look(self) -> None:
        """List in mid-sampling what `state` must not find afterwards."""
        self.kept = own_state()
        self.replaced = [
            f"{cls.__module__}.{name}.{attribute}"
            for name in INTERCEPTED
            for cls in classes(name)
            for attribute in ("__call__", "_call_impl")
            if attribute in vars(cls)
        ]

    def alive(self, refs: list[weakref.ref[Any]]) -> list[Any]:
        refs[:] = [ref for ref in refs if ref() is not None]
        return [ref() for ref in refs]


injector = Injector()
watcher = Watcher()


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


def time_loading() -> None:
    """Note how long the host takes to load each script from now on, imports included.

    The registering of callbacks is apart: for each one the host reads the whole call stack.
    """
    original, add_callback = script_loading.load_module, script_callbacks.add_callback
    registering = 0.0

    def timed_add_callback(*args: Any, **kwargs: Any) -> None:
        nonlocal registering
        began = time.thread_time()
        add_callback(*args, **kwargs)
        registering += time.thread_time() - began

    def load_module(path: str) -> Any:
        nonlocal registering
        registering, began = 0.0, time.thread_time()
        module = original(path)
        took = time.thread_time() - began
        watcher.load_seconds[path] = {"own": took - registering, "registering": registering}
        if path.endswith(os.path.join("scripts", "after_todo.py")):
            script_loading.load_module, script_callbacks.add_callback = original, add_callback
        return module

    script_loading.load_module, script_callbacks.add_callback = load_module, timed_add_callback


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


def own_state() -> list[str]:
    """What the extension under test keeps anywhere between two generations."""
    return sorted(
        f"{type(item).__module__}.{type(item).__qualname__}"
        for item in gc.get_objects()
        # some types have a descriptor there; an empty stack stays with its thread
        if str(getattr(type(item), "__module__", "")).startswith(TESTED) and item != []
    )


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


def resources() -> dict[str, Any]:
    """The process's memory in bytes and how many callbacks and class attributes there are."""
    watcher.alive(watcher.processing)
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    watched = [torch.nn.Module, *(cls for name in INTERCEPTED for cls in classes(name))]
    runners = {"txt2img": scripts.scripts_txt2img, "img2img": scripts.scripts_img2img}
    return {
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        "callbacks": {name: len(found) for name, found in script_callbacks.callback_map.items()},
        "scripts": {name: len(runner.scripts) for name, runner in runners.items()},
        "attributes": {f"{cls.__module__}.{cls.__name__}": len(vars(cls)) for cls in watched},
        "hooks": len(torch.nn.modules.module._global_forward_pre_hooks)
        + len(torch.nn.modules.module._global_forward_hooks),
        "objects": len(gc.get_objects()),
    }


def in_sampling() -> dict[str, list[str]]:
    """In the last denoiser call: calls replaced on the attention's classes, own objects kept."""
    return {"replaced": watcher.replaced, "kept": watcher.kept}


def loading() -> dict[str, dict[str, float]]:
    """Processor seconds that each script between the injector's two took to load."""
    return watcher.load_seconds


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
