"""The app's inputs: the picture, the methods to compare, and their settings."""

from __future__ import annotations

from typing import Any

import gradio as gr

from comparison.recipe import LARGEST, SIZE_STEP, SMALLEST
from demo import defaults
from demo.app.generator import METHODS
from demo.methods import TOME_LEVELS
from lib_todo.settings import BY_NAME, PRESETS, preset_values

CUSTOM = "custom"
# ToDo's settings that have a control; only the final pass is pooled here, so `passes` has none
TODO_FIELDS = tuple(name for name in BY_NAME if name not in ("enabled", "passes"))


def picture_inputs(initial: dict[str, Any]) -> dict[str, Any]:
    """The controls for the picture, by name."""
    side = {"minimum": SMALLEST, "maximum": LARGEST, "step": SIZE_STEP}
    first = int(initial["hires_from"])
    inputs = {
        "prompt": gr.Textbox(defaults.PROMPT, label="Prompt", elem_id="prompt"),
        "negative_prompt": gr.Textbox("", label="Negative prompt"),
    }
    with gr.Row():
        inputs["width"] = gr.Slider(value=initial["width"], label="Width", **side)
        inputs["height"] = gr.Slider(value=initial["height"], label="Height", **side)
    with gr.Row():
        inputs["first_width"] = gr.Number(
            first, label="Hires fix: width of the first pass (0: off)", precision=0
        )
        inputs["first_height"] = gr.Number(
            first, label="Hires fix: height of the first pass", precision=0
        )
        inputs["strength"] = gr.Slider(
            0.01, 1, value=initial["strength"], step=0.01, label="Denoising strength"
        )
    with gr.Row():
        inputs["steps"] = gr.Slider(1, 150, value=initial["steps"], step=1, label="Sampling steps")
        inputs["guidance"] = gr.Slider(
            0, 30, value=initial["guidance"], step=0.5, label="CFG scale"
        )
        inputs["seed"] = gr.Number(0, label="Random seed", precision=0)
    return inputs


def method_inputs(native_grid: int) -> dict[str, Any]:
    """The controls for the methods, by name. The ToDo preset fills in the single settings."""
    methods = gr.CheckboxGroup(
        [(title, name) for name, title in METHODS.items()],
        value=["todo"],
        label="Compare with the baseline",
        elem_id="methods",
    )
    preset = gr.Radio(
        [*PRESETS, CUSTOM],
        value="balanced",
        label="ToDo preset",
        info="close changes the picture least, fast is the fastest, paper is the published method",
        elem_id="preset",
    )
    with gr.Accordion("ToDo: single settings", open=False):
        single = {f"todo_{name}": _todo_input(name, native_grid) for name in TODO_FIELDS}
    _connect_preset(preset, single, native_grid)
    with gr.Accordion("ToMe (tomesd)", open=False):
        ratio = "Ratio of merged tokens (0: as many as ToDo leaves out)"
        levels = "Merge in levels down to 1/ of the latent's size"
        tome = {
            "tome_ratio": gr.Slider(0, 0.99, value=0, step=0.0025, label=ratio),
            "tome_max_downsample": gr.Radio(list(TOME_LEVELS), value=1, label=levels),
        }
    return {"methods": methods, **single, **tome}


def _connect_preset(preset: Any, single: dict[str, Any], native_grid: int) -> None:
    """Have the preset fill in the single settings, and a changed one update the preset's name."""

    def fill(name: str) -> list[Any]:
        if name == CUSTOM:
            return [gr.update() for _ in TODO_FIELDS]
        return list(_values_of(name, native_grid).values())

    def rename(*values: Any) -> str:
        return preset_of(dict(zip(TODO_FIELDS, values)), native_grid)

    controls = list(single.values())
    preset.input(fill, [preset], controls, queue=False)
    for control in controls:
        control.change(rename, controls, [preset], queue=False)


def _values_of(preset: str, native_grid: int) -> dict[str, Any]:
    usual = {field: BY_NAME[field].default for field in TODO_FIELDS}
    return {**usual, **preset_values(preset, native_grid)}


def preset_of(values: dict[str, Any], native_grid: int) -> str:
    """The preset that the page's single settings equal, or CUSTOM."""
    equal = (name for name in PRESETS if values == _values_of(name, native_grid))
    return next(equal, CUSTOM)


def _todo_input(name: str, native_grid: int) -> Any:
    field = BY_NAME[name]
    about = {"label": field.label, "info": field.help}
    if field.choices:
        return gr.Dropdown(list(field.choices), value=field.default, **about)
    if field.zero_means:
        # a slider from 0 would offer values between 0 and the minimum, which are refused
        steps = round((field.maximum - field.minimum) / field.step)
        values = [float(field.minimum + field.step * number) for number in range(steps + 1)]
        offered = [(field.zero_means, 0.0), *((f"{value:g}", value) for value in values)]
        return gr.Dropdown(offered, value=field.default, **about)
    value = native_grid if name == "threshold" else field.default
    return gr.Slider(field.minimum, field.maximum, value=value, step=field.step, **about)
