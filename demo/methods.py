"""The methods that are compared: no downsampling, ToDo, and ToMe by tomesd."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from comparison.recipe import OptionError
from lib_todo import Settings, token_downsampling
from lib_todo.plan import Grid, layer_factor

NAMES = ("baseline", "paper", "todo", "tome")
PAPER_TITLE = "ToDo as in the paper"
USUAL = ("baseline", "todo", "tome")
TOME_LEVELS = (1, 2, 4, 8)
LARGEST_RATIO = 0.996
# the paper rounds the 8/9 of a stride of 3 to 0.89
ROUNDING = 0.005


class Method(Protocol):
    """A way to run the model's self-attention."""

    name: str
    title: str

    def settings(self) -> dict[str, Any]:
        """The settings, for the picture's text and the JSON."""

    def applied(self, pipe: Any) -> AbstractContextManager[Any]:
        """A context manager that applies it to the pipeline; yields ToDo's report, else None."""


@dataclasses.dataclass(frozen=True)
class Baseline:
    """The pipeline as it is."""

    name: str = "baseline"
    title: str = "Baseline"

    def settings(self) -> dict[str, Any]:
        return {}

    def applied(self, pipe: Any) -> AbstractContextManager[Any]:
        return nullcontext()


@dataclasses.dataclass(frozen=True)
class ToDo:
    """Token downsampling by this repository's library."""

    todo: Settings
    name: str = "todo"
    title: str = "ToDo"

    def settings(self) -> dict[str, Any]:
        return dataclasses.asdict(self.todo)

    def applied(self, pipe: Any) -> AbstractContextManager[Any]:
        return token_downsampling(self.todo)


@dataclasses.dataclass(frozen=True)
class ToMe:
    """Token merging by tomesd.

    `ratio` is the share of tokens that are merged into others, in levels down to
    1/`max_downsample` of the latent's size. One token in stride² is what the others are merged
    into, so the stride is the smallest that allows the ratio.

    Raises OptionError.
    """

    ratio: float
    max_downsample: int = 1
    name: str = "tome"
    title: str = "ToMe"

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= LARGEST_RATIO:
            raise OptionError(f"tome-ratio must be from 0 to {LARGEST_RATIO}, not {self.ratio:g}")
        if self.max_downsample not in TOME_LEVELS:
            raise OptionError(
                f"tome-max-downsample must be one of {', '.join(map(str, TOME_LEVELS))}, "
                f"not {self.max_downsample}"
            )

    @property
    def stride(self) -> int:
        """The smallest with which tomesd reaches the ratio."""
        return next(n for n in itertools.count(2) if self.ratio <= 1 - 1 / n**2 + ROUNDING)

    def settings(self) -> dict[str, Any]:
        return {"ratio": self.ratio, "stride": self.stride, "max_downsample": self.max_downsample}

    @contextmanager
    def applied(self, pipe: Any) -> Iterator[None]:
        from comparison.tome import tokens_merged

        options = {"max_downsample": self.max_downsample, "sx": self.stride, "sy": self.stride}
        with tokens_merged(pipe, self.ratio, **options):
            yield


def make_methods(
    names: Collection[str], todo: Settings, tome: Mapping[str, Any], native: int, largest: Grid
) -> list[Method]:
    """The methods of those NAMES, in the order of NAMES.

    Args:
        names: some of NAMES.
        todo: ToDo's settings.
        tome: ToMe's fields. Without a `ratio`, as many tokens of the grid `largest` are left as
            with ToDo.
        native: the model's trained grid, which is the paper's threshold.
        largest: the largest grid of the final picture.
    """
    matching = round(1 - 1 / layer_factor(largest, largest, todo) ** 2, 4)
    paper = Settings.from_preset("paper", native_grid=native)
    made = {
        "baseline": Baseline,
        "paper": lambda: ToDo(paper, "paper", PAPER_TITLE),
        "todo": lambda: ToDo(todo),
        "tome": lambda: ToMe(**{"ratio": matching, **tome}),
    }
    return [made[name]() for name in NAMES if name in names]
