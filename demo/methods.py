"""The methods that are compared: no downsampling, ToDo, and ToMe by tomesd."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from comparison.recipe import OptionError
from lib_todo import Settings, token_downsampling
from lib_todo.plan import Grid, layer_factor

TITLES = {
    "baseline": "Baseline",
    "paper": "ToDo as in the paper",
    "todo": "ToDo",
    "tome": "ToMe",
}
USUAL = ("baseline", "todo", "tome")
LARGEST_RATIO = 0.996
# the paper rounds the 8/9 of a stride of 3 to 0.89
ROUNDING = 0.005


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to run the model's self-attention.

    `settings` are for the picture's text and the JSON. `applied` returns a context manager that
    applies the method to a pipeline and yields ToDo's report, else None.
    """

    name: str
    settings: dict[str, Any]
    applied: Callable[[Any], AbstractContextManager[Any]]

    @property
    def title(self) -> str:
        """The name for people."""
        return TITLES[self.name]


def _todo(name: str, settings: Settings) -> Method:
    return Method(name, dataclasses.asdict(settings), lambda pipe: token_downsampling(settings))


def tome_options(ratio: float = 0.0) -> dict[str, Any]:
    """ToMe's settings for a share of tokens that are merged into others. Raises OptionError.

    One token in stride² stays, so the stride is the least with that ratio.
    """
    if not 0 <= ratio <= LARGEST_RATIO:
        raise OptionError(f"tome-ratio must be from 0 to {LARGEST_RATIO}, not {ratio:g}")
    stride = next(n for n in itertools.count(2) if ratio <= 1 - 1 / n**2 + ROUNDING)
    return {"ratio": ratio, "stride": stride}


def _tome(ratio: float, stride: int) -> Method:
    def applied(pipe: Any) -> AbstractContextManager[None]:
        from comparison.loading import first_attention_level
        from comparison.tome import tokens_merged

        # in the largest grid's layers alone, as tomesd does by itself where that is the latent's
        largest = 1 << first_attention_level(pipe.unet)
        return tokens_merged(pipe, ratio, max_downsample=largest, sx=stride, sy=stride)

    return Method("tome", {"ratio": ratio, "stride": stride}, applied)


def make_methods(
    names: Collection[str], todo: Settings, tome: Mapping[str, Any], native: int, largest: Grid
) -> list[Method]:
    """The methods of those names, in the order of TITLES.

    Args:
        names: some of TITLES.
        todo: ToDo's settings.
        tome: arguments of tome_options. Without a `ratio`, as many tokens of the grid `largest`
            are left as with ToDo.
        native: the model's trained grid, which is the paper's threshold.
        largest: the largest grid of the final picture.
    """
    matching = round(1 - 1 / layer_factor(largest, largest, todo) ** 2, 4)
    methods = (
        Method("baseline", {}, lambda pipe: nullcontext()),
        _todo("paper", Settings.from_preset("paper", threshold=native)),
        _todo("todo", todo),
        _tome(**tome_options(**{"ratio": matching, **tome})),
    )
    return [method for method in methods if method.name in names]
