"""A test-only WebUI extension: raises errors on request, and reports what a generation left behind.

Any function that is named as module:attribute is a place, before its call and after it: the host's
callbacks, its U-Net and attention, its checkpoint loader, functions of the extension under test.
One fault is armed at a time, for the n-th time that its place is reached.
"""

import builtins
import contextlib
import dataclasses
import gc
import pkgutil
import re
import sys
import threading
import weakref
from typing import Any
from unittest import mock

import torch
from modules import script_callbacks, sd_models, shared
from modules.api.models import StableDiffusionTxt2ImgProcessingAPI

TESTED = "sd_webui_todo"
MODELS = ("LatentDiffusion", "DiffusionEngine")
# what caches hold, and the names of the page's own fields
VALUES = ("Settings", "Pooling", "SamplerRule", "PasteKey")
CONTAINERS = (dict, list, tuple, set, weakref.WeakKeyDictionary)


@dataclasses.dataclass
class Fault:
    """What happens at the n-th time that a function is entered or left in that pass.

    `action` is an exception's name, a way to stop, or `look`.
    """

    place: str
    action: str
    nth: int = 1
    in_pass: str = ""

    def strike(self) -> None:
        if self.action == "look":
            seen.update(replaced=replaced(), kept=own_state())
        elif self.action in ("interrupt", "skip", "request_restart"):
            getattr(shared.state, self.action)()
        else:
            kind = getattr(builtins, self.action, None) or getattr(torch.cuda, self.action)
            raise kind(f"todo-faults: on purpose at {self.place}")


seen: dict[str, Any] = {}
armed = contextlib.ExitStack()


def wrap(fault: Fault) -> None:
    """Put the fault into its place, until `armed` is closed."""
    side, _, name = fault.place.partition(" ")
    path, _, last = name.replace(":", ".").rpartition(".")
    owner = pkgutil.resolve_name(path)
    original = getattr(owner, last)
    left = fault.nth

    def reach(args: tuple[Any, ...]) -> None:
        nonlocal left
        denoisers = (getattr(each, "denoiser", None) for each in args)
        places = (*args, *(getattr(denoiser, "p", None) for denoiser in denoisers))
        p = next((each for each in places if hasattr(each, "is_hr_pass")), None)
        is_hires = p.is_hr_pass if p is not None else shared.todo_probe.in_pass == "hires"
        if not fault.in_pass or (fault.in_pass == "hires") is bool(is_hires):
            left -= 1
            if left == 0:
                seen["struck"] = True
                fault.strike()

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if side == "enter":
            reach((*args, *kwargs.values()))
        result = original(*args, **kwargs)
        if side == "leave":
            reach((*args, *kwargs.values()))
        return result

    armed.enter_context(mock.patch.object(owner, last, wrapper))


def classes() -> list[type]:
    modules = [sys.modules.get(f"{name}.modules.attention") for name in ("ldm", "sgm")]
    names = ("SpatialTransformer", "CrossAttention")
    return [getattr(module, name) for module in modules if module for name in names]


def replaced() -> list[str]:
    """The calls that are replaced on the attention's classes."""
    return [f"{cls.__module__}.{cls.__name__}" for cls in classes() if "__call__" in vars(cls)]


def own_state() -> list[str]:
    """What the extension under test keeps anywhere between two generations.

    Apart from the last few series, which a next image may go on with, and from VALUES.
    """
    latest = getattr(sys.modules.get(f"{TESTED}.hosts.webui.result"), "_latest", [])
    assert len(latest) <= 4
    allowed: set[int] = set()
    ahead = list(latest)
    while ahead:
        item = ahead.pop()
        if id(item) not in allowed and (_is_tested(item) or isinstance(item, CONTAINERS)):
            allowed.add(id(item))
            ahead += gc.get_referents(item)
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


def arm(fault: dict[str, Any]) -> dict[str, Any]:
    """Arm a Fault by its fields."""
    armed.close()
    seen.clear()
    wrap(Fault(**fault))
    return {}


def mark() -> dict[str, Any]:
    """What exists now is not looked at again, which makes every later collection fast."""
    gc.collect()
    gc.freeze()
    return {}


def state() -> dict[str, Any]:
    """What the last generation left behind; takes back the fault first."""
    armed.close()
    gc.collect()
    kinds = [type(item) for item in gc.get_objects()]
    loaded = [type(model) for model in sd_models.model_data.loaded_sd_models]
    names = [kind.__name__ for kind in kinds]
    return {
        "seen": seen,
        "processing": sum(name.startswith("StableDiffusionProcessing") for name in names),
        "models": max(0, sum(names.count(name) for name in MODELS) - len(loaded)),
        "kept": own_state(),
        "threads": sorted(
            re.sub(r"\d+", "", thread.name)
            for thread in threading.enumerate()
            # the server's own pool, whose size follows the requests
            if "AnyIO" not in thread.name
        ),
        # what must not grow
        "callbacks": {name: len(each) for name, each in script_callbacks.callback_map.items()},
        "attributes": [len(vars(cls)) for cls in (torch.nn.Module, *classes())],
        "objects": len(kinds),
    }


def add_routes(_demo: Any, app: Any) -> None:
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

    for command in (arm, mark, generate, state):
        app.add_api_route(f"/todo-faults/{command.__name__}", command, methods=["POST"])


script_callbacks.on_app_started(add_routes)
