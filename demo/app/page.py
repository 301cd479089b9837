"""The app's page: the inputs, what its buttons do, and the pictures with their figures."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import gradio as gr

from comparison.loading import largest_grid, native_grid
from comparison.recipe import LARGEST, SIZE_STEP, SMALLEST, OptionError, Recipe
from comparison.sampling import Sampler
from demo.compare import OnProgress, Result, compare
from demo.methods import TITLES, make_methods
from demo.options import PROMPT
from demo.output import DIFFERENCE_TIMES, caption, difference
from lib_todo import Settings, SettingsError
from lib_todo.settings import PRESETS

METHODS = {name: title for name, title in TITLES.items() if name != "baseline"}
PICTURE = ("prompt", "negative_prompt", "seed", "steps", "guidance", "width", "height", "strength")
# ToDo's single settings on the page; with these values they are the preset's own
SINGLE = {"factor": 0, "start": 0, "end": 1}


class CancelledError(Exception):
    """The user has cancelled the generation."""


class Cancellation:
    """Whether the session's user has clicked Cancel since the last click on Generate.

    gradio copies a state's value for each session; each copy starts as not cancelled.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def __deepcopy__(self, _: dict) -> Cancellation:
        return Cancellation()

    def reset(self) -> None:
        """Forget an earlier click on Cancel: the user has clicked Generate."""
        self._cancelled.clear()

    def cancel(self) -> None:
        """End the generation, whether it waits in the queue or runs."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise CancelledError if the user has cancelled."""
        if self._cancelled.is_set():
            raise CancelledError


def generate(
    sampler: Sampler, cancellation: Cancellation, values: Mapping[str, Any], report: OnProgress
) -> list[Result]:
    """Compare the baseline with the methods chosen on the page.

    Raises:
        OptionError, SettingsError: a value that cannot be used.
        CancelledError: the user cancelled while it waited or ran.
    """
    wanted = values["methods"]
    if not wanted or not set(wanted) <= METHODS.keys():
        raise OptionError(f"methods must be one or more of {', '.join(METHODS)}, not {wanted}")
    first = (values["first_width"], values["first_height"]) if values["first_width"] else None
    recipe = Recipe(first=first, **{name: values[name] for name in PICTURE})
    native = native_grid(sampler.unet)
    single = {name: values[name] for name, usual in SINGLE.items() if values[name] != usual}
    todo = Settings.from_preset(values["preset"], threshold=native, **single)
    tome = {"ratio": values["tome_ratio"]} if values["tome_ratio"] else {}
    largest = largest_grid(sampler.unet, recipe, sampler.pipe.vae_scale_factor)
    methods = make_methods(["baseline", *wanted], todo, tome, native, largest)

    def check_and_report(title: str, done: int, total: int) -> None:
        cancellation.check()
        report(title, done, total)

    return compare(sampler, recipe, methods, 1, check_and_report)


def build_page(sampler: Sampler, model: str, initial: dict[str, Any]) -> gr.Blocks:
    """The whole app over one loaded pipeline.

    Args:
        model: its name, as the page shows it.
        initial: what the inputs start with, by the command's options.
    """
    with gr.Blocks(title="ToDo: token downsampling") as page:
        gr.Markdown(
            "# ToDo: token downsampling\n"
            f"The same picture without downsampling and with other methods, made by `{model}`. "
            "With ToDo, each token attends to a downsampled set of the others "
            "([arXiv 2402.13573](https://arxiv.org/abs/2402.13573))."
        )
        with gr.Row():
            with gr.Column(scale=1):
                inputs = _picture_inputs(initial) | _method_inputs()
                with gr.Row():
                    start = gr.Button("Generate", variant="primary")
                    cancel = gr.Button("Cancel")
            with gr.Column(scale=2):
                outputs = _outputs()
        cancellation = gr.State(Cancellation())

        def run(
            cancellation: Cancellation,
            progress: Any = gr.Progress(),  # noqa: B008
            *values: Any,
        ) -> list[Any]:
            return _run(sampler, cancellation, dict(zip(inputs, values)), progress)

        start.click(Cancellation.reset, [cancellation], None, queue=False).then(
            run, [cancellation, *inputs.values()], outputs, api_name="generate"
        )
        cancel.click(Cancellation.cancel, [cancellation], None, queue=False)
    return page


