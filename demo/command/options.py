"""The command's options with defaults filled in, checked before anything is loaded."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.command.arguments import build_parser
from demo.comparison import defaults, methods
from demo.comparison.loading import BUILT_IN, Source, choose_device
from demo.comparison.recipe import OptionError, Recipe
from lib_todo import Settings, SettingsError
from lib_todo.plan import Grid
from lib_todo.settings import NATIVE_GRID

MOST_REPEATS = 100
SIZE = re.compile(r"(\d+)(?:[x×](\d+))?")


@dataclasses.dataclass(frozen=True)
class Options:
    """The checked options."""

    source: Source
    recipe: Recipe
    method_names: tuple[str, ...]
    todo: dict[str, Any]
    tome: dict[str, Any]
    device: str
    dtype: str
    repeats: int
    output: Path

    def methods(self, native_grid: int, largest: Grid) -> list[methods.Method]:
        """The methods asked for.

        Args:
            native_grid: the model's trained grid, for ToDo's threshold if none was given.
            largest: the largest grid of the final picture. ToMe's ratio, if none was given, is such
                that it merges as many of its tokens as ToDo leaves out.
        """
        todo = methods.todo_settings(self.todo, native_grid)
        ratio = methods.matching_ratio(largest, todo, self.tome.get("stride", 0))
        tome = {"ratio": ratio, **self.tome}
        threshold = self.todo.get("threshold", native_grid)
        paper = Settings.from_preset("paper", threshold=threshold)
        made = {
            "baseline": methods.Baseline,
            "paper": lambda: methods.ToDo(paper, "paper", methods.PAPER_TITLE),
            "todo": lambda: methods.ToDo(todo),
            "tome": lambda: methods.ToMe(**tome),
        }
        return [made[name]() for name in self.method_names]


def parse(argv: Sequence[str] | None = None) -> Options:
    """The options of a command line. A bad one ends the program with an error."""
    parser = build_parser()
    given = vars(parser.parse_args(argv))
    try:
        return _read({name: value for name, value in given.items() if value is not None})
    except (OptionError, SettingsError) as error:
        parser.error(str(error))


def _read(given: dict[str, Any]) -> Options:
    if "hires_to" in given:
        if "width" in given or "height" in given:
            raise OptionError("hires-to sets the final size: leave out width and height")
        given["width"], given["height"] = _size("hires-to", given["hires_to"])
    of_model = defaults.BUILT_IN if given["model"] == BUILT_IN else defaults.SD1
    of_size = defaults.PAPER_SIZES.get(given.get("paper_size"), {})
    values = {**of_model, **of_size, **given}
    todo, tome = defaults.with_prefix("todo_", values), defaults.with_prefix("tome_", values)
    methods.todo_settings(todo, NATIVE_GRID)
    methods.ToMe(**{"ratio": 0.0, **tome})
    if not 1 <= values["repeats"] <= MOST_REPEATS:
        raise OptionError(f"repeats must be from 1 to {MOST_REPEATS}, not {values['repeats']}")
    if values["output"].exists() and not values["output"].is_dir():
        raise OptionError(f"output {str(values['output'])!r} is not a folder")
    return Options(
        source=Source(values["model"], values.get("config", "")),
        recipe=_recipe(values),
        method_names=tuple(dict.fromkeys(values["methods"])),
        todo=todo,
        tome=tome,
        device=choose_device(values["device"]),
        dtype=values["dtype"],
        repeats=values["repeats"],
        output=values["output"],
    )


def _recipe(values: dict[str, Any]) -> Recipe:
    fields = {field.name for field in dataclasses.fields(Recipe)}
    first = values["hires_from"]
    return Recipe(
        first=None if first == "none" else _size("hires-from", first),
        **{name: value for name, value in values.items() if name in fields},
    )


def _size(name: str, text: str) -> tuple[int, int]:
    match = SIZE.fullmatch(text)
    if not match:
        raise OptionError(f"{name} must be a side such as 512 or a size such as 512x768: {text!r}")
    width = int(match[1])
    return width, int(match[2] or width)
