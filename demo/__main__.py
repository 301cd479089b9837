"""The command: `python -m demo` makes one picture by each method and compares them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from demo.options import Options, parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = parse(argv)
    # diffusers takes seconds to import, so the options are checked first
    from comparison.loading import silence_libraries

    silence_libraries()
    return run(options)


def run(options: Options) -> int:
    """Load the model, compare the methods, print and write the results."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from comparison.loading import choose_dtype, largest_grid, load, native_grid
    from comparison.recipe import OptionError, size_text
    from comparison.sampling import Sampler
    from demo.compare import compare
    from demo.output import table, write

    console, recipe = Console(), options.recipe
    dtype = choose_dtype(options.dtype, options.device)
    try:
        with console.status(f"Loading {options.source.model}"):
            pipe = load(options.source, options.device, dtype)
    except OptionError as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", soft_wrap=True)
        return 1
    native, largest = native_grid(pipe.unet), largest_grid(pipe.unet, recipe, pipe.vae_scale_factor)
    by_way_of = f", by hires fix from {size_text(recipe.first)}" if recipe.first else ""
    console.print(
        f"{recipe.prompt!r} at {size_text(recipe.size)}{by_way_of}: the largest self-attention "
        f"layers have {size_text(largest[::-1])} tokens; the model was trained at {native}×{native}"
    )
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "steps")
    try:
        with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
            task = bar.add_task("Starting", total=None)
            results = compare(
                Sampler(pipe),
                recipe,
                options.methods(native, largest),
                options.repeats,
                lambda title, done, total: bar.update(
                    task, description=title, completed=done, total=total
                ),
            )
    except KeyboardInterrupt:
        console.print("interrupted; nothing was written")
        return 130
    for line in filter(None, (result.report_line for result in results)):
        console.print(line)
    console.print(table(results))
    where = {"device": options.device, "dtype": str(dtype).removeprefix("torch.")}
    for path in write(recipe, results, options.output, options.source.model, where):
        console.print(f"wrote {path}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
