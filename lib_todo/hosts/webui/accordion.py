"""The accordion in txt2img and img2img: its controls, by the table of fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from modules.infotext_utils import PasteField
from modules.ui_components import InputAccordion

from ...settings import BY_NAME, FIELDS, Field
from .arguments import END_OF_ARGS, choices_on_page, on_page
from .paste import PasteKey
from .routes import HINT

HEAD = "ToDo: faster high resolution"


def build(script: Any) -> list[Any]:
    """Create the controls of `script` (a host's Script) and its infotext fields.

    The last input is invisible and only marks the end: the host drops a request's surplus values
    without a word, and one value too many lands there, where it is seen.
    """
    with InputAccordion(False, label=HEAD, elem_id=script.elem_id("enabled")) as enabled:
        controls = {"enabled": enabled}
        gr.HTML(_hint_html(), elem_id=script.elem_id("hint"))
        with gr.Row(elem_classes="todo-controls"):
            for field in FIELDS[1:]:
                controls[field.name] = _control(field, script.elem_id(field.name))
        end = gr.Textbox(
            END_OF_ARGS, label=END_OF_ARGS, visible=False, elem_id=script.elem_id("end_of_args")
        )
    end.do_not_save_to_config = True
    keys = {name: PasteKey(name, _shown(BY_NAME[name])) for name in controls}
    script.infotext_fields = [PasteField(controls[name], keys[name]) for name in controls]
    # by these the host's own "Send to img2img" carries the controls over
    script.paste_field_names = list(keys.values())
    return [*(controls[field.name] for field in FIELDS), end]


def _hint_html() -> str:
    """An empty line for javascript/todo.js, which carries the names of the controls."""
    names = " ".join(field.name for field in FIELDS[1:])
    return f'<div class="todo-hint" data-names="{names}" data-route="{HINT}"></div>'


def _control(field: Field, elem_id: str) -> Any:
    """A control whose every value is allowed, and which refuses to be emptied.

    A slider's number box becomes its minimum when it is emptied: only fractions, whose minimum is
    harmless, are sliders.
    """
    about = {"label": field.label, "info": field.help, "elem_id": elem_id}
    if field.choices:
        return gr.Dropdown(list(field.choices), value=field.default, **about)
    if field.zero_means:
        return gr.Dropdown(
            choices_on_page(field),
            value=on_page(field, field.default),
            allow_custom_value=True,
            **about,
        )
    if field.kind is bool:
        return gr.Checkbox(field.default, **about)
    if (field.minimum, field.maximum) == (0, 1):
        return gr.Slider(minimum=0, maximum=1, step=field.step, value=field.default, **about)
    return gr.Number(value=field.default, **about)


def _shown(field: Field) -> Callable[[dict[str, Any]], Any]:
    def shown(values: dict[str, Any]) -> Any:
        return on_page(field, values[field.name]) if field.name in values else None

    return shown


def hide_end_of_args(runners: list[Any], title: str) -> None:
    """Have `/sdapi/v1/script-info` list the settings alone (when the app has started)."""
    for runner in runners:
        for script in runner.alwayson_scripts:
            info = getattr(script, "api_info", None)
            if info is not None and script.title() == title and info.args:
                info.args = [arg for arg in info.args if arg.label != END_OF_ARGS]
