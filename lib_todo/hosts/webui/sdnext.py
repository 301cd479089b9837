"""One generation in SD.Next, callback by callback; what differs there from generation.py.

SD.Next runs diffusers' pipelines. It has no `p.sample` and reports no steps, so pooling is on from
`process_batch` to `postprocess_batch`, and the steps follow from the U-Net's timesteps.
"""

from __future__ import annotations

import sys
from typing import Any

from . import generation as generations
from . import host, request, result


def show_in_control(title: str) -> None:
    """Have the Control tab show our script, too (when it is loaded, before the page is built).

    It is the default page's only tab for images. It shows no extension's script whose title is not
    on this list of the host's.
    """
    titles = getattr(sys.modules.get("installer"), "control_extensions", None)
    if titles is not None and title not in titles:
        titles.append(title)


def before_sampling(p: Any) -> None:
    """Switch pooling on for a batch (the host's `process_batch` callback)."""
    generation = generations.generation_of(p)
    if generation is not None:
        result.write(p, request.to_infotext(generation.settings))
        generation.entered.enter_context(generations.sampling(p, generation))


def after_sampling(p: Any) -> None:
    """Switch pooling off after a batch and report on it (the host's `postprocess_batch`)."""
    generation = generations.generation_of(p)
    if generation is not None:
        generation.entered.close()
        generation.seen = sizes(p)
        generations.report_on(p, generation)


def sizes(p: Any) -> dict[str, host.Size]:
    """Width and height in pixels of the passes that have run.

    An upscaler without "Force HiRes" has no pass of its own, and a second pass need not enlarge.
    """
    found = {"first": (p.width, p.height)}
    if p.enable_hr and "hires" in p.ops:
        enlarged = p.hr_resize_mode > 0 and (p.hr_upscaler != "None" or p.hr_resize_mode == 5)
        found["hires"] = (p.hr_upscale_to_x, p.hr_upscale_to_y) if enlarged else found["first"]
    return found


def leave(p: Any) -> None:
    """Switch pooling off where `postprocess_batch` did not (the host's `on_after_process`).

    After an exception or an interrupt the host leaves that out, but calls this in any case.
    """
    generation = generations.generation_of(p)
    if generation is not None:
        generation.entered.close()


def finish(p: Any, processed: Any) -> None:
    """Put the lines and the report into the result (the host's `postprocess`).

    Unlike the other hosts, this one does not show what `p.comment` got. The Control tab shows no
    comments either, but the image's text, which it makes anew after this.
    """
    generation = generations.generation_of(p)
    lines = generation.series.lines if generation is not None and host.show_line() else []
    if lines:
        processed.comments += "".join(f"{line}\n" for line in lines)
        if getattr(p.scripts, "name", None) == "control":
            p.extra_generation_params[result.REPORT_KEY] = result.Written("; ".join(lines))
    # of its own, since the host would write the report to later texts, too
    processed.extra_generation_params = dict(processed.extra_generation_params)
    generations.finish(p, processed)
