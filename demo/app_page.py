"""The app's page: its inputs, its pictures and what its buttons do."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo import presets
from demo.app_run import Generator, figures, preset_values
from demo.methods import TOME_LEVELS
from demo.recipe import LARGEST, SIZE_STEP, SMALLEST, OptionError
from demo.sampling import Sampler
from demo.ticket import CancelledError, Ticket
from lib_todo import SettingsError
from lib_todo.settings import BY_NAME

TODO_FIELDS = ("factor", "deep_factor", "threshold", "method", "start", "end")


def build_page(sampler: Sampler, model: str, defaults: dict[str, Any]) -> gr.Blocks:
    """The whole app over one loaded pipeline; `defaults` are one of demo.presets'."""
    generator = Generator(sampler)
    with gr.Blocks(title="ToDo: token downsampling") as page:
        gr.Markdown(
            "# ToDo: token downsampling\n"
            f"The same picture without downsampling and with a method, by the model `{model}`. "
            "ToDo lets each token attend to a downsampled copy of the others "
            "([arXiv 2402.13573](https://arxiv.org/abs/2402.13573))."
        )
        with gr.Row():
            with gr.Column(scale=1):
                inputs = _picture_inputs(defaults) | _method_inputs(generator.native_grid)
                preset = gr.Dropdown(
                    [str(side) for side in presets.PRESETS],
                    label="The authors' preset for an SD 1.x checkpoint",
                )
                with gr.Row():
                    generate = gr.Button("Generate", variant="primary", elem_id="generate")
                    cancel = gr.Button("Cancel", elem_id="cancel")
            with gr.Column(scale=2):
                outputs = _outputs()
        ticket = gr.State(Ticket())
        names = tuple(inputs)

        def run(ticket: Ticket, progress: Any = gr.Progress(), *values: Any) -> list[Any]:  # noqa: B008
            return _run(generator, ticket, dict(zip(names, values)), progress)

        def set_preset(side: str | None, *values: Any) -> list[Any]:
            changed = preset_values(int(side)) if side else {}
            return list({**dict(zip(names, values)), **changed}.values())

        generate.click(Ticket.ask, [ticket], None, queue=False).then(
            run, [ticket, *inputs.values()], outputs, api_name="generate"
        )
        cancel.click(Ticket.cancel, [ticket], None, queue=False)
        preset.change(set_preset, [preset, *inputs.values()], list(inputs.values()), queue=False)
    return page


def _picture_inputs(defaults: dict[str, Any]) -> dict[str, Any]:
    side = {"minimum": SMALLEST, "maximum": LARGEST, "step": SIZE_STEP}
    first = int(defaults["hires_from"])
    inputs = {
        "prompt": gr.Textbox(presets.PROMPT, label="Prompt", elem_id="prompt"),
        "negative_prompt": gr.Textbox("", label="Negative prompt"),
    }
    with gr.Row():
        inputs["width"] = gr.Slider(value=defaults["width"], label="Width", **side)
        inputs["height"] = gr.Slider(value=defaults["height"], label="Height", **side)
    with gr.Row():
        inputs["first_width"] = gr.Number(first, label="First pass: width (0: none)", precision=0)
        inputs["first_height"] = gr.Number(first, label="First pass: height", precision=0)
        inputs["strength"] = gr.Slider(
            0.01, 1, value=defaults["strength"], step=0.01, label="Sampled anew after it"
        )
    with gr.Row():
        inputs["steps"] = gr.Slider(1, 150, value=defaults["steps"], step=1, label="Steps")
        inputs["guidance"] = gr.Slider(
            0, 30, value=defaults["guidance"], step=0.5, label="Guidance"
        )
        inputs["seed"] = gr.Number(0, label="Seed", precision=0)
    return inputs


def _method_inputs(native_grid: int) -> dict[str, Any]:
    inputs = {
        "method": gr.Radio([("ToDo", "todo"), ("ToMe", "tome")], value="todo", label="Method")
    }
    with gr.Accordion("ToDo", open=False):
        for name in TODO_FIELDS:
            inputs[f"todo_{name}"] = _todo_input(name, native_grid)
    with gr.Accordion("ToMe (tomesd)", open=False):
        inputs["tome_ratio"] = gr.Slider(
            0, 0.99, value=0, step=0.0025, label="Ratio (0: as many tokens as ToDo leaves out)"
        )
        inputs["tome_stride"] = gr.Slider(0, 16, value=0, step=1, label="Stride (0 = automatic)")
        inputs["tome_max_downsample"] = gr.Radio(
            list(TOME_LEVELS), value=1, label="Layers down to 1/"
        )
    return inputs


def _todo_input(name: str, native_grid: int) -> Any:
    field = BY_NAME[name]
    if field.choices:
        return gr.Dropdown(list(field.choices), value=field.default, label=field.label)
    return gr.Slider(
        0 if field.zero_means else field.minimum,
        field.maximum,
        value=native_grid if name == "threshold" else field.default,
        step=field.step,
        label=field.label,
        info=field.help,
    )


def _outputs() -> list[Any]:
    # gradio that has the slider would show WebP's losses otherwise
    shown = {"type": "pil", "interactive": False} | ({"format": "png"} if has_wipe() else {})
    with gr.Row():
        baseline = gr.Image(label="Baseline", **shown)
        picture = gr.Image(label="Method", **shown)
    figures = gr.Markdown(elem_id="figures")
    wipe = [gr.ImageSlider(label="Wipe", elem_id="wipe", **shown)] if has_wipe() else []
    return [baseline, picture, figures, *wipe]


def has_wipe() -> bool:
    """Whether this gradio has a slider that wipes between two pictures: from version 5 on."""
    return hasattr(gr, "ImageSlider")


def _run(generator: Generator, ticket: Ticket, values: dict[str, Any], progress: Any) -> list[Any]:
    try:
        comparison = generator.generate(
            ticket, values, lambda title, done, total: progress((done, total), desc=title)
        )
    except (OptionError, SettingsError) as error:
        raise gr.Error(str(error)) from error
    except CancelledError:
        return [gr.update(), gr.update(), "Cancelled.", *([gr.update()] if has_wipe() else [])]
    pictures = [result.image for result in comparison.results]
    return [*pictures, figures(comparison), *([tuple(pictures)] if has_wipe() else [])]
