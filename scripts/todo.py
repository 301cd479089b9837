"""The script that the WebUI finds. It only connects callbacks to lib_todo.hosts.webui."""

from __future__ import annotations

import html
from functools import cached_property
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import gradio as gr
from modules import scripts

_place: Any = spec_from_file_location(
    "todo_webui_loader", Path(__file__).resolve().parents[1] / "webui_loader.py"
)
_loader: Any = module_from_spec(_place)
_place.loader.exec_module(_loader)
OFF_TITLE = "ToDo (switched off)"


def another_works() -> str | None:
    # an older version loads beside this one without a word, and both would follow one request
    return _loader.why_another_works(scripts.scripts_data, __file__)


def title_when_off() -> str:
    # requests name a script by its title: one for ToDo goes to the copy that works, or else here
    return OFF_TITLE if another_works() else "ToDo"


def say_why_off(why: str) -> list[Any]:
    with gr.Accordion(OFF_TITLE, open=False):
        gr.HTML(html.escape(why))
        # never ticked on the page; the host passes only values that have a control
        asked = gr.Checkbox(False, label="ToDo", visible=False)
    asked.do_not_save_to_config = True
    return [asked]


try:
    from modules.script_callbacks import (
        on_app_started,
        on_before_ui,
        on_cfg_denoiser,
        on_script_unloaded,
        on_ui_settings,
        remove_current_script_callbacks,
    )

    _loader.load(scripts.scripts_data, __file__)
    from sd_webui_todo.hosts.webui import (
        accordion,
        lifecycle,
        options,
        other_extensions,
        routes,
        xyz,
    )
    from sd_webui_todo.interception.calls import undo_all
except Exception as error:
    WHY_NOT = _loader.why_not(error)
    print(WHY_NOT)

    class SwitchedOff(scripts.Script):
        def title(self) -> str:
            return title_when_off()

        def show(self, is_img2img: bool) -> Any:
            return scripts.AlwaysVisible

        def ui(self, is_img2img: bool) -> list[Any]:
            return say_why_off(WHY_NOT)

        def process(self, p: Any, *args: Any) -> None:
            _loader.refuse_if_asked(p, args, WHY_NOT)

else:

    class ToDoScript(scripts.Script):
        @cached_property
        def why_off(self) -> str | None:
            # the host makes the object when all scripts are loaded, so this is asked once
            return another_works()

        def title(self) -> str:
            return OFF_TITLE if self.why_off else "ToDo"

        def show(self, is_img2img: bool) -> Any:
            return scripts.AlwaysVisible

        def ui(self, is_img2img: bool) -> list[Any]:
            if self.why_off:
                return say_why_off(_loader.switched_off(self.why_off))
            return accordion.build(self)

        def process(self, p: Any, *args: Any) -> None:
            if self.why_off:
                _loader.refuse_if_asked(p, args, _loader.switched_off(self.why_off))
            else:
                lifecycle.begin(p, args)

        def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
            lifecycle.before_sampling(p)

        def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
            lifecycle.finish(p, processed)

    def add_axes() -> None:
        if not another_works():
            xyz.add_axes(scripts.scripts_data)

    def app_started(demo: Any, app: Any) -> None:
        why = another_works()
        if why:
            print(_loader.switched_off(why))
            return
        accordion.hide_end_of_args([scripts.scripts_txt2img, scripts.scripts_img2img], "ToDo")
        routes.add(app)

    # a host that reloads only the scripts' code keeps the callbacks of the earlier load
    remove_current_script_callbacks()
    # with --nowebui the callbacks for axes and options come too late, or never
    add_axes()
    options.register()
    on_before_ui(add_axes)
    on_ui_settings(options.register)
    on_cfg_denoiser(lifecycle.on_denoiser_call)
    on_app_started(app_started)
    on_script_unloaded(undo_all)
    other_extensions.register()
