"""The app's page: inputs, pictures, and what the buttons do."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.app.cancellation import Cancellation, CancelledError
from demo.app.generator import Generator, figures, paper_size_values
from demo.app.inputs import method_inputs, picture_inputs
from demo.comparison import defaults
from demo.comparison.pictures import DIFFERENCE_TIMES, difference
from demo.comparison.recipe import OptionError
from demo.comparison.sampling import Sampler
from lib_todo import SettingsError


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
            f"The same picture without downsampling and with other methods, made by `{model}`. "
            "With ToDo, each token attends to a downsampled set of the others "
            "([arXiv 2402.13573](https://arxiv.org/abs/2402.13573))."
        )
        with gr.Row():
            with gr.Column(scale=1):
                inputs = picture_inputs(initial) | method_inputs(generator.native_grid)
                paper_size = gr.Dropdown(
                    [str(side) for side in defaults.PAPER_SIZES],
                    label="Set the paper's settings for SD 1.x at this size",
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


def _outputs() -> list[Any]:
    # gradio 5 and later would show lossy WebP
    lossless = {"format": "png"} if has_wipe() else {}
    shown = {"columns": 2, "object_fit": "contain", **lossless}
    pictures = gr.Gallery(label="Pictures", elem_id="pictures", **shown)
    figures = gr.Markdown(elem_id="figures")
    differences = gr.Gallery(
        label=f"Differences from the baseline, brightened {DIFFERENCE_TIMES} times",
        elem_id="differences",
        **shown,
    )
    if not has_wipe():
        return [pictures, figures, differences]
    wipe = gr.ImageSlider(
        label="Baseline and the first method", elem_id="wipe", type="pil", **lossless
    )
    return [pictures, figures, differences, wipe]


def has_wipe() -> bool:
    """Whether this gradio can compare two pictures with a slider: version 5 and later."""
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
        unchanged = [gr.update()] if has_wipe() else []
        return [gr.update(), "Cancelled.", gr.update(), *unchanged]
    baseline, *others = comparison.results
    pictures = [(result.image, result.method.title) for result in comparison.results]
    differences = [
        (difference(result.image, baseline.image), result.method.title) for result in others
    ]
    wipe = [(baseline.image, others[0].image)] if has_wipe() else []
    return [pictures, figures(comparison), differences, *wipe]
