"""The methods that are compared: no downsampling, ToDo, and ToMe by tomesd."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from demo.comparison.recipe import OptionError
from lib_todo import Report, Settings, token_downsampling
from lib_todo.plan import Grid, layer_factor

NAMES = ("baseline", "paper", "todo", "tome")
PAPER_TITLE = "ToDo as in the paper"
USUAL = ("baseline", "todo", "tome")
TOME_LEVELS = (1, 2, 4, 8)
LARGEST_STRIDE = 16
# the paper rounds the 8/9 of a stride of 3 to 0.89
ROUNDING = 0.005


class Method(Protocol):
    """A way to run the model's self-attention."""

    name: str
    title: str

    def settings(self) -> dict[str, Any]:
        """The settings, for the picture's text and the JSON."""

    def applied(self, pipe: Any) -> Any:
        """A context manager that applies it to the pipeline; yields ToDo's report, else None."""


@dataclasses.dataclass(frozen=True)
class Baseline:
    """The pipeline as it is."""

    name: str = "baseline"
    title: str = "Baseline"

    def settings(self) -> dict[str, Any]:
        return {}

    @contextmanager
    def applied(self, pipe: Any) -> Iterator[None]:
        yield None


@dataclasses.dataclass(frozen=True)
class ToDo:
    """Token downsampling by this repository's library."""

    todo: Settings
    name: str = "todo"
    title: str = "ToDo"

    def settings(self) -> dict[str, Any]:
        return dataclasses.asdict(self.todo)

    @contextmanager
    def applied(self, pipe: Any) -> Iterator[Report]:
        with token_downsampling(self.todo) as report:
            yield report


def todo_settings(values: Mapping[str, Any], native_grid: int) -> Settings:
    """ToDo's settings: single values over their `preset`, or over balanced without one.

    Raises SettingsError.
    """
    single = {"preset": "balanced", **values}
    return Settings.from_preset(single.pop("preset"), native_grid=native_grid, **single)


@dataclasses.dataclass(frozen=True)
class ToMe:
    """Token merging by tomesd.

    `ratio` is the share of tokens that are merged into others. At least one token in `stride`²
    stays, which limits the ratio. Tokens are merged in levels down to 1/`max_downsample` of the
    latent's size.

    Raises OptionError, also for a ratio that tomesd would silently reduce.
    """

    ratio: float
    stride: int = 0
    max_downsample: int = 1
    name: str = "tome"
    title: str = "ToMe"

    def __post_init__(self) -> None:
        if not 0 <= self.ratio < 1:
            raise OptionError(f"tome-ratio must be from 0 to below 1, not {self.ratio:g}")
        if self.stride and not 2 <= self.stride <= LARGEST_STRIDE:
            raise OptionError(
                f"tome-stride must be 0 (automatic) or from 2 to {LARGEST_STRIDE}, "
                f"not {self.stride}"
            )
        if self.max_downsample not in TOME_LEVELS:
            raise OptionError(
                f"tome-max-downsample must be one of {', '.join(map(str, TOME_LEVELS))}, "
                f"not {self.max_downsample}"
            )
        if not self.stride:
            object.__setattr__(self, "stride", _smallest_stride(self.ratio))
        elif self.ratio > _largest_ratio(self.stride) + ROUNDING:
            raise OptionError(
                f"tome-ratio {self.ratio:g} is too high for tome-stride {self.stride}, "
                f"which allows at most {_largest_ratio(self.stride):.4g}"
            )

    def settings(self) -> dict[str, Any]:
        return {
            "ratio": self.ratio,
            "stride": self.stride,
            "max_downsample": self.max_downsample,
        }

    @contextmanager
    def applied(self, pipe: Any) -> Iterator[None]:
        from demo.comparison.merging import tokens_merged

        options = {"max_downsample": self.max_downsample, "sx": self.stride, "sy": self.stride}
        with tokens_merged(pipe, self.ratio, **options):
            yield None


def _largest_ratio(stride: int) -> float:
    return 1 - 1 / stride**2


def _smallest_stride(ratio: float) -> int:
    return next(n for n in itertools.count(2) if ratio <= _largest_ratio(n) + ROUNDING)


def matching_ratio(grid: Grid, settings: Settings, stride: int = 0) -> float:
    """The ToMe ratio with which as many tokens of the largest `grid` are left as with ToDo.

    It is at most what `stride` allows, if one is given.
    """
    ratio = 1 - 1 / layer_factor(grid, grid, settings) ** 2
    return round(min(ratio, _largest_ratio(stride)) if stride else ratio, 4)
