"""The script that the WebUI finds. It loads the library and connects callbacks to it.

The WebUI has an extension's folder on Python's path only while its script loads, and with two
copies of the folder `import lib_todo` would find whichever came first. So the library is imported
from this folder, under a name of its own.
"""

from __future__ import annotations

import html
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from typing import Any

import gradio as gr
from modules import scripts

NAME = "sd_webui_todo"
FOLDER = Path(__file__).resolve().parents[1]


def load_library() -> None:
    """Import the library as NAME, anew each time that the host loads its scripts.

    Raises:
        ImportError: another copy of the folder is in use.
    """
    ours = [data for data in scripts.scripts_data if data.script_class.__name__ == "ToDoScript"]
    if any(data.path == __file__ for data in ours) and NAME in sys.modules:
        # the host reloads scripts' code alone, and keeps the objects of the first load
        return
    others = [Path(data.path).parents[1] for data in ours if data.path != __file__]
    others = [folder for folder in others if (folder / "lib_todo").is_dir()]
    if others:
        raise ImportError(f"another copy of it is in use: {others[0]}. Remove one of the two")
    for name in [name for name in sys.modules if name.split(".")[0] == NAME]:
        del sys.modules[name]
    importlib.invalidate_caches()
    place: Any = importlib.util.spec_from_file_location(NAME, FOLDER / "lib_todo" / "__init__.py")
    sys.modules[NAME] = importlib.util.module_from_spec(place)
    place.loader.exec_module(sys.modules[NAME])


def why_not(error: Exception) -> str:
    """Why the library cannot be used, in one sentence; what is unexpected is printed in full."""
    lacks, advice = "", ""
    if isinstance(error, ImportError):
        lacks = (error.name or "").split(".")[0]
    else:
        traceback.print_exception(error)
    if lacks in ("modules", "gradio", "fastapi", "pydantic"):
        advice = ". The oldest host that has all it needs is AUTOMATIC1111's WebUI 1.6.0"
    elif lacks == NAME:
        advice = f". Update or reinstall the extension in {FOLDER}, then restart the WebUI"
    elif isinstance(error, ModuleNotFoundError):
        install = f'"{sys.executable}" -m pip install {lacks}'
        advice = f". Install it by {install}, then restart the WebUI"
    return f"ToDo in {FOLDER} is switched off: {error}{advice}"


try:
    from modules import script_callbacks
    from modules.script_callbacks import (
        on_app_started,
        on_before_ui,
        on_cfg_denoiser,
        on_script_unloaded,
        remove_current_script_callbacks,
    )

    load_library()
    from sd_webui_todo.hosts.webui import (
        generation,
        hint,
        host,
        other_extensions,
        page,
        plots,
        sdnext,
    )
    from sd_webui_todo.interception.calls import undo_all
except Exception as error:
    WHY_NOT = why_not(error)
    print(WHY_NOT)

    class SwitchedOff(scripts.Script):
        """Says why. The host answers requests for `ToDo` with status 422: no such script."""

        def title(self) -> str:
            return "ToDo (switched off)"

        def show(self, is_img2img: bool) -> Any:
            return scripts.AlwaysVisible

        def ui(self, is_img2img: bool) -> list[Any]:
            with gr.Accordion(self.title(), open=False):
                gr.HTML(html.escape(WHY_NOT))
            return []

else:
    # only SD.Next has this callback
    on_after_process = getattr(script_callbacks, "on_after_process", None)
    generations: Any = sdnext if on_after_process else generation

    class ToDoScript(scripts.Script):
        def title(self) -> str:
            return "ToDo"

        def show(self, is_img2img: bool) -> Any:
            return scripts.AlwaysVisible

        def ui(self, is_img2img: bool) -> list[Any]:
            return page.build(self)

        def process(self, p: Any, *args: Any) -> None:
            generation.begin(p, args)

        def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
            generations.before_sampling(p)

        def postprocess_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
            if on_after_process:
                sdnext.after_sampling(p)

        def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
            generations.finish(p, processed)

    def app_started(demo: Any, app: Any) -> None:
        hint.add(app)
        host.explain_object_as_args(app)

    # a host that reloads only the scripts' code keeps the callbacks of the earlier load
    remove_current_script_callbacks()
    # now, since with --nowebui the callbacks for axes and options come too late, or never
    plots.add_axes()
    host.register_option()
    on_before_ui(plots.add_axes)
    on_cfg_denoiser(generation.on_denoiser_call)
    on_app_started(app_started)
    on_script_unloaded(undo_all)
    if on_after_process:
        on_after_process(sdnext.leave)
        sdnext.show_in_control("ToDo")
    other_extensions.register()
