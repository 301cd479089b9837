"""A series: generations that make up one result, such as an upscale's tiles or a plot's cells.

The host's scripts run them from one processing object or from shallow copies of it, which share its
dict of generation parameters, and combine the results themselves.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

from ...downsampling import token_downsampling
from ...settings import FIELDS, Settings
from .result_texts import Sizes

# makes the downsampling of these settings
Downsampling = Callable[[Settings], token_downsampling]


class Series:
    """The settings used so far, each with one downsampling and so with one report."""

    def __init__(self, shared: dict[str, Any]) -> None:
        self._shared = shared
        self._runs: dict[Settings, token_downsampling] = {}
        self._sizes: dict[Settings, Sizes] = {}
        # by settings: the line for people, and the same for programs
        self.reports: dict[Settings, tuple[str, dict[str, Any]]] = {}
        self.shown: list[str] = []
        # the parameters of earlier results, which have to show later lines too
        self.results: list[dict[str, Any]] = []

    def belongs(self, p: Any) -> bool:
        """Whether `p` is the object that the series began with, or a copy of it."""
        return p.extra_generation_params is self._shared

    def run(self, settings: Settings, make: Downsampling) -> token_downsampling:
        """The downsampling of all generations with these settings, made by `make`."""
        if settings not in self._runs:
            self._runs[settings] = make(settings)
        return self._runs[settings]

    def sizes(self, settings: Settings) -> Sizes:
        """The sizes of all generations with these settings, for each of them to add its own."""
        return self._sizes.setdefault(settings, {})

    def comments(self, text: str) -> str:
        """A result's comments, in which our lines stay those of the whole series."""
        return Comments(text, self) if self.text and self.text in text else text

    @property
    def text(self) -> str:
        """Our lines as the host puts them under an image."""
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def lines(self) -> list[str]:
        """A line for each settings. If there are several, each names the values that differ."""
        names = self._differing()
        return [
            f"[{_named(settings, names)}] {line}" if names else line
            for settings, (line, _) in self.reports.items()
        ]

    @property
    def data(self) -> list[dict[str, Any]]:
        """What the lines say, in types that JSON knows."""
        return [data for _, data in self.reports.values()]

    def _differing(self) -> list[str]:
        return [
            field.name
            for field in FIELDS
            if len({getattr(settings, field.name) for settings in self.reports}) > 1
        ]


class Comments(str):
    """Comments that show the series' later lines, too.

    A plot shows the comments of its first cell, from a copy of that cell's result. The host splits
    them into lines when it writes the page.
    """

    __slots__ = ("_around", "_series")
    _around: tuple[str, str]
    _series: Series

    def __new__(cls, text: str, series: Series) -> Comments:
        comments = super().__new__(cls, text)
        before, _, after = text.partition(series.text)
        comments._around, comments._series = (before, after), series
        return comments

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """A deep copy or a pickle is an ordinary text."""
        return str, ("".join(self),)

    def split(self, *args: Any, **kwargs: Any) -> list[str]:
        """The current lines."""
        before, after = self._around
        return f"{before}{self._series.text}{after}".split(*args, **kwargs)


def _named(settings: Settings, names: list[str]) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in ((name, getattr(settings, name)) for name in names)
    )


# the newest last; several, since a nested generation begins a series of its own
_latest: collections.deque[Series] = collections.deque(maxlen=4)


def of(p: Any) -> Series:
    """The series that `p` continues, or a new one."""
    for series in _latest:
        if series.belongs(p):
            return series
    _latest.append(Series(p.extra_generation_params))
    return _latest[-1]
