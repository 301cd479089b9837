"""The accordion in txt2img and img2img, and pasting into it; controls follow from the fields."""

from __future__ import annotations

import sys
from typing import Any

import gradio as gr
from modules.ui_components import FormHTML, InputAccordion

from ... import __version__
from ...settings import BY_NAME, FIELDS, PRESET, PRESETS, Field, SettingsError
from . import host, request
from .hint import HINT
from .request import from_infotext, from_page, on_page

# the settings with a control inside the accordion
NAMES = tuple(field.name for field in FIELDS[1:])
# the same, grouped as on the page
GROUPS = {
    "How much": ("factor", "deep_factor", "scale", "deep_scale"),
    "Where": ("threshold", "above", "passes"),
    "When": ("start", "end"),
    "Which tokens": ("method", "phase"),
}


def build(script: Any) -> list[Any]:
    """Create the controls of `script` (a host's Script) and its infotext fields."""
    label = "ToDo: faster high resolution"
    with InputAccordion(False, label=label, elem_id=script.elem_id("enabled")) as enabled:
        controls, advanced = {"enabled": enabled}, list[Any]()
        version = f"<small>{__version__}</small>"
        with enabled.extra():
            FormHTML(version, elem_id=script.elem_id("version"), min_width=0)
        preset = gr.Radio(
            [*PRESET.choices, request.CUSTOM],
            # by ui-config.json, on each load of the page; called once before there are controls
            value=lambda: (
                _preset_shown(*(c.value for c in advanced)) if advanced else PRESET.default
            ),
            label=PRESET.label,
            info="The line below compares them for this picture.\n"
            f"{PRESET.help}\n"
            "custom: a factor, a scale or another of their values in Advanced differs",
            elem_id=script.elem_id("preset"),
            elem_classes="todo-preset",
        )
        # an empty line for javascript/todo.js, which reads from it the names of the controls
        hint = f'<div class="todo-hint" data-names="{" ".join(NAMES)}" data-route="{HINT}"></div>'
        gr.HTML(hint, elem_id=script.elem_id("hint"))
        with gr.Accordion("Advanced", open=False, elem_id=script.elem_id("advanced")):
            for group, names in GROUPS.items():
                gr.HTML(f'<div class="todo-group">{group}</div>')
                with gr.Row(elem_classes="todo-controls"):
                    for name in names:
                        controls[name] = _control(BY_NAME[name], script.elem_id(name))
        measure = gr.Button(_measure_text, size="sm", elem_id=script.elem_id("measure"))
        measure.click(fn=_measure, inputs=[], outputs=[measure], show_progress=False)
    # ui-config.json saves the single values, and the preset's name follows from them
    preset.do_not_save_to_config = True
    advanced += [controls[name] for name in NAMES]
    quick = {"show_progress": False, "queue": False}
    preset.input(fn=_fill, inputs=[preset], outputs=advanced, **quick)
    for control in advanced:
        control.input(fn=_preset_shown, inputs=advanced, outputs=[preset], **quick)
    pasted = {**controls, PRESET.name: preset}
    script.infotext_fields = [
        (control, PasteKey(f"ToDo {name}")) for name, control in pasted.items()
    ]
    # the host's "Send to img2img" copies the controls with these names
    script.paste_field_names = [key for _, key in script.infotext_fields]
    return [controls[field.name] for field in FIELDS]


def _fill(preset: str) -> list[Any]:
    """Every control's value: the preset's where it names one, else as it was."""
    own = PRESETS.get(preset, {})
    return [
        gr.update(value=on_page(BY_NAME[name], own[name])) if name in own else gr.update()
        for name in NAMES
    ]


def _preset_shown(*shown: Any) -> str:
    return request.preset_of(from_page(dict(zip(NAMES, shown))))


def _measure() -> Any:
    """Measure, if no image is being made; in gradio's queue, or else it would show no warning."""
    from modules.call_queue import queue_lock

    if queue_lock.acquire(blocking=False):
        try:
            host.machine().measure()
        finally:
            queue_lock.release()
    else:
        gr.Warning("An image is being generated; measure when it is done")
    return gr.update(value=_measure_text())


def _measure_text() -> str:
    if found := host.machine().rates():
        return f"Measure this machine again (last on {found.measured})"
    return "Measure this machine, for a figure instead of a range"


def _control(field: Field, elem_id: str) -> Any:
    """A control on which every choice is an allowed value.

    Emptying a slider's number box sets the minimum, so only fractions, whose minimum is harmless,
    are sliders.
    """
    about = {"label": field.label, "info": field.help, "elem_id": elem_id}
    about["value"] = on_page(field, field.default)
    if field.choices:
        return gr.Dropdown(list(field.choices), **about)
    if field.zero_means:
        return gr.Dropdown(field.numbers, allow_custom_value=True, **about)
    if (field.minimum, field.maximum) == (0, 1):
        return gr.Slider(minimum=0, maximum=1, step=field.step, **about)
    return gr.Number(**about)


class PasteKey(str):
    """The key of a paste field: called with a parsed infotext, it returns the control's value.

    As a text, `ToDo` and the setting's name or `preset`, it matches two tabs' controls for Send to.
    """

    def __call__(self, params: dict[str, Any]) -> Any:
        """The control's value; None leaves it as it is.

        A value that cannot be used leaves every control as it is. The key of the box warns, and
        where the API takes an infotext (since 1.8, not in SD.Next) raises, for it to answer.
        """
        name = self.removeprefix("ToDo ")
        try:
            values = from_infotext(params)
        except SettingsError as error:
            if name == "enabled":
                gr.Warning(f"{error}. ToDo was left as it is.")
                if hasattr(sys.modules.get("modules.infotext_utils"), "PasteField"):
                    raise host.SettingsRefused(error) from None
            return None
        if name == PRESET.name:
            return request.preset_of(values) if values["enabled"] else None
        return on_page(BY_NAME[name], values[name]) if name in values else None
