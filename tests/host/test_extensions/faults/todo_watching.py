"""What a generation keeps and leaves behind, and how long each script takes to load."""

from __future__ import annotations

import gc
import os
import sys
import time
import weakref
from collections.abc import Callable, Collection
from typing import Any

import torch
from modules import script_callbacks, script_loading, scripts

TESTED = "sd_webui_todo"
ATTENTION_MODULES = ("ldm.modules.attention", "sgm.modules.attention")
INTERCEPTED = ("SpatialTransformer", "CrossAttention")
SERIES, MOST_SERIES = f"{TESTED}.hosts.webui.result", 4
# what caches hold, and the names of the page's own fields
VALUES = ("Settings", "PasteKey")
CONTAINERS = (dict, list, tuple, set, weakref.WeakKeyDictionary)


def classes(name: str) -> list[type]:
    modules = (sys.modules.get(module) for module in ATTENTION_MODULES)
    return [getattr(module, name) for module in modules if hasattr(module, name)]


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


watcher = Watcher()


def own_state() -> list[str]:
    """What the extension under test keeps anywhere between two generations.

    Apart from the last few series, which a next image may go on with, and from VALUES.
    """
    allowed = _reachable(getattr(sys.modules.get(SERIES), "_latest", []))
    return sorted(
        f"{type(item).__module__}.{type(item).__qualname__}"
        for item in gc.get_objects()
        # an empty stack stays with its thread
        if _is_tested(item) and id(item) not in allowed and item != []
    )


def _is_tested(item: Any) -> bool:
    kind = type(item)
    # some types have a descriptor there
    return str(getattr(kind, "__module__", "")).startswith(TESTED) and kind.__name__ not in VALUES


def _reachable(series: Collection[Any]) -> set[int]:
    """The ids of all that the series hold, as far as own objects and plain containers lead."""
    assert len(series) <= MOST_SERIES
    found: set[int] = set()
    ahead = list(series)
    while ahead:
        item = ahead.pop()
        if id(item) not in found and (_is_tested(item) or isinstance(item, CONTAINERS)):
            found.add(id(item))
            ahead += gc.get_referents(item)
    return found


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


def loading() -> dict[str, dict[str, float]]:
    """Processor seconds that each script between the injector's two took to load."""
    return watcher.load_seconds
