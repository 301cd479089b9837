"""What a generation tells: the line under the image, and the same for programs in the API's info.

A series is one or several generations that make up one result, such as an upscale's tiles or a
plot's cells. The host's scripts run them from one processing object or from shallow copies of it,
which share its dict of generation parameters, and combine the results themselves.
"""

from __future__ import annotations

import collections
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...cost.architectures import shape_of_unet
from ...counts import Counts
from ...downsampling import token_downsampling
from ...plan import (
    Grid,
    decide,
    latent_grid,
    layer_factor,
    level_grid,
    pass_wanted,
    settings_for_sampler,
    with_papers_factors,
)
from ...reasons import Reason
from ...report import Report
from ...settings import BY_NAME, FIELDS, Settings
from ...wording import BYPASSED, COMPILED, nothing_pooled
from . import host
from .hint.step_times import in_words
from .host import Size
from .infotext import JSON_KEY, REPORT_KEY, USED_KEY, Written, to_infotext, used
from .request import on_page

NO_LAYERS = "this model has no self-attention layers that ToDo can pool"
# makes the downsampling of these settings
Downsampling = Callable[[Settings], token_downsampling]
# seconds per step with ToDo, and of a similar pass without it; None where not measured
SecondsPerStep = tuple["float | None", "float | None"]
# by pass, the sizes in pixels that were sampled; several where a script mixes them
Sizes = dict[str, dict[Size, SecondsPerStep]]


class Told(NamedTuple):
    """What generations share that are told of in one line."""

    settings: Settings
    checkpoint: str

    def named(self, name: str) -> str:
        """One of its values with its name: `factor automatic`."""
        if name == "checkpoint":
            return f"checkpoint {self.checkpoint}"
        value = on_page(BY_NAME[name], getattr(self.settings, name))
        return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


class Series:
    """A downsampling, and so a report, for all generations that are told of in one line."""

    def __init__(self, shared: dict[str, Any]) -> None:
        self._shared = shared
        self._runs: dict[Told, token_downsampling] = {}
        self._sizes: dict[Told, Sizes] = {}
        self._models: dict[Told, weakref.ref[Any]] = {}
        # the line for people, and the same for programs
        self.reports: dict[Told, tuple[str, dict[str, Any]]] = {}
        self.shown: list[str] = []
        # the parameters of earlier results, which have to show later lines too
        self.results: list[dict[str, Any]] = []

    def belongs(self, p: Any) -> bool:
        """Whether `p` is the object that the series began with, or a copy of it."""
        return p.extra_generation_params is self._shared

    def run(self, told_of: Told, make: Downsampling) -> token_downsampling:
        """The downsampling of all these generations, made by `make`."""
        if told_of not in self._runs:
            self._runs[told_of] = make(told_of.settings)
        return self._runs[told_of]

    def expect_model(self, told_of: Told, model: Any) -> None:
        """Say which model will be called: one that was loaded anew is the same as before."""
        before = self._models.get(told_of, lambda: model)()
        if before is not model:
            self._runs[told_of].report.expect_model()
        self._models[told_of] = weakref.ref(model)

    def sizes(self, told_of: Told) -> Sizes:
        """The sizes of all these generations, for each of them to add its own."""
        return self._sizes.setdefault(told_of, {})

    @property
    def lines(self) -> list[str]:
        """A line for each settings. If there are several, each names the values that differ."""
        names = self._differing()
        return [
            f"[{', '.join(map(told_of.named, names))}] {line}" if names else line
            for told_of, (line, _) in self.reports.items()
        ]

    def _differing(self) -> list[str]:
        found = [
            field.name
            for field in FIELDS
            if len({getattr(told_of.settings, field.name) for told_of in self.reports}) > 1
        ]
        several = len({told_of.checkpoint for told_of in self.reports}) > 1
        return [*found, "checkpoint"] if several else found

    def write_info(self, params: dict[str, Any]) -> None:
        """Add the report, for people and for programs, to the parameters in the API's info."""
        params[REPORT_KEY] = InfoText("\n".join(self.lines))
        params[JSON_KEY] = InfoData(generations=[data for _, data in self.reports.values()])


# the newest last; several, since a nested generation begins a series of its own
_latest: collections.deque[Series] = collections.deque(maxlen=4)


