"""What the WebUI discovers: the ToDo script, wiring and nothing else."""

from __future__ import annotations

from typing import Any

from modules import script_callbacks, scripts

from lib_todo import hijack
from lib_todo.webui import accordion, lifecycle, options, xyz


class ToDoScript(scripts.Script):
    def title(self) -> str:
        return "ToDo"

    def show(self, is_img2img: bool) -> Any:
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        return accordion.build(self)

    def process(self, p: Any, *args: Any) -> None:
        lifecycle.begin(p, args)

    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        lifecycle.before_sampling(p)

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        lifecycle.finish(p, processed)


script_callbacks.on_cfg_denoiser(lifecycle.on_denoiser_call)
script_callbacks.on_ui_settings(options.register)
script_callbacks.on_before_ui(lambda: xyz.add_axes(scripts.scripts_data))
script_callbacks.on_script_unloaded(hijack.undo_all)
