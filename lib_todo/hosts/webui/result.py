"""What a generation tells: the line under the image, and the same for programs in the API's info.

A series is one or several generations that make up one result, such as an upscale's tiles or a
plot's cells. The host's scripts run them from one processing object or from shallow copies of it,
which share its dict of generation parameters, and combine the results themselves.
"""

from __future__ import annotations

import collections
import sys
import weakref
from collections.abc import Callable
from typing import Any

from ...downsampling import token_downsampling
from ...plan import Grid, decide, latent_grid, level_grid, pass_wanted
from ...reasons import Reason
from ...report import Report
from ...settings import FIELDS, Settings
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


class Told:
    """Generations that are told of in one line, and counted in one report."""

    def __init__(
        self, settings: Settings, checkpoint: str, downsampling: token_downsampling
    ) -> None:
        self.settings, self.checkpoint, self.downsampling = settings, checkpoint, downsampling
        self.sizes: Sizes = {}
        # what was told last, to people and to programs
        self.line = ""
        self.data: dict[str, Any] = {}
        self._model: weakref.ref[Any] | None = None

    @property
    def values(self) -> list[str]:
        """Its settings and its checkpoint, each with its name: `factor automatic`."""
        shown = {field.name: on_page(field, getattr(self.settings, field.name)) for field in FIELDS}
        shown["checkpoint"] = self.checkpoint
        return [
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in shown.items()
        ]

    def expect_model(self, model: Any) -> None:
        """Say which model will be called: one that was loaded anew is the same as before."""
        if self._model is not None and self._model() is not model:
            self.downsampling.report.expect_model()
        self._model = weakref.ref(model)


class Series:
    """What is told of all generations of one result, by their settings and checkpoint."""

    def __init__(self, shared: dict[str, Any]) -> None:
        # the parameters of the object that the series began with, and of its copies
        self.shared = shared
        # the lines under the image; later tiles of the same image replace them
        self.shown: list[str] = []
        # the parameters of earlier results, which have to show later lines too
        self.results: list[dict[str, Any]] = []
        # img2img's Batch tab shows the comments of its first result
        self.first: Callable[[], Any] | None = None
        self._told: dict[tuple[Settings, str], Told] = {}

    def told(self, p: Any, settings: Settings, make: Downsampling) -> Told:
        """What is told of `p`, together with earlier generations like it; `make` pools for them."""
        checkpoint = str(getattr(host.checkpoint_info(p), "name_for_extra", ""))
        key = settings, checkpoint
        if key not in self._told:
            self._told[key] = Told(*key, make(settings))
        return self._told[key]

    @property
    def reported(self) -> list[Told]:
        """Those of which anything is told yet."""
        return [told for told in self._told.values() if told.line]

    @property
    def lines(self) -> list[str]:
        """A line for each settings. If there are several, each names the values that differ."""
        reported = self.reported
        # by setting, its value in each line
        differ = [
            values for values in zip(*(told.values for told in reported)) if len({*values}) > 1
        ]
        if not differ:
            return [told.line for told in reported]
        return [f"[{', '.join(own)}] {told.line}" for own, told in zip(zip(*differ), reported)]

    def write_info(self, params: dict[str, Any]) -> None:
        """Add the report, for people and for programs, to the parameters in the API's info."""
        params[REPORT_KEY] = InfoText("\n".join(self.lines))
        params[JSON_KEY] = InfoData(generations=[told.data for told in self.reported])


# the newest last; several, since a nested generation begins a series of its own
_latest: collections.deque[Series] = collections.deque(maxlen=4)


def series_of(p: Any) -> Series:
    """The series that `p` continues, or a new one."""
    for series in _latest:
        if series.shared is p.extra_generation_params:
            return series
    _latest.append(Series(p.extra_generation_params))
    return _latest[-1]