def series_of(p: Any) -> Series:
    """The series that `p` continues, or a new one."""
    for series in _latest:
        if series.belongs(p):
            return series
    _latest.append(Series(p.extra_generation_params))
    return _latest[-1]


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

    The cells of an X/Y/Z plot share one dict, so earlier settings are removed first. What another
    extension wrote under the same key stays.

    Args:
        p: the host's processing object.
        settings: None removes what we wrote.
        done: what was pooled; None before sampling, when only the plan is known.
    """
    params = p.extra_generation_params
    for key in [key for key, value in params.items() if isinstance(value, (Written, InfoData))]:
        del params[key]
    if settings is not None:
        texts = {**to_infotext(settings), USED_KEY: used(planned(p, settings), done)}
        for key, text in texts.items():
            params.setdefault(key, Written(text))


def attention_downscales(unet: Any) -> list[int]:
    """The downscales at which a U-Net has spatial transformers: [1, 2, 4, 8] for SD 1.x.

    Empty for a model of another shape (SD3, Flux).
    """
    shape = shape_of_unet(unet)
    return [level.downscale for level in shape.levels] if shape else []


def factors(downscales: list[int], size: Size, settings: Settings) -> dict[Grid, float]:
    """The factor of each level's grid, the largest first, in a pass over an image of `size`."""
    grids = [level_grid(latent_grid(*size), scale) for scale in downscales]
    return {grid: layer_factor(grid, grids[0], settings) for grid in grids}


def planned(p: Any, settings: Settings) -> dict[str, dict[Grid, list[float]]]:
    """The grids that will be pooled in each pass, with their factors in the order of the steps.

    Of two factors the first one applies in the lead-in, see plan.LEAD_IN.
    """
    downscales = attention_downscales(host.unet_of(p.sd_model))
    found: dict[str, dict[Grid, list[float]]] = {}
    for name, size in host.sizes(p).items():
        found[name] = {}
        allowed = settings_for_sampler(settings, host.sampler_of(p, name))
        for stage in (with_papers_factors(allowed), allowed):
            for grid, factor in factors(downscales, size, stage).items():
                known = found[name].setdefault(grid, [])
                if factor > 1 and factor not in known and pass_wanted(name, settings.passes):
                    known.append(factor)
        found[name] = {grid: known for grid, known in found[name].items() if known}
    return found


def left_alone(p: Any, settings: Settings) -> dict[str, list[tuple[Grid, int, Reason]]]:
    """By pass, the grids, their layers and why none is pooled; empty if one may be, or who knows.

    The sampler and the first quarter only ever pool less.
    """
    shape = shape_of_unet(host.unet_of(p.sd_model))
    if shape is None or host.is_of_sdnext(p) or host.changes_model(p):
        return {}
    found: dict[str, list[tuple[Grid, int, Reason]]] = {}
    for name, size in host.sizes(p).items():
        found[name] = []
        grids = [level_grid(latent_grid(*size), level.downscale) for level in shape.levels]
        for level, grid in zip(shape.levels, grids):
            _, reason = decide(grid, grids[0], settings)
            if reason is None and not pass_wanted(name, settings.passes):
                reason = Reason.OTHER_PASS
            if reason is None and settings.start == settings.end:
                reason = Reason.OUTSIDE_WINDOW
            if reason is None:
                return {}
            found[name].append((grid, level.layers, reason))
    return found


def line(p: Any, done: Report, sizes: Sizes) -> str:
    """The line under the image."""
    if not done.tallies and not done.steps[1]:
        return nothing_pooled("no step was run")
    if not done.tallies:
        return nothing_pooled(why_no_layer(p, done))
    heads = {name: _head(found, done.passes.get(name)) for name, found in sizes.items()}
    return done.line(heads=heads)


def why_no_layer(p: Any, done: Report) -> str:
    """Why no layer was called in a generation that `done` reports on."""
    if done.compiled:
        return COMPILED
    # not imported, since not every host has it
    sd_unet = sys.modules.get("modules.sd_unet")
    if getattr(sd_unet, "current_unet", None) is not None:
        return "an alternative U-Net (such as TensorRT) is in use, whose layers ToDo cannot reach"
    if getattr(p.sd_model, "is_sd3", False):
        return "SD3 has no layers that ToDo can pool"
    return BYPASSED if attention_downscales(host.unet_of(p.sd_model)) else NO_LAYERS


def _head(sizes: Mapping[Size, SecondsPerStep], counts: Counts | None) -> str:
    """Each size of a pass with its seconds per step, such as `512×512, 0.83 s a step`."""
    told = []
    for (width, height), (ours, without) in sizes.items():
        # where nothing was pooled, a difference in time has other causes than ToDo
        speed = in_words(ours, without if counts and counts.pooled else None)
        told.append(", ".join(filter(None, [f"{width}×{height}", speed])))
    return "; ".join(told)


def data(told_of: Told, done: Report, sizes: Sizes) -> dict[str, Any]:
    """What `ToDo report JSON` contains."""
    names = ("with_todo", "without_todo")
    return {
        "settings": vars(told_of.settings),
        "checkpoint": told_of.checkpoint,
        "sizes": {
            name: [
                {"size": list(size), "seconds_a_step": dict(zip(names, seconds))}
                for size, seconds in found.items()
            ]
            for name, found in sizes.items()
        },
        **done.to_dict(),
    }
