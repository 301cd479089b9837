"""The app's page: its inputs, its pictures and what its buttons do."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.app.cancellation import Cancellation, CancelledError
from demo.app.generator import Generator, figures, paper_size_values
from demo.comparison import defaults
from demo.comparison.methods import TOME_LEVELS
from demo.comparison.recipe import LARGEST, SIZE_STEP, SMALLEST, OptionError
from demo.comparison.sampling import Sampler
from lib_todo import SettingsError
from lib_todo.settings import BY_NAME

TODO_FIELDS = (
    "factor",
    "deep_factor",
    "threshold",
    "scale",
    "deep_scale",
    "method",
    "phase",
    "start",
    "end",
)


def build_page(sampler: Sampler, model: str, initial: dict[str, Any]) -> gr.Blocks:
    """The whole app over one loaded pipeline.

    Args:
        model: its name, as the page shows it.
        initial: what the inputs start with, defaults.BUILT_IN or defaults.SD1.
    """
    generator = Generator(sampler)
    with gr.Blocks(title="ToDo: token downsampling") as page:
        gr.Markdown(
            "# ToDo: token downsampling\n"
            f"The same picture without downsampling and with a method, made by `{model}`. "
            "ToDo lets each token attend to a downsampled copy of the others "
            "([arXiv 2402.13573](https://arxiv.org/abs/2402.13573))."
        )
        with gr.Row():
            with gr.Column(scale=1):
                inputs = _picture_inputs(initial) | _method_inputs(generator.native_grid)
                paper_size = gr.Dropdown(
                    [str(side) for side in defaults.PAPER_SIZES],
                    label="The paper's settings for SD 1.x at this size",
                )
                with gr.Row():
                    generate = gr.Button("Generate", variant="primary", elem_id="generate")
                    cancel = gr.Button("Cancel", elem_id="cancel")
            with gr.Column(scale=2):
                outputs = _outputs()
        cancellation = gr.State(Cancellation())
        names = tuple(inputs)

        def run(
            cancellation: Cancellation,
            progress: Any = gr.Progress(),  # noqa: B008
            *values: Any,
        ) -> list[Any]:
            return _run(generator, cancellation, dict(zip(names, values)), progress)

        def set_paper_size(side: str | None, *values: Any) -> list[Any]:
            changed = paper_size_values(int(side)) if side else {}
            return list({**dict(zip(names, values)), **changed}.values())

        generate.click(Cancellation.reset, [cancellation], None, queue=False).then(
            run, [cancellation, *inputs.values()], outputs, api_name="generate"
        )
        cancel.click(Cancellation.cancel, [cancellation], None, queue=False)
        paper_size.change(
            set_paper_size,
            [paper_size, *inputs.values()],
            list(inputs.values()),
            queue=False,
        )
    return page


def _picture_inputs(initial: dict[str, Any]) -> dict[str, Any]:
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
            first, label="Hires fix: first pass width (0: off)", precision=0
        )
        inputs["first_height"] = gr.Number(first, label="Hires fix: first pass height", precision=0)
        inputs["strength"] = gr.Slider(
            0.01, 1, value=initial["strength"], step=0.01, label="Denoising strength"
        )
    with gr.Row():
        inputs["steps"] = gr.Slider(1, 150, value=initial["steps"], step=1, label="Sampling steps")
        inputs["guidance"] = gr.Slider(
            0, 30, value=initial["guidance"], step=0.5, label="CFG scale"
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
            0, 0.99, value=0, step=0.0025, label="Ratio (0: as many tokens as ToDo drops)"
        )
        inputs["tome_stride"] = gr.Slider(0, 16, value=0, step=1, label="Stride (0: automatic)")
        inputs["tome_max_downsample"] = gr.Radio(
            list(TOME_LEVELS), value=1, label="Max downsample: levels down to 1/"
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
    # gradio from 5 on would show lossy WebP
    shown = {"type": "pil", "interactive": False} | ({"format": "png"} if has_wipe() else {})
    with gr.Row():
        baseline = gr.Image(label="Baseline", **shown)
        picture = gr.Image(label="Method", **shown)
    figures = gr.Markdown(elem_id="figures")
    wipe = [gr.ImageSlider(label="Wipe", elem_id="wipe", **shown)] if has_wipe() else []
    return [baseline, picture, figures, *wipe]


def has_wipe() -> bool:
    """Whether this gradio has a slider that wipes between two pictures: version 5 and later."""
    return hasattr(gr, "ImageSlider")


def _run(
    generator: Generator, cancellation: Cancellation, values: dict[str, Any], progress: Any
) -> list[Any]:
    try:
        comparison = generator.generate(
            cancellation, values, lambda title, done, total: progress((done, total), desc=title)
        )
    except (OptionError, SettingsError) as error:
        raise gr.Error(str(error)) from error
    except CancelledError:
        return [gr.update(), gr.update(), "Cancelled.", *([gr.update()] if has_wipe() else [])]
    pictures = [result.image for result in comparison.results]
    return [*pictures, figures(comparison), *([tuple(pictures)] if has_wipe() else [])]
