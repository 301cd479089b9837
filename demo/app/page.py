"""The app's page: inputs, pictures, and what the buttons do."""

from __future__ import annotations

from typing import Any

import gradio as gr

from comparison.recipe import OptionError
from comparison.sampling import Sampler
from demo.app.generator import Cancellation, CancelledError, Generator, figures
from demo.app.inputs import method_inputs, picture_inputs
from demo.output import DIFFERENCE_TIMES, difference
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
                with gr.Row():
                    generate = gr.Button("Generate", variant="primary", elem_id="generate")
                    cancel = gr.Button("Cancel", elem_id="cancel")
            with gr.Column(scale=2):
                outputs = _outputs()
        cancellation = gr.State(Cancellation())

        def run(
            cancellation: Cancellation,
            progress: Any = gr.Progress(),  # noqa: B008
            *values: Any,
        ) -> list[Any]:
            return _run(generator, cancellation, dict(zip(inputs, values)), progress)

        generate.click(Cancellation.reset, [cancellation], None, queue=False).then(
            run, [cancellation, *inputs.values()], outputs, api_name="generate"
        )
        cancel.click(Cancellation.cancel, [cancellation], None, queue=False)
    return page


def _outputs() -> list[Any]:
    # gradio 5 and later would show lossy WebP
    lossless = {"format": "png"} if int(gr.__version__.split(".")[0]) >= 5 else {}
    shown = {"columns": 2, "object_fit": "contain", **lossless}
    differences = f"Differences from the baseline, brightened {DIFFERENCE_TIMES} times"
    return [
        gr.Gallery(label="Pictures", elem_id="pictures", **shown),
        gr.Markdown(elem_id="figures"),
        gr.Gallery(label=differences, elem_id="differences", **shown),
    ]


def _run(
    generator: Generator, cancellation: Cancellation, values: dict[str, Any], progress: Any
) -> list[Any]:
    try:
        results = generator.generate(
            cancellation, values, lambda title, done, total: progress((done, total), desc=title)
        )
    except (OptionError, SettingsError) as error:
        raise gr.Error(str(error)) from error
    except CancelledError:
        return [gr.update(), "Cancelled.", gr.update()]
    baseline, *others = results
    pictures = [(each.image, each.method.title) for each in results]
    differences = [(difference(each.image, baseline.image), each.method.title) for each in others]
    return [pictures, figures(results), differences]
