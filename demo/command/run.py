"""Run the command: load the model, compare the methods, print and write the results."""

from __future__ import annotations

from rich.console import Console

from demo.command.options import Options
from demo.command.output import write
from demo.command.terminal import progress_bar, table
from demo.comparison.compare import compare
from demo.comparison.loading import choose_dtype, largest_grid, load, native_grid
from demo.comparison.recipe import OptionError, size_text
from demo.comparison.sampling import Sampler


def run(options: Options) -> int:
    """Run a comparison; returns the exit status."""
    console = Console()
    dtype = choose_dtype(options.dtype, options.device)
    try:
        with console.status(f"Loading {options.source.model}"):
            pipe = load(options.source, options.device, dtype)
    except OptionError as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", soft_wrap=True)
        return 1
    recipe = options.recipe
    native = native_grid(pipe.unet)
    largest = largest_grid(pipe.unet, recipe, pipe.vae_scale_factor)
    by_way_of = f", by hires fix from {size_text(recipe.first)}" if recipe.first else ""
    console.print(
        f"{recipe.prompt!r} at {size_text(recipe.size)}{by_way_of}: the largest self-attention "
        f"layers have {size_text(largest[::-1])} tokens; the model was trained at {native}×{native}"
    )
    methods = options.methods(native, largest)
    try:
        with progress_bar(console) as on_progress:
            comparison = compare(Sampler(pipe), recipe, methods, options.repeats, on_progress)
    except KeyboardInterrupt:
        console.print("interrupted; nothing was written")
        return 130
    for result in comparison.results:
        if result.runs[0].report_line:
            console.print(result.runs[0].report_line)
    console.print(table(comparison))
    where = {"device": options.device, "dtype": str(dtype).removeprefix("torch.")}
    for path in write(comparison, options.output, options.source.model, where):
        console.print(f"wrote {path}", soft_wrap=True)
    return 0