class InfoText(Written):
    """The report for people, in the API's info only.

    The host calls a value when it writes an image's text, and leaves out a key whose call returns
    None. Both have to be in the processing object's parameters, since scripts that combine results
    (SD upscale, Loopback) build the info from these.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """None, so that the host leaves it out of the image's text."""


class InfoData(dict):
    """The report for programs. A dict, since the host would take one item of a list."""

    __call__ = InfoText.__call__


def write_infotext(
    p: Any, settings: Settings | None, done: Report | None = None, since: int = 0
) -> None:
    """Write these settings to the infotext of `p`, and what was `done` since that sampling.

    The cells of an X/Y/Z plot share one dict, so earlier settings are removed first; without
    settings that is all. What another extension wrote under the same key stays.
    """
    params = p.extra_generation_params
    for key in [key for key, value in params.items() if isinstance(value, (Written, InfoData))]:
        del params[key]
    if settings is None:
        return
    texts = to_infotext(settings)
    if done is not None:
        texts[USED_KEY] = used(done, since)
    for key, text in texts.items():
        params.setdefault(key, Written(text))


def left_alone(p: Any, settings: Settings) -> dict[str, list[tuple[Grid, int, Reason]]]:
    """By pass, the grids, their layers and why none is pooled; empty if one may be, or who knows.

    The sampler and the first quarter only ever pool less.
    """
    shape = host.shape_of(p.sd_model)
    # a refiner's checkpoint or that of hires fix has a shape of its own
    others = (getattr(p, name, None) for name in ("refiner_checkpoint", "hr_checkpoint_name"))
    if shape is None or host.is_of_sdnext(p) or any(others):
        return {}
    found: dict[str, list[tuple[Grid, int, Reason]]] = {}
    for name, size in host.sizes(p).items():
        found[name] = []
        grids = [level_grid(latent_grid(*size), level.downscale) for level in shape.levels]
        for level, grid in zip(shape.levels, grids):
            reason = decide(grid, grids[0], settings)[1]
            if reason is None and not pass_wanted(name, settings.passes):
                reason = Reason.OTHER_PASS
            if reason is None and settings.start == settings.end:
                reason = Reason.OUTSIDE_WINDOW
            if reason is None:
                return {}
            found[name].append((grid, level.layers, reason))
    return found


def line(p: Any, told: Told) -> str:
    done = told.downsampling.report
    if not done.tallies:
        return nothing_pooled(why_no_layer(p, done) if done.steps[1] else "no step was run")
    heads = {}
    for name, sizes in told.sizes.items():
        parts = []
        for (width, height), (ours, without) in sizes.items():
            # where nothing was pooled, a difference in time has other causes than ToDo
            pooled = name in done.passes and done.passes[name].pooled
            speed = in_words(ours, without if pooled else None)
            parts.append(", ".join(filter(None, [f"{width}×{height}", speed])))
        heads[name] = "; ".join(parts)
    return done.line(heads=heads)


def why_no_layer(p: Any, done: Report) -> str:
    """Why no layer was called in a generation that `done` reports on."""
    if done.compiled:
        return COMPILED
    # not imported, since not every host has it
    if getattr(sys.modules.get("modules.sd_unet"), "current_unet", None) is not None:
        return "an alternative U-Net (such as TensorRT) is in use, whose layers ToDo cannot reach"
    if getattr(p.sd_model, "is_sd3", False):
        return "SD3 has no layers that ToDo can pool"
    return BYPASSED if host.shape_of(p.sd_model) else NO_LAYERS


def data(told: Told) -> dict[str, Any]:
    """What `ToDo report JSON` contains."""
    names = ("with_todo", "without_todo")
    return {
        "settings": vars(told.settings),
        "checkpoint": told.checkpoint,
        "sizes": {
            name: [
                {"size": list(size), "seconds_a_step": dict(zip(names, seconds))}
                for size, seconds in sizes.items()
            ]
            for name, sizes in told.sizes.items()
        },
        **told.downsampling.report.to_dict(),
    }
