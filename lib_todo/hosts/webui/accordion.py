"""The accordion in txt2img and img2img: its controls, in the order of the table of fields."""

from __future__ import annotations

import dataclasses
import html
import json
from typing import Any

import gradio as gr
from modules.infotext_utils import PasteField
from modules.ui_components import InputAccordion

from ...cost.attention import ARCHITECTURES
from ...settings import BY_NAME, FIELDS, Field, SettingsError
from .arguments import END_OF_ARGS
from .infotext import from_infotext

# two to a row: with three, a slider's help is a word or two wide
ROWS = (("factor", "deep_factor"), ("threshold",), ("start", "end"), ("method", "passes"))


def build(script: Any) -> list[Any]:
    """Create the controls of `script` (a host's Script) and its infotext fields.

    The last input is invisible and only marks the end: the host drops a request's surplus values
    without a word, and one value too many lands there, where it is seen.
    """
    head = BY_NAME["enabled"]
    with InputAccordion(False, label=head.label, elem_id=script.elem_id("enabled")) as enabled:
        controls = {"enabled": enabled}
        for row in ROWS:
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
    """The host calls it with the parsed infotext; None leaves the control as it is.

    What cannot be used is raised by the box alone: the host logs every control's traceback.
    """

    def value(params: dict[str, Any]) -> Any:
        try:
            return from_infotext(params).get(name)
        except SettingsError:
            if name == "enabled":
                raise
            return None

    return value


def _hint_html() -> str:
    """An empty line for javascript/todo.js, carrying the one table of architectures."""
    table = {
        name: [dataclasses.asdict(level) for level in levels]
        for name, levels in ARCHITECTURES.items()
    }
    architectures = html.escape(json.dumps(table))
    return (
        '<div class="todo-hint" style="white-space: pre-line; padding: 0.5em 0" '
        f'data-architectures="{architectures}"></div>'
    )
