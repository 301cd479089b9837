"""A test-only WebUI extension: makes other people's extensions run on the tiny checkpoints.

ADetailer's detector becomes a fixed box; FreeU and ControlNet, which know SD 1.x by the widths of
its layers, are told the tiny ones. What they do is otherwise theirs.
"""

import sys
from typing import Any

from modules import script_callbacks, scripts, sd_models, shared
from PIL import Image, ImageDraw

SD_WIDTHS, TINY_WIDTHS = (1280, 640, 320), (128, 64, 32)


def script_with(name: str) -> Any:
    """The module of the loaded script that has this name in it; None without."""
    return next((d.module for d in scripts.scripts_data if hasattr(d.module, name)), None)


def detect_a_fixed_box() -> None:
    """Have ADetailer find one thing in each image: the middle half of both sides."""
    adetailer = script_with("mediapipe_predict")
    if adetailer is None:
        return

    def fixed_box(_model: str, image: Image.Image, _confidence: float = 0) -> Any:
        width, height = image.size
        box = [width // 4, height // 4, width * 3 // 4, height * 3 // 4]
        mask = Image.new("L", image.size, 0)
        ImageDraw.Draw(mask).rectangle(box, fill=255)
        return adetailer.PredictOutput([box], [mask], [1.0], image)

    adetailer.mediapipe_predict = fixed_box


def tell_the_tiny_widths() -> None:
    freeu = sys.modules.get("lib_free_u.unet")
    if freeu is not None:
        code = freeu.free_u_cat_hijack.__code__
        constants = tuple(TINY_WIDTHS if c == SD_WIDTHS else c for c in code.co_consts)
        freeu.free_u_cat_hijack.__code__ = code.replace(co_consts=constants)
    guess = sys.modules.get("scripts.controlnet_model_guess")
    if guess is not None:
        guess.controlnet_default_config["model_channels"] = TINY_WIDTHS[-1]


def watch_controlnet() -> dict[str, Any]:
    """Have the probe count in the ControlNet models that are loaded, too."""
    shared.todo_probe.unwatch()
    shared.todo_probe.watch(sd_models.model_data.sd_model)
    for control_model in script_with("build_model_by_guess").Script.model_cache.values():
        shared.todo_probe.watch_layers(control_model.model, "controlnet.")
    return {}


def on_app_started(_demo: Any, app: Any) -> None:
    detect_a_fixed_box()
    tell_the_tiny_widths()
    app.add_api_route("/help-others/watch_controlnet", watch_controlnet, methods=["POST"])


script_callbacks.on_app_started(on_app_started)
