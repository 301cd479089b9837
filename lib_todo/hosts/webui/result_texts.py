"""The results of a generation as text: infotext, the line under the image, the API's info."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ...counts import Counts
from ...plan import Grid, pooled_grid
from ...report import Report
from ...settings import Settings
from ...wording import nothing_pooled
from ..call_stack import callers, local
from . import prediction
from .infotext import JSON_KEY, REPORT_KEY, USED_KEY, Written, to_infotext
from .step_times import in_words

# seconds per step with ToDo, and of a similar pass without it; None where not measured
SecondsPerStep = tuple["float | None", "float | None"]
# by pass, the sizes in pixels that were sampled; several where a script mixes them
Sizes = dict[str, dict[prediction.Size, SecondsPerStep]]


class InfoText(Written):
    """A text for the API's info only: the host calls it when it writes an image's text, and leaves
    out a key whose call returns None.

    It has to be in the processing object's parameters, since scripts that combine results (SD
    upscale, Loopback) build the info from these.
    """

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """None, so that the host leaves it out of the image's text."""


class InfoData(dict):
    """The same for programs. A dict, since the host would take one item of a list."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """None, so that the host leaves it out of the image's text."""


def write_infotext(p: Any, settings: Settings | None, done: Report | None = None) -> None:
    """Write these settings to the infotext of `p`, or remove them.

    The cells of an X/Y/Z plot share one dict, so earlier settings are removed first. A generation
    inside another one (ADetailer) shares the outer one's dict and writes nothing. What another
    extension wrote under the same key stays.

    Args:
        p: the host's processing object.
        settings: None removes what we wrote.
        done: what was pooled; None before sampling, when only the plan is known.
    """
    if is_inside_another(p):
        return
    params = p.extra_generation_params
    for key in [key for key, value in params.items() if isinstance(value, (Written, InfoData))]:
        del params[key]
    if settings is not None:
        texts = {**to_infotext(settings), USED_KEY: used(prediction.planned(p, settings), done)}
        for key, text in texts.items():
            params.setdefault(key, Written(text))


def host_asks_values() -> bool:
    """Whether the host calls callable values among an image's parameters (since 1.10)."""
    processing = sys.modules.get("modules.processing")
    written = getattr(getattr(processing, "create_infotext", None), "__doc__", None)
    return "callable" in (written or "")


def write_info(params: dict[str, Any], lines: list[str], data: list[dict[str, Any]]) -> None:
    """Add the report, for people and for programs, to the parameters in the API's info."""
    params[REPORT_KEY] = InfoText("\n".join(lines))
    params[JSON_KEY] = InfoData(generations=data)


def used(planned: Mapping[str, Mapping[Grid, list[float]]], done: Report | None) -> str:
    """The factors of each pass, such as `hires 128×128 tokens by 2 then 3`.

    Args:
        planned: see prediction.planned.
        done: what was pooled; factors that did not occur are left out. None: all that is planned.
    """
    told = []
    for name, grids in planned.items():
        counts = done.passes.get(name) if done is not None else None
        parts = []
        for grid, factors in grids.items():
            if done is not None:
                factors = [factor for factor in factors if _was_used(grid, factor, counts)]
            if factors:
                steps = " then ".join(f"{factor:g}" for factor in factors)
                parts.append(f"{grid[1]}×{grid[0]} tokens by {steps}")
        told.append(f"{name} {' and '.join(parts) or 'nothing'}")
    return "; ".join(told)


def _was_used(grid: Grid, factor: float, counts: Counts | None) -> bool:
    height, width = pooled_grid(grid, factor)
    # with several grids in one context, both numbers are multiples
    return counts is not None and any(
        key[0] == grid and key[3] is None and key[2] * grid[0] * grid[1] == key[1] * height * width
        for key in counts.tallies
    )


def is_inside_another(p: Any) -> bool:
    """Whether `p` shares its parameters with a generation that it runs inside of."""
    return any(outer.extra_generation_params is p.extra_generation_params for outer in outer_of(p))


def outer_of(p: Any) -> Iterator[Any]:
    """The processing objects whose generation this one runs inside of, from the call stack.

    A note of our own could outlive an exception; the stack is always right.
    """
    for frame in callers():
        if frame.f_code.co_name == "process_images_inner":
            outer = local(frame, "p")
            if outer is not None and outer is not p:
                yield outer


def line(p: Any, settings: Settings, done: Report, sizes: Sizes) -> str:
    """The line under the image."""
    if not done.tallies and not done.steps[1]:
        return nothing_pooled("no step was run")
    if not done.tallies:
        return nothing_pooled(prediction.why_no_layer(p, done))
    heads = {name: _head(found, done.passes.get(name)) for name, found in sizes.items()}
    return done.line(settings.threshold, heads=heads)


def _head(sizes: Mapping[prediction.Size, SecondsPerStep], counts: Counts | None) -> str:
    """Each size of a pass with its seconds per step, such as `512×512, 0.83 s a step`."""
    told = []
    for (width, height), (ours, without) in sizes.items():
        # where nothing was pooled, a difference in time has other causes than ToDo
        speed = in_words(ours, without if counts and counts.pooled else None)
        told.append(", ".join(filter(None, [f"{width}×{height}", speed])))
    return "; ".join(told)


def data(settings: Settings, done: Report, sizes: Sizes) -> dict[str, Any]:
    """What `ToDo report JSON` contains."""
    names = ("with_todo", "without_todo")
    return {
        "settings": vars(settings),
        "sizes": {
            name: [
                {"size": list(size), "seconds_a_step": dict(zip(names, seconds))}
                for size, seconds in found.items()
            ]
            for name, found in sizes.items()
        },
        **done.to_dict(),
    }
