"""The accordion in txt2img and img2img: its controls, in the order of the table of fields."""

from __future__ import annotations

import dataclasses
import html
import json
from typing import Any

import gradio as gr
from modules.infotext_utils import PasteField
from modules.ui_components import InputAccordion

from lib_todo.cost import ARCHITECTURES
from lib_todo.settings import BY_NAME, FIELDS, Field
from lib_todo.webui.arguments import END_OF_ARGS
from lib_todo.webui.infotext import from_infotext


def build(script: Any) -> list[Any]:
    """Create the controls of `script` (a host's Script) and its infotext fields.

    The last input is invisible and only marks the end: the host drops a request's surplus values
    without a word, and one value too many lands there, where it is seen.
    """
    head = BY_NAME["enabled"]
    with InputAccordion(False, label=head.label, elem_id=script.elem_id("enabled")) as enabled:
        controls = {"enabled": enabled}
        for row in (("factor", "deep_factor"), ("threshold", "method", "passes"), ("start", "end")):
            with gr.Row():
                for name in row:
                    controls[name] = _control(BY_NAME[name], script.elem_id(name))
        gr.HTML(_hint_html(), elem_id=script.elem_id("hint"))
        end = gr.Textbox(
            END_OF_ARGS, label=END_OF_ARGS, visible=False, elem_id=script.elem_id("end_of_args")
        )
    end.do_not_save_to_config = True
    script.infotext_fields = [
        PasteField(controls[field.name], _paste(field.name)) for field in FIELDS
    ]
    script.paste_field_names = []
    return [*(controls[field.name] for field in FIELDS), end]


def _control(field: Field, elem_id: str) -> Any:
    if field.choices:
        return gr.Dropdown(
            list(field.choices),
            value=field.default,
            label=field.label,
            info=field.help,
            elem_id=elem_id,
        )
    return gr.Slider(
        minimum=0 if field.zero_means else field.minimum,
        maximum=field.maximum,
        step=field.step,
        value=field.default,
        label=field.label,
        info=field.help,
        elem_id=elem_id,
    )


def _paste(name: str) -> Any:
    """The host calls it with the parsed infotext; None leaves the control as it is."""
    return lambda params: from_infotext(params).get(name)


def _hint_html() -> str:
    """An empty line for javascript/todo.js, carrying the one table of architectures."""
    table = {
        name: [dataclasses.asdict(level) for level in levels]
        for name, levels in ARCHITECTURES.items()
    }
    return f'<div class="todo-hint" data-architectures="{html.escape(json.dumps(table))}"></div>'
