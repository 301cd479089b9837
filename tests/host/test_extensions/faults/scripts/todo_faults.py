"""A test-only WebUI extension: raises errors on request, and reports what a generation left behind.

Any function that is named as module:attribute is a place, before its call and after it: the host's
callbacks, its U-Net and attention, its checkpoint loader, functions of the extension under test.
One fault is armed at a time.
"""

import builtins
import contextlib
import functools
import gc
import pkgutil
import re
import sys
import threading
from typing import Any
from unittest import mock

import torch
from modules import script_callbacks, sd_models, shared
from modules.api.models import StableDiffusionTxt2ImgProcessingAPI

TESTED = "sd_webui_todo"
MODELS = ("LatentDiffusion", "DiffusionEngine")
# what caches hold, and the names of the page's own fields
VALUES = ("Settings", "Pooling", "SamplerRule", "PasteKey")

struck: list[str] = []
armed = contextlib.ExitStack()


def strike(place: str, action: str) -> None:
    if action in ("interrupt", "skip", "request_restart"):
        getattr(shared.state, action)()
        return
    kind = getattr(builtins, action, None) or getattr(torch.cuda, action)
    raise kind(f"todo-faults: on purpose at {place}")


def arm(fault: dict[str, Any]) -> dict[str, Any]:
    """Put one into its place, until `armed` is closed: at the `nth` time that a call is reached.

    `place` is a function as module:attribute after `enter` or `leave`; `action` is an exception's
    name or a way to stop.
    """
    armed.close()
    struck.clear()
    side, _, name = fault["place"].partition(" ")
    path, _, last = name.replace(":", ".").rpartition(".")
    owner = pkgutil.resolve_name(path)
    original = getattr(owner, last)
    left = fault["nth"]

    def reach(here: str) -> None:
        nonlocal left
        if here == side:
            left -= 1
            if left == 0:
                struck.append(side)
                strike(fault["place"], fault["action"])

    # it stays there when the UI is reloaded meanwhile, and must still tell its arguments
    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        reach("enter")
        result = original(*args, **kwargs)
        reach("leave")
        return result

    armed.enter_context(mock.patch.object(owner, last, wrapper))
    return {}


def own_state() -> list[str]:
    """The types of what the extension under test keeps anywhere, apart from VALUES.

    The last few series, which a next image may go on with, and what these hold.
    """
    latest = getattr(sys.modules.get(f"{TESTED}.hosts.webui.result"), "_latest", [])
    assert len(latest) <= 4
    kept = (type(item) for item in gc.get_objects() if _is_tested(item))
    return sorted({f"{kind.__module__}.{kind.__qualname__}" for kind in kept})


def _is_tested(item: Any) -> bool:
    kind = type(item)
    # some types have a descriptor there
    return str(getattr(kind, "__module__", "")).startswith(TESTED) and kind.__name__ not in VALUES


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
        "struck": bool(struck),
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
