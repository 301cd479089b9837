"""The report on a generation: the line under the image, and the same in the API's info.

A series is one or several generations that make up one result, such as an upscale's tiles or a
plot's cells. The host's scripts run them from one processing object or from shallow copies of it,
which share its dict of generation parameters, and combine the results themselves.
"""

from __future__ import annotations

import collections
import weakref
from collections.abc import Callable
from typing import Any

from ...downsampling import token_downsampling
from ...plan import Grid, decide, latent_grid, pass_wanted, pooled_grid
from ...reasons import Reason
from ...settings import FIELDS, Settings
from ...wording import BYPASSED, nothing_pooled
from . import host
from .infotext import JSON_KEY, REPORT_KEY, InfoData, InfoText
from .request import on_page
from .step_times import in_words

NO_LAYERS = "this model has no self-attention layers that ToDo can pool"


class Summary(token_downsampling):
    """One line under the image: all generations of a series with one settings and checkpoint."""

    def __init__(self, settings: Settings, checkpoint: str) -> None:
        super().__init__(settings)
        self.checkpoint = checkpoint
        # by pass, the sizes in pixels that were sampled (several where a script mixes them), with
        # the seconds per step with ToDo and without it, where these were measured
        self.sizes: dict[str, dict[host.Size, tuple[float | None, float | None]]] = {}
        # the last report, for people and for programs
        self.line = ""
        self.data: dict[str, Any] = {}
        self._model: weakref.ref[Any] | None = None

    def pass_now(self) -> str:
        """By SD.Next's own state, since no callback reports steps there."""
        return host.pass_of_pipeline()

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
            self.report.expect_model()
        self._model = weakref.ref(model)

    def update(self, p: Any) -> None:
        """Report on what was done up to now, last by `p`."""
        if self.report.tallies or self.report.compiled:
            self.line = self.report.line(heads={name: self._head(name) for name in self.sizes})
        elif not self.report.steps[1]:
            self.line = nothing_pooled("no step was run")
        else:
            self.line = nothing_pooled(BYPASSED if host.shape_of(p.sd_model) else NO_LAYERS)
        names = ("with_todo", "without_todo")
        sizes = {
            name: [
                {"size": list(size), "seconds_a_step": dict(zip(names, seconds))}
                for size, seconds in measured.items()
            ]
            for name, measured in self.sizes.items()
        }
        asked = {"settings": vars(self.settings), "checkpoint": self.checkpoint}
        self.data = {**asked, "sizes": sizes, **self.report.to_dict()}

    def _head(self, pass_name: str) -> str:
        """The pass's sizes and speeds, such as `512×512, 0.83 s a step`."""
        counts = self.report.passes.get(pass_name)
        parts = []
        for (width, height), (ours, without) in self.sizes[pass_name].items():
            # where nothing was pooled, a difference in time has other causes than ToDo
            speed = in_words(ours, without if counts is not None and counts.pooled else None)
            parts.append(f"{width}×{height}, {speed}" if speed else f"{width}×{height}")
        return "; ".join(parts)


class Series:
    """All generations of one result, by their settings and checkpoint."""

    def __init__(self, shared: dict[str, Any]) -> None:
        # the parameters of the object that the series began with, and of its copies
        self.shared = shared
        # the lines under the image, and what the API's info has beside an image's parameters
        self.lines: list[str] = []
        self.info: dict[str, Any] = {}
        # the parameters of all its results
        self._params: dict[str, Any] = {}
        self._first: Callable[[], Any] | None = None
        self._summaries: dict[tuple[Settings, str], Summary] = {}

    def summary(self, p: Any, settings: Settings) -> Summary:
        """The summary of `p` and of earlier generations like it."""
        checkpoint = str(getattr(host.checkpoint_info(p), "name_for_extra", ""))
        return self._summaries.setdefault((settings, checkpoint), Summary(settings, checkpoint))

    def update(self, summary: Summary, p: Any) -> None:
        """Report on what was done up to now, last by `p`, whose summary it is.

        Each summary has a line. If there are several, each names the values that differ.
        """
        summary.update(p)
        reported = [summary for summary in self._summaries.values() if summary.line]
        common = set.intersection(*(set(summary.values) for summary in reported))
        self.lines = []
        for summary in reported:
            own = ", ".join(value for value in summary.values if value not in common)
            self.lines.append(f"[{own}] {summary.line}" if own else summary.line)
        data = InfoData(generations=[summary.data for summary in reported])
        self.info = {REPORT_KEY: InfoText("\n".join(self.lines)), JSON_KEY: data}

    def write_result(self, processed: Any) -> None:
        """Add the report to a result, and to the earlier ones, of which scripts keep the first."""
        # a plot keeps its first cell's parameters: all results have these, which show later cells
        params = {**processed.extra_generation_params, **self.info}
        self._params.clear()
        self._params.update(params)
        processed.extra_generation_params = self._params
        # img2img's Batch tab shows the comments of its first result
        self._first = self._first or weakref.ref(processed)
        if (first := self._first()) is not None:
            first.comments = processed.comments


# the newest last; several, since a nested generation begins a series of its own
_latest: collections.deque[Series] = collections.deque(maxlen=4)


def series_of(p: Any) -> Series:
    """The series that `p` continues, or a new one."""
    for series in _latest:
        if series.shared is p.extra_generation_params:
            return series
    _latest.append(Series(p.extra_generation_params))
    return _latest[-1]


def left_alone(p: Any, settings: Settings) -> dict[str, list[tuple[Grid, int, Any]]]:
    """By pass, the grids, their layers and why none is pooled; empty if one may be, or who knows.

    The sampler and the first quarter only ever pool less.
    """
    shape = host.shape_of(p.sd_model)
    # a refiner's checkpoint or that of hires fix has a shape of its own
    others = (getattr(p, name, None) for name in ("refiner_checkpoint", "hr_checkpoint_name"))
    if shape is None or any(others):
        return {}
    found = {}
    for name, size in host.sizes(p).items():
        closed = None
        if not pass_wanted(name, settings.passes):
            closed = Reason.OTHER_PASS
        elif settings.start == settings.end:
            closed = Reason.OUTSIDE_WINDOW
        grids = [pooled_grid(latent_grid(*size), downscale) for downscale in shape.levels]
        reasons = [decide(grid, grids[0], settings)[1] or closed for grid in grids]
        found[name] = list(zip(grids, shape.levels.values(), reasons))
    is_pooled = any(reason is None for rows in found.values() for *_, reason in rows)
    return {} if is_pooled else found