def _picture_inputs(initial: dict[str, Any]) -> dict[str, Any]:
    """The controls for the picture, by name."""
    side = {"minimum": SMALLEST, "maximum": LARGEST, "step": SIZE_STEP}
    first = {"value": int(initial["hires_from"]), "precision": 0}
    prompt = gr.Textbox(PROMPT, label="Prompt")
    inputs = {"prompt": prompt, "negative_prompt": gr.Textbox("", label="Negative prompt")}
    with gr.Row():
        inputs["width"] = gr.Slider(value=initial["width"], label="Width", **side)
        inputs["height"] = gr.Slider(value=initial["height"], label="Height", **side)
    with gr.Row():
        width, strength = "Hires fix: width of the first pass (0: off)", "Denoising strength"
        inputs["first_width"] = gr.Number(label=width, **first)
        inputs["first_height"] = gr.Number(label="Hires fix: its height", **first)
        inputs["strength"] = gr.Slider(0.01, 1, initial["strength"], step=0.01, label=strength)
    with gr.Row():
        inputs["steps"] = gr.Slider(1, 150, initial["steps"], step=1, label="Sampling steps")
        inputs["guidance"] = gr.Slider(0, 30, initial["guidance"], step=0.5, label="CFG scale")
        inputs["seed"] = gr.Number(0, label="Random seed", precision=0)
    return inputs


def _method_inputs() -> dict[str, Any]:
    """The controls for the methods, by name."""
    choices = [(title, name) for name, title in METHODS.items()]
    label, info = "Compare with the baseline", "close changes the picture least, fast is fastest"
    ratio = "ToMe: ratio of merged tokens (0: as many as ToDo leaves out)"
    return {
        "methods": gr.CheckboxGroup(choices, value=["todo"], label=label),
        "preset": gr.Radio(list(PRESETS), value="balanced", label="ToDo preset", info=info),
        "factor": gr.Slider(0, 8, SINGLE["factor"], step=1, label="ToDo factor (0: the preset's)"),
        "start": gr.Slider(0, 1, SINGLE["start"], step=0.05, label="ToDo start"),
        "end": gr.Slider(0, 1, SINGLE["end"], step=0.05, label="ToDo end"),
        "tome_ratio": gr.Slider(0, 0.99, 0, step=0.0025, label=ratio),
    }


def _outputs() -> list[Any]:
    shown = {"columns": 2, "object_fit": "contain"}
    differences = f"Differences from the baseline, brightened {DIFFERENCE_TIMES} times"
    return [
        gr.Gallery(label="Pictures", **shown),
        gr.Markdown(),
        gr.Gallery(label=differences, **shown),
    ]


def _run(
    sampler: Sampler, cancellation: Cancellation, values: dict[str, Any], progress: Any
) -> list[Any]:
    try:
        results = generate(
            sampler,
            cancellation,
            values,
            lambda title, done, total: progress((done, total), desc=title),
        )
    except (OptionError, SettingsError) as error:
        raise gr.Error(str(error)) from error
    except CancelledError:
        return [gr.update(), "Cancelled.", gr.update()]
    baseline, *others = results
    pictures = [(each.image, each.method.title) for each in results]
    differences = [(difference(each.image, baseline.image), each.method.title) for each in others]
    figures = [f"**{each.method.title}**: " + " · ".join(caption(each)) for each in results]
    reports = [each.report_line for each in results if each.report_line]
    return [pictures, "\n\n".join(figures + reports), differences]
