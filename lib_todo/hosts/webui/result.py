"""The report on a generation: the line under the image, and the same in the API's info.

A series is one or several generations that make up one result, such as an upscale's tiles or a
plot's cells. The host's scripts run them from one processing object or from shallow copies of it,
which share its dict of generation parameters, and combine the results themselves.
"""

from __future__ import annotations

import collections
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from ...downsampling import token_downsampling
from ...report import Report
from ...settings import Settings
from . import host
from .request import to_infotext
from .step_times import in_words

# what was pooled in an image: for its reader only, not read back
USED_KEY = "ToDo used"
REPORT_KEY = "ToDo report"
JSON_KEY = "ToDo report JSON"


class Written(str):
    """Marks a value that we wrote; the older extension writes a `ToDo factor` of its own."""


class InfoText(Written):
    """The report for people, in the API's info only, as the one for programs is."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """None, so that the host, which calls it for an image's text, leaves it out there."""


class InfoData(dict):
    """The report for programs. A dict, since the host would take one item of a list."""

    __call__ = InfoText.__call__


def write(p: Any, texts: Mapping[str, str]) -> None:
    """Replace what we wrote to the infotext of `p`; what others wrote under the same keys stays."""
    params = p.extra_generation_params
    for key in [key for key, value in params.items() if isinstance(value, (Written, InfoData))]:
        del params[key]
    for key, text in texts.items():
        params.setdefault(key, Written(text))


def used(done: Report, since: int) -> str:
    """The keys of an image's pooled layers, before and after: `4096 → 1024 and 1024 → 256`.

    `done` may tell of earlier images, too: this one's samplings have numbers above `since`.
    """
    # where steps are not known, neither are the samplings
    pairs = {
        (before, after): None
        for (_, before, after, reason), tally in done.tallies.items()
        if reason is None and (not tally.steps or max(tally.steps)[0] > since)
    }
    return " and ".join(f"{before} → {after}" for before, after in pairs) or "as without ToDo"


class Summary(token_downsampling):
    """One line under the image: all generations of a series with one settings and checkpoint."""

    def __init__(self, settings: Settings, checkpoint: str) -> None:
        super().__init__(settings)
        self.checkpoint = checkpoint
        # by pass, the sizes in pixels that were sampled (several where a script mixes them), with
        # the seconds per step with ToDo and without it, where these were measured
        self.sizes: dict[str, dict[host.Size, tuple[float | None, float | None]]] = {}
        self._model: weakref.ref[Any] | None = None

    def pass_now(self) -> str:
        """The pass whose pipeline SD.Next is calling, where no callback reports steps.

        Its refiner goes over the result of the last pass. "Reprocess" runs an earlier processing
        object, so the flags are read from the one that the host's own callbacks use.
        """
        p = getattr(sys.modules.get("modules.processing_callbacks"), "p", None)
        refined = getattr(p, "is_refiner_pass", False) and getattr(p, "enable_hr", False)
        return "hires" if refined else host.pass_of(p)

    def expect_model(self, model: Any) -> None:
        """Say which model will be called: one that was loaded anew is the same as before."""
        if self._model is not None and self._model() is not model:
            self.report.expect_model()
        self._model = weakref.ref(model)

    def line(self) -> str:
        """The report for people; each pass with its sizes, as `512×512, 0.83 s a step`."""
        heads = {}
        for name, measured in self.sizes.items():
            counts = self.report.passes.get(name)
            parts = []
            for (width, height), (ours, without) in measured.items():
                # where nothing was pooled, a difference in time has other causes than ToDo
                speed = in_words(ours, without if counts is not None and counts.pooled else None)
                parts.append(f"{width}×{height}, {speed}" if speed else f"{width}×{height}")
            heads[name] = "; ".join(parts)
        return self.report.line(heads)

    def data(self) -> dict[str, Any]:
        """The report for programs."""
        names = ("with_todo", "without_todo")
        sizes = {
            name: [
                {"size": list(size), "seconds_a_step": dict(zip(names, seconds))}
                for size, seconds in measured.items()
            ]
            for name, measured in self.sizes.items()
        }
        asked = {"settings": vars(self.settings), "checkpoint": self.checkpoint}
        return {**asked, "sizes": sizes, **self.report.to_dict()}


class Series:
    """All generations of one result, by their settings and checkpoint."""

    def __init__(self, shared: dict[str, Any]) -> None:
        # the parameters of the object that the series began with, and of its copies
        self.shared = shared
        _latest.append(self)
        # those under the image
        self.lines: list[str] = []
        self._first: Callable[[], Any] | None = None
        self._summaries: dict[tuple[Settings, str], Summary] = {}
        self._sampled: list[Summary] = []

    def summary(self, p: Any, settings: Settings) -> Summary:
        """The summary of `p` and of earlier generations like it."""
        checkpoint = str(getattr(host.checkpoint_info(p), "name_for_extra", ""))
        return self._summaries.setdefault((settings, checkpoint), Summary(settings, checkpoint))

    def update(self) -> None:
        """Report on what was done up to now: a line for each summary, and how they differ."""
        self._sampled = [summary for summary in self._summaries.values() if summary.sizes]
        texts = [
            to_infotext(summary.settings) | {"ToDo checkpoint": summary.checkpoint}
            for summary in self._sampled
        ]
        self.lines = []
        for summary, own in zip(self._sampled, texts):
            differs = [
                f"{key.removeprefix('ToDo ')} {text}"
                for key, text in own.items()
                if any(other.get(key) != text for other in texts)
            ]
            head = f"[{', '.join(differs)}] " if differs else ""
            self.lines.append(head + summary.line())

    def write_result(self, processed: Any) -> None:
        """Add the report to a result's info, and its line to that of an earlier result.

        The info is that of the processing object as well, from which scripts that combine results
        (SD upscale, Loopback) build theirs.
        """
        data = InfoData(generations=[summary.data() for summary in self._sampled])
        info = {REPORT_KEY: InfoText("\n".join(self.lines)), JSON_KEY: data}
        processed.extra_generation_params.update(info)
        # img2img's Batch tab shows the comments of its first result
        self._first = self._first or weakref.ref(processed)
        if (first := self._first()) is not None:
            first.comments = processed.comments


# the newest last; several, since a nested generation begins a series of its own
_latest: collections.deque[Series] = collections.deque(maxlen=4)


def series_of(p: Any) -> Series | None:
    """The series that `p` continues, if there is one."""
    return next((one for one in _latest if one.shared is p.extra_generation_params), None)
